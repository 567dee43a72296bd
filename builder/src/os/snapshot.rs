//! The few files of an image that edits depend on, read once, so that planning is pure.

use std::collections::BTreeMap;

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

/// What each path of interest held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(BTreeMap<ImagePath, FileState>);

impl Snapshot {
    /// Reads what `path` holds now and keeps it.
    pub fn take(&mut self, tree: &Tree, path: &ImagePath) -> Result<&FileState, FsError> {
        let state = read(tree, path)?;
        Ok(self.0.entry(path.clone()).or_insert(state))
    }

    /// What `path` held; only for paths that were taken.
    pub fn get(&self, path: &ImagePath) -> &FileState {
        debug_assert!(self.0.contains_key(path), "{path} is not in the list of paths of interest");
        self.0.get(path).unwrap_or(&FileState::Absent)
    }

    /// What `path` held, where all that there was of its kind was taken: a path that was not is absent.
    pub fn find(&self, path: &ImagePath) -> &FileState {
        self.0.get(path).unwrap_or(&FileState::Absent)
    }

    /// All paths that were taken below `dir`, and what they held.
    pub fn below<'a>(&'a self, dir: &'a ImagePath) -> impl Iterator<Item = (&'a ImagePath, &'a FileState)> {
        self.0.iter().filter(|(path, _)| path.below(dir).is_some())
    }

    /// The text of a regular file.
    pub fn text(&self, path: &ImagePath) -> Option<&str> {
        match self.get(path) {
            FileState::Text(text, _) => Some(text),
            _ => None,
        }
    }

    /// Puts a state in by hand, for tests of what only reads a snapshot.
    #[cfg(test)]
    pub(crate) fn put(&mut self, path: &ImagePath, state: FileState) {
        self.0.insert(path.clone(), state);
    }
}

fn read(tree: &Tree, path: &ImagePath) -> Result<FileState, FsError> {
    let Some(stat) = tree.stat(path)? else {
        return Ok(FileState::Absent);
    };
    Ok(match stat.kind {
        Kind::File if stat.size <= LIMIT => match String::from_utf8(tree.read(path, LIMIT)?) {
            Ok(text) => FileState::Text(text, stat.attributes),
            Err(_) => FileState::Other(Kind::File),
        },
        Kind::Symlink => FileState::Link(tree.read_link(path)?),
        Kind::Dir => FileState::Dir(stat.attributes),
        kind => FileState::Other(kind),
    })
}
