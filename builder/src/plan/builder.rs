//! A feature's contribution in the making.

use crate::formats::EditError;
use crate::formats::modules_load::Module;
use crate::formats::yaml::Node;
use crate::fs::{Attributes, ImagePath};
use crate::os::{Facts, FileState, NotTaken};
use crate::source::artifact::Artifact;
use crate::value::Secret;

use super::contribution::Contribution;
use super::edit::{Action, Content, DiskId, Edit, Reason};
use super::error::PlanError;

/// A feature's contribution so far, and the facts that it is made from.
pub(super) struct PlanBuilder<'a> {
    pub(super) facts: &'a Facts,
    time: i64,
    made: Contribution,
}

impl<'a> PlanBuilder<'a> {
    pub(super) fn new(facts: &'a Facts, time: i64) -> Self {
        Self { facts, time, made: Contribution::default() }
    }

    pub(super) fn finish(self) -> Contribution {
        self.made
    }

    /// Tells k3s something, where the node's role knows the key. What is empty, or k3s's own default, stays unsaid.
    pub(super) fn setting(&mut self, key: &'static str, node: Node) {
        self.made.settings.push((key, node));
    }

    /// The node must have these modules, or there is no node.
    pub(super) fn kernel_modules(&mut self, modules: impl IntoIterator<Item = Module>) {
        self.made.kernel_modules.extend(modules);
    }

    /// Firstboot waits until k3s has applied this addon.
    pub(super) fn addon(&mut self, name: &str) {
        self.made.addons.push(name.to_owned());
    }

    /// The disk gets another id; the files that name it are edited by those whose files they are.
    pub(super) fn disk_id(&mut self, id: DiskId) {
        self.made.disk_id = Some(id);
    }

    /// A file of this machine that goes onto the node; firstboot checks that it is whole.
    pub(super) fn artifact(&mut self, path: &str, mode: u16, artifact: &Artifact, reason: impl Into<Reason>) {
        self.file(path, mode, Content::HostFile(artifact.clone()), reason);
    }

    /// What the base has at a path.
    pub(super) fn base(&self, path: &str) -> Result<&'a FileState, NotTaken> {
        self.facts.files.get(&at(path))
    }

    /// Whether the base has nothing at a path.
    pub(super) fn is_absent(&self, path: &str) -> Result<bool, NotTaken> {
        Ok(*self.base(path)? == FileState::Absent)
    }

    /// Root's, of the build time.
    pub(super) fn attributes(&self, mode: u16) -> Attributes {
        Attributes { mode, uid: 0, gid: 0, mtime: self.time }
    }

    /// The text of a file of the base that must be there.
    pub(super) fn base_text(&self, path: &str) -> Result<&'a str, PlanError> {
        match self.base(path)? {
            FileState::Text(text, _) => Ok(text),
            other => Err(PlanError::NotText { path: path.to_owned(), found: describe(other) }),
        }
    }

    /// A file of ours: made, or replaced whatever it held.
    pub(super) fn file(&mut self, path: &str, mode: u16, content: Content, reason: impl Into<Reason>) {
        self.push(at(path), Action::Write(content, self.attributes(mode)), reason);
    }

    /// A text of ours.
    pub(super) fn text(&mut self, path: &str, mode: u16, text: impl Into<String>, reason: impl Into<Reason>) {
        self.file(path, mode, Content::Bytes(text.into().into_bytes().into()), reason);
    }

    /// A text of the base, changed by `edit`; its owner and mode stay.
    pub(super) fn change(
        &mut self,
        path: &ImagePath,
        reason: impl Into<Reason>,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<(), PlanError> {
        self.change_to(path, reason, edit, |new| Content::Bytes(new.into_bytes().into()))
    }

    /// The same for a text that holds secrets.
    pub(super) fn change_secret(
        &mut self,
        path: &ImagePath,
        reason: impl Into<Reason>,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<(), PlanError> {
        self.change_to(path, reason, edit, |new| Content::Secret(Secret::new(new)))
    }

    /// The same for a text that need not be there: `edit` is given an empty one then, for a new file.
    pub(super) fn change_or_make(
        &mut self,
        path: &str,
        reason: impl Into<Reason>,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<(), PlanError> {
        if self.facts.files.text(&at(path))?.is_some() {
            return self.change(&at(path), reason, edit);
        }
        let new = edit("").map_err(|source| PlanError::Edit { path: path.to_owned(), source })?;
        self.text(path, 0o644, new, reason);
        Ok(())
    }

    fn change_to(
        &mut self,
        path: &ImagePath,
        reason: impl Into<Reason>,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
        content: impl FnOnce(String) -> Content,
    ) -> Result<(), PlanError> {
        let (old, attributes) = match self.facts.files.get(path)? {
            FileState::Text(text, attributes) => (text, *attributes),
            other => return Err(PlanError::NotText { path: path.to_string(), found: describe(other) }),
        };
        let new = edit(old).map_err(|source| PlanError::Edit { path: path.to_string(), source })?;
        if new != *old || self.facts.files.marked().any(|marked| marked == path) {
            let attributes = Attributes { mtime: self.time, ..attributes };
            self.push(path.clone(), Action::Write(content(new), attributes), reason);
        }
        Ok(())
    }

    pub(super) fn link(&mut self, path: &str, target: &str, reason: impl Into<Reason>) {
        self.push(at(path), Action::Link(target.to_owned(), self.attributes(0o777)), reason);
    }

    pub(super) fn dir(&mut self, path: &str, mode: u16, reason: impl Into<Reason>) {
        self.push(at(path), Action::Dir(self.attributes(mode)), reason);
    }

    /// Removes a file or link, if it is there.
    pub(super) fn remove(&mut self, path: &str, reason: impl Into<Reason>) {
        self.push(at(path), Action::Remove, reason);
    }

    pub(super) fn push(&mut self, path: ImagePath, action: Action, reason: impl Into<Reason>) {
        self.made.edits.push(Edit { path, action, reason: reason.into() });
    }
}

pub(super) fn describe(state: &FileState) -> &'static str {
    match state {
        FileState::Absent => "missing",
        FileState::Text(..) => "a text file",
        FileState::Link(_) => "a symbolic link",
        FileState::Dir(_) => "a directory",
        FileState::Utf16 => "UTF-16 text, which some editors call Unicode (save it as UTF-8)",
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
