//! The few files of an image that edits depend on, read once, so that planning is pure.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hc_common::network::{FileError, FileProblem, Files};
use hc_common::text::{NotText, decode, is_marked};
use serde::{Deserialize, Serialize};

use crate::fs::{Attributes, FsError, ImagePath, Kind};

use super::tree::Tree;

/// No configuration file is larger; a larger one is not what it seems.
const LIMIT: u64 = 1 << 20;

/// Most links that one path may pass, as in the kernel.
const MAX_LINKS: u32 = 40;

/// What a path held when the snapshot was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// Nothing.
    Absent,
    /// A regular file with its text, without a byte order mark (see [`Snapshot::marked`]); bytes that are not UTF-8 make it [`FileState::Other`].
    Text(String, Attributes),
    /// A text that is not UTF-8 but UTF-16: no program of a node reads it.
    Utf16,
    /// A symbolic link with its target.
    Link(String),
    /// A directory.
    Dir(Attributes),
    /// Anything else.
    Other(Kind),
}

/// A path that was asked for and not taken, so that nothing is known of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is needed for the plan and was not read from the image: this is a bug of hcimage (a file of interest is missing)"
)]
pub struct NotTaken(pub ImagePath);

/// What each path of interest held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    states: BTreeMap<ImagePath, FileState>,
    /// Directories of which all names were taken: what is not among them is absent.
    whole: BTreeSet<ImagePath>,
    /// Directories of which all links were taken.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    linked: BTreeSet<ImagePath>,
    /// Texts that begin with a byte order mark.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    marked: BTreeSet<ImagePath>,
}

impl Snapshot {
    /// Reads what `path` holds now and keeps it; one that was taken stays as it was then.
    pub fn take(&mut self, tree: &Tree, path: &ImagePath) -> Result<&FileState, FsError> {
        match self.states.entry(path.clone()) {
            Entry::Occupied(taken) => Ok(taken.into_mut()),
            Entry::Vacant(place) => {
                let (state, marked) = read(tree, path)?;
                self.marked.extend(marked.then(|| path.clone()));
                Ok(place.insert(state))
            }
        }
    }

    /// The same; the text, where it is a regular file with one.
    pub fn take_text(&mut self, tree: &Tree, path: &ImagePath) -> Result<Option<&str>, FsError> {
        self.take(tree, path).map(text)
    }

    /// Takes what `path` holds and, for a link, all that it leads to.
    pub fn take_followed(&mut self, tree: &Tree, path: &ImagePath) -> Result<(), FsError> {
        let mut next = Some(path.clone());
        for _ in 0..=HOPS {
            let Some(path) = next else { break };
            let state = self.take(tree, &path)?;
            next = target(&path, state);
        }
        Ok(())
    }

    /// Takes all that lies directly in `dir`, what the links in it lead to, and the directories with drop-ins in it
    /// (`*.d`).
    pub fn take_config_dir(&mut self, tree: &Tree, dir: &ImagePath) -> Result<(), FsError> {
        self.take_dir(tree, dir)?;
        let entries: Vec<(ImagePath, bool)> = self
            .states
            .iter()
            .filter(|(path, _)| path.parent().as_ref() == Some(dir))
            .map(|(path, state)| (path.clone(), matches!(state, FileState::Dir(_))))
            .collect();
        for (path, is_dir) in entries {
            match is_dir {
                true if path.as_str().ends_with(".d") => self.take_dir(tree, &path)?,
                true => {}
                false => self.take_followed(tree, &path)?,
            }
        }
        Ok(())
    }

    /// Takes all that lies directly in `dir`. A link of that name leads to it.
    pub fn take_dir(&mut self, tree: &Tree, dir: &ImagePath) -> Result<(), FsError> {
        if tree.kind(dir)? == Some(Kind::Dir) {
            for entry in tree.list(&tree.resolve(dir)?)? {
                // A name that is no path is one that no program of the image can name either.
                if let Ok(path) = dir.join(&entry.name) {
                    self.take(tree, &path)?;
                }
            }
        }
        self.whole.insert(dir.clone());
        Ok(())
    }

    /// Takes the symbolic links that lie directly in `dir`, and nothing else of it.
    pub fn take_links(&mut self, tree: &Tree, dir: &ImagePath) -> Result<(), FsError> {
        self.linked.insert(dir.clone());
        if tree.kind(dir)? != Some(Kind::Dir) {
            return Ok(());
        }
        for entry in tree.list(&tree.resolve(dir)?)?.iter().filter(|entry| entry.kind == Kind::Symlink) {
            if let Ok(path) = dir.join(&entry.name) {
                self.take(tree, &path)?;
            }
        }
        Ok(())
    }

    /// Takes the units of one kind in a directory of units, the links that enable them (`*.wants`, `*.requires`), and what
    /// links lead to.
    pub fn take_units(&mut self, tree: &Tree, dir: &ImagePath, ending: &str) -> Result<(), FsError> {
        let mut dirs = vec![dir.clone()];
        while let Some(dir) = dirs.pop() {
            if tree.kind(&dir)? != Some(Kind::Dir) {
                continue;
            }
            for entry in tree.list(&tree.resolve(&dir)?)? {
                let Ok(path) = dir.join(&entry.name) else { continue };
                match entry.kind {
                    Kind::Dir if is_of_target(&entry.name) => dirs.push(path),
                    Kind::File | Kind::Symlink if entry.name.ends_with(ending) => {
                        self.take_followed(tree, &path)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// An error unless the links in `dir` were taken, so that [`Snapshot::resolve`] follows them.
    pub fn require_links(&self, dir: &ImagePath) -> Result<(), NotTaken> {
        if self.linked.contains(dir) { Ok(()) } else { Err(NotTaken(dir.clone())) }
    }

    /// The path with every link followed that was taken.
    pub fn resolve(&self, path: &ImagePath) -> ImagePath {
        let mut ahead: VecDeque<String> = path.components().map(str::to_owned).collect();
        let (mut found, mut links) = (ImagePath::root(), 0);
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                found = found.parent().unwrap_or_else(ImagePath::root);
                continue;
            }
            let Ok(next) = found.join(&name) else { continue };
            match self.states.get(&next) {
                Some(FileState::Link(target)) if links < MAX_LINKS => {
                    links += 1;
                    if target.starts_with('/') {
                        found = ImagePath::root();
                    }
                    let names = target.split('/').filter(|name| !matches!(*name, "" | "."));
                    names.rev().for_each(|name| ahead.push_front(name.to_owned()));
                }
                _ => found = next,
            }
        }
        found
    }

    /// All paths that were taken, and what they held.
    pub fn all(&self) -> impl Iterator<Item = (&ImagePath, &FileState)> {
        self.states.iter()
    }

    /// The texts that begin with a byte order mark, which their programs would take for a part of the first word.
    pub fn marked(&self) -> impl Iterator<Item = &ImagePath> {
        self.marked.iter()
    }

    /// What `path` held. What lies in a directory that was taken whole, or below a path that was absent, needs not have
    /// been taken itself.
    pub fn get(&self, path: &ImagePath) -> Result<&FileState, NotTaken> {
        if let Some(state) = self.states.get(path) {
            return Ok(state);
        }
        let is_absent = |dir: &ImagePath| self.whole.contains(dir) || self.get(dir) == Ok(&FileState::Absent);
        match path.parent() {
            Some(dir) if is_absent(&dir) => Ok(&FileState::Absent),
            _ => Err(NotTaken(path.clone())),
        }
    }

    /// All paths that were taken below `dir`, which was taken whole, and what they held.
    pub fn below<'a>(
        &'a self,
        dir: &'a ImagePath,
    ) -> Result<impl Iterator<Item = (&'a ImagePath, &'a FileState)>, NotTaken> {
        if !self.whole.contains(dir) {
            return Err(NotTaken(dir.clone()));
        }
        Ok(self.states.iter().filter(|(path, _)| path.below(dir).is_some()))
    }

    /// The text of a regular file.
    pub fn text(&self, path: &ImagePath) -> Result<Option<&str>, NotTaken> {
        self.get(path).map(text)
    }

    /// Puts a state in by hand, for tests of what only reads a snapshot.
    #[cfg(test)]
    pub(crate) fn put(&mut self, path: &ImagePath, state: FileState) {
        self.states.insert(path.clone(), state);
    }

    /// Has the links of a directory count as taken, for such tests.
    #[cfg(test)]
    pub(crate) fn put_links(&mut self, dir: &ImagePath) {
        self.linked.insert(dir.clone());
    }

    /// Has a text count as one with a byte order mark, for such tests.
    #[cfg(test)]
    pub(crate) fn put_mark(&mut self, path: &ImagePath) {
        self.marked.insert(path.clone());
    }

    /// Has a directory count as taken whole, for such tests.
    #[cfg(test)]
    pub(crate) fn put_whole(&mut self, dir: &ImagePath) {
        self.whole.insert(dir.clone());
    }
}

/// A directory of links to the units that another unit starts.
fn is_of_target(name: &str) -> bool {
    name.ends_with(".wants") || name.ends_with(".requires")
}

/// The most links on the way to a file.
const HOPS: usize = 8;

/// Where a link leads, by its text; none for what is no link, and for `/dev/null`, which is no file of an image.
fn target(path: &ImagePath, state: &FileState) -> Option<ImagePath> {
    let FileState::Link(text) = state else { return None };
    let from = path.parent()?;
    let mut parts: Vec<&str> = if text.starts_with('/') { Vec::new() } else { from.components().collect() };
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            name => parts.push(name),
        }
    }
    let whole = ImagePath::parse(&format!("/{}", parts.join("/"))).ok()?;
    (whole.as_str() != NULL).then_some(whole)
}

/// A link to it stands for an empty file, by which programs take a name out of a directory of the system.
const NULL: &str = "/dev/null";

/// As the programs of the image read it: links are followed.
impl Files for Snapshot {
    fn text(&self, path: &str) -> Result<Option<String>, FileError> {
        let failed = |problem| FileError { path: path.to_owned(), problem };
        let mut at = ImagePath::parse(path).map_err(|_| failed(FileProblem::NotText("no valid path")))?;
        for _ in 0..=HOPS {
            let state = self.get(&at).map_err(|_| failed(FileProblem::NotTaken))?;
            let found = match state {
                FileState::Absent => return Ok(None),
                FileState::Text(text, _) => return Ok(Some(text.clone())),
                FileState::Link(text) => match target(&at, state) {
                    Some(next) => {
                        at = next;
                        continue;
                    }
                    None if text == NULL => return Ok(Some(String::new())),
                    None => "a link that leads nowhere",
                },
                FileState::Dir(_) => "a directory",
                FileState::Utf16 => "UTF-16 text (save it as UTF-8)",
                FileState::Other(Kind::File) => "a binary or a very large file",
                FileState::Other(_) => "neither file nor directory",
            };
            return Err(failed(FileProblem::NotText(found)));
        }
        Err(failed(FileProblem::NotText("too many links")))
    }

    fn dir(&self, dir: &str, ending: &str) -> Result<Vec<(String, String)>, FileError> {
        let failed = |problem| FileError { path: dir.to_owned(), problem };
        let path = ImagePath::parse(dir).map_err(|_| failed(FileProblem::NotText("no valid path")))?;
        if self.get(&path) == Ok(&FileState::Absent) {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let below = self.below(&path).map_err(|_| failed(FileProblem::NotTaken))?;
        for (inside, state) in below {
            if !inside.as_str().ends_with(ending) || inside.parent().as_ref() != Some(&path) {
                continue;
            }
            // Only directories are left out: a file that cannot be read may be the one that decides.
            if let FileState::Text(..) | FileState::Link(_) | FileState::Other(Kind::File) = state
                && let Some(text) = self.text_or_dir(inside)?
            {
                found.push((inside.to_string(), text));
            }
        }
        Ok(found)
    }
}

impl Snapshot {
    /// The same; none for a link to a directory.
    fn text_or_dir(&self, path: &ImagePath) -> Result<Option<String>, FileError> {
        match Files::text(self, path.as_str()) {
            Err(FileError { problem: FileProblem::NotText("a directory"), .. }) => Ok(None),
            other => other,
        }
    }
}

fn text(state: &FileState) -> Option<&str> {
    match state {
        FileState::Text(text, _) => Some(text),
        _ => None,
    }
}

/// What is at the path, and whether it is a text that begins with a byte order mark.
fn read(tree: &Tree, path: &ImagePath) -> Result<(FileState, bool), FsError> {
    let Some(stat) = tree.stat(path)? else {
        return Ok((FileState::Absent, false));
    };
    Ok(match stat.kind {
        Kind::File if stat.size <= LIMIT => {
            let bytes = tree.read_configuration(path, LIMIT)?;
            match decode(&bytes) {
                Ok(text) => (FileState::Text(text.to_owned(), stat.attributes), is_marked(&bytes)),
                Err(NotText::Utf16) => (FileState::Utf16, false),
                Err(NotText::Invalid { .. }) => (FileState::Other(Kind::File), false),
            }
        }
        Kind::Symlink => (FileState::Link(tree.read_link(path)?), false),
        Kind::Dir => (FileState::Dir(stat.attributes), false),
        kind => (FileState::Other(kind), false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ImagePath {
        ImagePath::parse(text).unwrap()
    }

    #[test]
    fn absent_is_told_from_empty() {
        let mut files = Snapshot::default();
        files.put(&path("/etc/hosts"), FileState::Absent);
        assert_eq!(files.get(&path("/etc/hosts")), Ok(&FileState::Absent));
        files.put(&path("/etc/hosts"), FileState::Link("x".into()));
        assert_eq!(files.text(&path("/etc/hosts")), Ok(None));
    }

    #[test]
    fn links_that_were_taken_are_followed() {
        let mut files = Snapshot::default();
        for (link, target) in
            [("/lib", "usr/lib"), ("/var/run", "/run"), ("/srv/up", "../opt/./x"), ("/a", "/a")]
        {
            files.put(&path(link), FileState::Link(target.to_owned()));
        }
        for (from, to) in [
            ("/lib/modules", "/usr/lib/modules"),
            ("/var/run/x", "/run/x"),
            ("/srv/up/y", "/opt/x/y"),
            ("/srv/data", "/srv/data"),
            ("/a/b", "/a/b"),
        ] {
            assert_eq!(files.resolve(&path(from)), path(to), "{from}");
        }
    }

    #[test]
    fn a_path_that_was_not_taken_is_an_error() {
        let mut files = Snapshot::default();
        files.put(&path("/etc/hosts"), FileState::Absent);
        let missing = NotTaken(path("/etc/hostname"));
        assert_eq!(files.get(&path("/etc/hostname")), Err(missing.clone()));
        assert_eq!(files.text(&path("/etc/hostname")), Err(missing));
        assert_eq!(files.below(&path("/etc")).map(drop), Err(NotTaken(path("/etc"))));
    }

    #[test]
    fn what_is_below_an_absent_path_or_not_in_a_whole_directory_is_absent() {
        let mut files = Snapshot::default();
        files.put_whole(&path("/home"));
        files.put(&path("/home/pi"), FileState::Link("elsewhere".into()));
        files.put(&path("/srv/www"), FileState::Absent);
        for absent in ["/home/new", "/home/new/.ssh/authorized_keys", "/srv/www/.ssh"] {
            assert_eq!(files.get(&path(absent)), Ok(&FileState::Absent), "{absent}");
        }
        for unknown in ["/home/pi/.ssh", "/srv", "/srv/other"] {
            assert_eq!(files.get(&path(unknown)), Err(NotTaken(path(unknown))), "{unknown}");
        }
        assert_eq!(files.below(&path("/home")).unwrap().count(), 1);
    }
}
