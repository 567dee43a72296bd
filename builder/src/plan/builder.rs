//! A plan in the making.

use crate::formats::EditError;
use crate::fs::{Attributes, ImagePath};
use crate::os::{Facts, FileState};
use crate::value::Secret;

use super::edit::{Action, Content, Edit, Plan};
use super::error::PlanError;

/// Edits so far, and the facts that they are made from.
pub(super) struct PlanBuilder<'a> {
    pub(super) facts: &'a Facts,
    time: i64,
    edits: Vec<Edit>,
}

impl<'a> PlanBuilder<'a> {
    pub(super) fn new(facts: &'a Facts, time: i64) -> Self {
        Self { facts, time, edits: Vec::new() }
    }

    pub(super) fn finish(self) -> Plan {
        Plan { edits: self.edits }
    }

    /// Root's, of the build time.
    pub(super) fn attributes(&self, mode: u16) -> Attributes {
        Attributes { mode, uid: 0, gid: 0, mtime: self.time }
    }

    /// The text of a file of the base that must be there.
    pub(super) fn base_text(&self, path: &str) -> Result<&'a str, PlanError> {
        match self.facts.files.get(&at(path)) {
            FileState::Text(text, _) => Ok(text),
            other => Err(PlanError::NotText { path: path.to_owned(), found: describe(other) }),
        }
    }

    /// A file of ours: made, or replaced whatever it held.
    pub(super) fn file(&mut self, path: &str, mode: u16, content: Content, reason: &'static str) {
        self.push(at(path), Action::Write(content, self.attributes(mode)), reason);
    }

    /// A text of ours.
    pub(super) fn text(&mut self, path: &str, mode: u16, text: impl Into<String>, reason: &'static str) {
        self.file(path, mode, Content::Bytes(text.into().into_bytes().into()), reason);
    }

    /// A text of the base, changed by `edit`; its owner and mode stay.
    pub(super) fn change(
        &mut self,
        path: &ImagePath,
        reason: &'static str,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<(), PlanError> {
        self.change_to(path, reason, edit, |new| Content::Bytes(new.into_bytes().into()))
    }

    /// The same for a text that holds secrets.
    pub(super) fn change_secret(
        &mut self,
        path: &ImagePath,
        reason: &'static str,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<(), PlanError> {
        self.change_to(path, reason, edit, |new| Content::Secret(Secret::new(new)))
    }

    /// The same for a text that need not be there: `edit` is given an empty one then, for a new file.
    pub(super) fn change_or_make(
        &mut self,
        path: &str,
        reason: &'static str,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<(), PlanError> {
        if self.facts.files.text(&at(path)).is_some() {
            return self.change(&at(path), reason, edit);
        }
        let new = edit("").map_err(|source| PlanError::Edit { path: path.to_owned(), source })?;
        self.text(path, 0o644, new, reason);
        Ok(())
    }

    fn change_to(
        &mut self,
        path: &ImagePath,
        reason: &'static str,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
        content: impl FnOnce(String) -> Content,
    ) -> Result<(), PlanError> {
        let (old, attributes) = match self.facts.files.get(path) {
            FileState::Text(text, attributes) => (text, *attributes),
            other => return Err(PlanError::NotText { path: path.to_string(), found: describe(other) }),
        };
        let new = edit(old).map_err(|source| PlanError::Edit { path: path.to_string(), source })?;
        if new != *old {
            let attributes = Attributes { mtime: self.time, ..attributes };
            self.push(path.clone(), Action::Write(content(new), attributes), reason);
        }
        Ok(())
    }

    pub(super) fn link(&mut self, path: &str, target: &str, reason: &'static str) {
        self.push(at(path), Action::Link(target.to_owned(), self.attributes(0o777)), reason);
    }

    pub(super) fn dir(&mut self, path: &str, mode: u16, reason: &'static str) {
        self.push(at(path), Action::Dir(self.attributes(mode)), reason);
    }

    /// Removes a file or link, if it is there.
    pub(super) fn remove(&mut self, path: &str, reason: &'static str) {
        self.push(at(path), Action::Remove, reason);
    }

    pub(super) fn push(&mut self, path: ImagePath, action: Action, reason: &'static str) {
        self.edits.push(Edit { path, action, reason });
    }
}

fn describe(state: &FileState) -> &'static str {
    match state {
        FileState::Absent => "missing",
        FileState::Text(..) => "a text file",
        FileState::Link(_) => "a symbolic link",
        FileState::Dir(_) => "a directory",
        FileState::Other(_) => "not a text file",
    }
}

/// A path that is written in this program, or made of parsed values.
pub(super) fn at(path: &str) -> ImagePath {
    #[expect(
        clippy::expect_used,
        reason = "paths are literals or made of parsed values; the plan tests walk all"
    )]
    ImagePath::parse(path).expect("a planned path is well-formed")
}
