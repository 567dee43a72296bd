//! Removing files, directories and whole trees.

use fs_ext4::dir::DirEntry;
use fs_ext4::error::Error;

use super::dentry::{bad, must_be};
use super::directory_entries::NameAt;
use super::handle::Ext4;
use super::lookup::Node;
use crate::fs::ext4::error::convert;
use crate::fs::{ImagePath, Kind, Result};

/// A directory whose content is being visited, and how far the visit has come.
struct Level {
    inode: u32,
    name: Vec<u8>,
    next_block: u64,
    /// Directories found in the blocks before `next_block` that are still to be visited.
    dirs: Vec<(u32, Vec<u8>)>,
}

impl Ext4 {
    /// Removes a name of anything but a directory. A file with other names stays under those.
    pub(crate) fn remove_name(&self, path: &ImagePath) -> Result<()> {
        let (dentry, node) = self.taken_dentry(path)?;
        if node.kind == Kind::Dir {
            return Err(bad(path, "it is a directory"));
        }
        self.may_remove(&dentry, path)?;
        self.name_unlink(dentry.at()).map_err(|error| self.failed(error, "removing", path, 0))?;
        self.removed(node, path)
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, path: &ImagePath) -> Result<()> {
        let (dentry, node) = self.taken_dentry(path)?;
        must_be(node, Kind::Dir, path)?;
        self.may_remove(&dentry, path)?;
        self.must_be_empty(node.inode, path)?;
        let removed = self.name_remove_dir(dentry.at());
        removed.map_err(|error| self.failed(error, "removing directory", path, 0))?;
        self.removed(node, path)
    }

    /// Removes whatever has the name: a file, a link, or a directory with all that is in it. Files that have names
    /// elsewhere stay under those.
    ///
    /// Protected files are looked for first: the tree is removed as a whole or not at all. Memory is
    /// bounded by the depth of the tree, not by its size.
    pub fn remove_tree(&self, path: &ImagePath) -> Result<()> {
        let (dentry, node) = self.taken_dentry(path)?;
        if node.kind != Kind::Dir {
            return self.remove_name(path);
        }
        self.may_remove(&dentry, path)?;
        self.visit(node.inode, path, Visit::Check)?;
        self.visit(node.inode, path, Visit::Remove)?;
        self.remove_dir(path)
    }

    /// An error for a directory that has names.
    pub(crate) fn must_be_empty(&self, dir: u32, path: &ImagePath) -> Result<()> {
        let what = |error: Error| convert(error, &format!("reading directory {path}"));
        for block in 0..self.dir_blocks(dir).map_err(what)? {
            if !self.names_in_block(dir, block).map_err(what)?.is_empty() {
                return Err(bad(path, "the directory is not empty"));
            }
        }
        Ok(())
    }

    /// Names in one block of a directory, without `.` and `..`.
    fn names_in_block(&self, dir: u32, block: u64) -> fs_ext4::Result<Vec<DirEntry>> {
        let mut entries = self.dir_block(dir, block)?;
        entries.retain(|entry| entry.name != b"." && entry.name != b"..");
        Ok(entries)
    }

    /// Visits everything below a directory, files of a block first, then its directories, each after its content.
    ///
    /// Block by block: removing a name moves no other to another block.
    fn visit(&self, dir: u32, path: &ImagePath, visit: Visit) -> Result<()> {
        let mut levels = vec![Level { inode: dir, name: Vec::new(), next_block: 0, dirs: Vec::new() }];
        while let Some(level) = levels.last_mut() {
            if let Some((inode, name)) = level.dirs.pop() {
                levels.push(Level { inode, name, next_block: 0, dirs: Vec::new() });
                continue;
            }
            let what = |error: Error| convert(error, &format!("reading directories below {path}"));
            if level.next_block < self.dir_blocks(level.inode).map_err(what)? {
                let (dir, block) = (level.inode, level.next_block);
                level.next_block = block.saturating_add(1);
                let at = below(path, &levels);
                let dirs =
                    self.visit_entries(dir, self.names_in_block(dir, block).map_err(what)?, &at, visit)?;
                if let Some(level) = levels.last_mut() {
                    level.dirs = dirs;
                }
                continue;
            }
            let done = levels.pop();
            if let (Some(done), Some(above), Visit::Remove) = (done, levels.last(), visit) {
                let at = NameAt { dir: above.inode, name: &done.name };
                let removed = self.name_remove_dir(at);
                removed.map_err(|error| self.failed(error, "removing directories below", path, 0))?;
                self.forget(done.inode).map_err(what)?;
            }
        }
        Ok(())
    }

    /// Visits the files among `entries`; the directories are returned.
    fn visit_entries(
        &self,
        dir: u32,
        entries: Vec<DirEntry>,
        path: &ImagePath,
        visit: Visit,
    ) -> Result<Vec<(u32, Vec<u8>)>> {
        if visit == Visit::Check {
            self.may_change(dir, path)?;
        }
        let mut dirs = Vec::new();
        for entry in entries {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let node = Node { inode: entry.inode, kind: self.kind(entry.inode, &name)? };
            if node.kind == Kind::Dir {
                dirs.push((entry.inode, entry.name));
                continue;
            }
            match visit {
                Visit::Check => {
                    self.may_change(node.inode, &path.join(&name).unwrap_or_else(|_| path.clone()))?
                }
                Visit::Remove => {
                    let removed = self.name_unlink(NameAt { dir, name: &entry.name });
                    removed.map_err(|error| self.failed(error, "removing files below", path, 0))?;
                    self.removed(node, path)?;
                }
            }
        }
        Ok(dirs)
    }

    /// Completes the removal of a name of `node`: a file with other names has changed.
    pub(crate) fn removed(&self, node: Node, path: &ImagePath) -> Result<()> {
        if node.kind == Kind::Dir {
            return self.forget(node.inode).map_err(|error| convert(error, &format!("removing {path}")));
        }
        match self.fs().stat_ino(node.inode) {
            Ok(_) => self.stamp(node.inode, path),
            Err(Error::Stale) => Ok(()),
            Err(error) => Err(convert(error, &format!("removing {path}"))),
        }
    }
}

/// The path of the last level, for messages: a name that is not UTF-8 is shown with U+FFFD.
fn below(path: &ImagePath, levels: &[Level]) -> ImagePath {
    levels.iter().skip(1).fold(path.clone(), |at, level| {
        let name = String::from_utf8_lossy(&level.name);
        at.join(&name).unwrap_or(at)
    })
}

/// What is done with each file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    /// An error if it is protected.
    Check,
    /// It is removed.
    Remove,
}
