//! Symbolic links and hard links.

use super::dentry::bad;
use super::handle::Ext4;
use super::lookup::Node;
use crate::fs::{Attributes, ImagePath, Kind, Result};

impl Ext4 {
    /// Creates or replaces a symbolic link.
    pub(crate) fn make_symlink(&self, path: &ImagePath, target: &str, attributes: Attributes) -> Result<()> {
        if target.is_empty() || target.contains('\0') {
            return Err(bad(path, "the target of a symbolic link must not be empty or have a NUL"));
        }
        self.put(path, |dentry| {
            let made = self.name_new_symlink(dentry.at(), target.as_bytes());
            let inode = made.map_err(|error| self.failed(error, "linking", path, 1))?;
            Ok(self.apply_attributes(Node { inode, kind: Kind::Symlink }, path, attributes))
        })
    }

    /// Adds a name, `new`, which must be free, to the file `existing`. Symbolic links are files here and are
    /// not followed in the last component.
    ///
    /// # Errors
    /// `BadPath` for a directory, for a name that is taken, and for a file that has 65,000 names already.
    pub fn hard_link(&self, existing: &ImagePath, new: &ImagePath) -> Result<()> {
        let (_, node) = self.taken_dentry(existing)?;
        if node.kind == Kind::Dir {
            return Err(bad(existing, "a directory cannot have two names"));
        }
        self.may_change(node.inode, existing)?;
        let dentry = self.dentry(new)?;
        if dentry.taken.is_some() {
            return Err(bad(new, "the name is taken"));
        }
        self.may_add(&dentry, new)?;
        let linked = self.name_link(node.inode, dentry.at());
        linked.map_err(|error| self.failed(error, "linking", new, 1))?;
        self.stamp(node.inode, existing)
    }
}
