//! The few files of an image that edits depend on, read once, so that planning is pure.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::fs::{Attributes, FsError, ImagePath, Kind};

use super::tree::Tree;

/// No configuration file is larger; a larger one is not what it seems.
const LIMIT: u64 = 1 << 20;

/// What a path held when the snapshot was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// Nothing.
    Absent,
    /// A regular file with its text; bytes that are not UTF-8 make it [`FileState::Other`].
    Text(String, Attributes),
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
}

impl Snapshot {
    /// Reads what `path` holds now and keeps it; one that was taken stays as it was then.
    pub fn take(&mut self, tree: &Tree, path: &ImagePath) -> Result<&FileState, FsError> {
        match self.states.entry(path.clone()) {
            Entry::Occupied(taken) => Ok(taken.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(read(tree, path)?)),
        }
    }

    /// The same; the text, where it is a regular file with one.
    pub fn take_text(&mut self, tree: &Tree, path: &ImagePath) -> Result<Option<&str>, FsError> {
        self.take(tree, path).map(text)
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

    /// Has a directory count as taken whole, for such tests.
    #[cfg(test)]
    pub(crate) fn put_whole(&mut self, dir: &ImagePath) {
        self.whole.insert(dir.clone());
    }
}

fn text(state: &FileState) -> Option<&str> {
    match state {
        FileState::Text(text, _) => Some(text),
        _ => None,
    }
}

fn read(tree: &Tree, path: &ImagePath) -> Result<FileState, FsError> {
    let Some(stat) = tree.stat(path)? else {
        return Ok(FileState::Absent);
    };
    Ok(match stat.kind {
        Kind::File if stat.size <= LIMIT => match String::from_utf8(tree.read_configuration(path, LIMIT)?) {
            Ok(text) => FileState::Text(text, stat.attributes),
            Err(_) => FileState::Other(Kind::File),
        },
        Kind::Symlink => FileState::Link(tree.read_link(path)?),
        Kind::Dir => FileState::Dir(stat.attributes),
        kind => FileState::Other(kind),
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
