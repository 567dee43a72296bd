//! Names for what exists: symbolic links, hard links, other names.

use super::Ext4;
use super::resolve::Node;
use super::slot::{bad, must_be};
use crate::fs::{Attributes, ImagePath, Kind, Result};

impl Ext4 {
    /// Creates or replaces a symbolic link.
    pub(super) fn make_symlink(&self, path: &ImagePath, target: &str, attributes: Attributes) -> Result<()> {
        if target.is_empty() || target.contains('\0') {
            return Err(bad(path, "a link needs a target without NUL"));
        }
        self.put(path, |slot| {
            let made = self.name_new_symlink(slot.at(), target.as_bytes());
            let inode = made.map_err(|error| self.failed(error, "linking", path, 1))?;
            Ok(self.apply_attributes(Node { inode, kind: Kind::Symlink }, path, attributes))
        })
    }

    /// Gives the file `existing` one more name, `new`, which must be free. Symbolic links are files here and are
    /// not followed in the last component.
    ///
    /// # Errors
    /// `BadPath` for a directory, for a name that is taken, and for a file that has 65,000 names already.
    pub fn hard_link(&self, existing: &ImagePath, new: &ImagePath) -> Result<()> {
        let (_, node) = self.taken_slot(existing)?;
        if node.kind == Kind::Dir {
            return Err(bad(existing, "a directory cannot have two names"));
        }
        self.may_change(node.inode, existing)?;
        let slot = self.slot(new)?;
        if slot.taken.is_some() {
            return Err(bad(new, "the name is taken"));
        }
        self.may_add(&slot, new)?;
        let linked = self.name_link(node.inode, slot.at());
        linked.map_err(|error| self.failed(error, "linking", new, 1))?;
        self.stamp(node.inode, existing)
    }

    /// Gives what `from` names the name `to`, as `rename(2)` does: a file takes the place of a file or link, a
    /// directory that of an empty directory; two names of one file stay as they are.
    ///
    /// # Errors
    /// `BadPath` where a directory would take a file's place or the other way round, where the directory in the way is
    /// not empty, and for a directory that would go into itself.
    pub fn rename(&self, from: &ImagePath, to: &ImagePath) -> Result<()> {
        let (source, node) = self.taken_slot(from)?;
        let target = self.slot(to)?;
        self.may_remove(&source, from)?;
        if let Some(old) = target.taken {
            if old.inode == node.inode {
                return Ok(());
            }
            match (node.kind == Kind::Dir, old.kind == Kind::Dir) {
                (true, false) => return must_be(old, Kind::Dir, to),
                (false, true) => return Err(bad(to, "it is a directory")),
                (true, true) => self.must_be_empty(old.inode, to)?,
                (false, false) => {}
            }
            self.may_remove(&target, to)?;
        } else {
            self.may_add(&target, to)?;
        }
        let moved = self.name_move(source.at(), target.at());
        moved.map_err(|error| self.failed(error, "renaming", from, 1))?;
        if let Some(old) = target.taken {
            self.removed(old, to)?;
        }
        self.stamp(node.inode, to)
    }
}
