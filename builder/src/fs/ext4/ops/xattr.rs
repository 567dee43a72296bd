//! Extended attributes, by their full names.
//!
//! The first ones live in the inode, behind its fields, the others in one block that several inodes may share:
//! [Extended attributes](https://docs.kernel.org/filesystems/ext4/attributes.html). The crate stores them, copies a
//! shared block before it changes, and frees it with the inode. Here are the kernel's rules for names and values, and
//! the permissions that go with an access control list.

use fs_ext4::error::Error;
use fs_ext4::xattr::{XattrEntry, read_all_resolved};

use super::dentry::bad;
use super::handle::Ext4;
use super::lookup::Node;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::acl::Acl;
use crate::fs::resolve::Last;
use crate::fs::{FsError, ImagePath, Kind, Result};

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";
/// Prefixes of names whose rest is free.
const PREFIXES: [&str; 3] = ["user.", "trusted.", "security."];
/// Bytes that a name may have behind its prefix (`e_name_len` is one byte).
const LONGEST_NAME: usize = 255;

impl Ext4 {
    /// The names of a file's attributes, sorted. A link at the end is not followed.
    pub fn xattr_names(&self, path: &ImagePath) -> Result<Vec<String>> {
        let node = self.existing(path, Last::Keep, None)?;
        let mut names: Vec<_> = self.xattrs_of(node, path)?.into_iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The value of an attribute as `getxattr(2)` gives it; `None` if the file has no such attribute.
    pub fn xattr(&self, path: &ImagePath, name: &str) -> Result<Option<Vec<u8>>> {
        let node = self.existing(path, Last::Keep, None)?;
        let Some(value) = self.kept_value(node, path, name)? else { return Ok(None) };
        if !is_acl(name) {
            return Ok(Some(value));
        }
        let acl = Acl::from_kept(&value).ok_or_else(|| corrupt(format!("the {name} of {path}")))?;
        Ok(Some(acl.given()))
    }

    /// Sets an attribute, as `setxattr(2)` does: `user.` for files and directories alone; an access control list that
    /// says no more than the permissions becomes permissions.
    ///
    /// # Errors
    /// `BadPath` for a name or value that there cannot be, and where the file's attributes do not fit into its
    /// inode and one block; `NoSpace` where there is no block. The old value stays then.
    pub fn set_xattr(&self, path: &ImagePath, name: &str, value: &[u8]) -> Result<()> {
        let node = self.changeable(path)?;
        check(node, path, name)?;
        if !is_acl(name) {
            return self.keep_value(node, path, name, value);
        }
        let acl = Acl::from_given(value).ok_or_else(|| bad(path, &format!("invalid value of {name}")))?;
        if name == DEFAULT {
            return self.keep_value(node, path, name, &acl.kept());
        }
        if acl.is_minimal() {
            self.drop_value(node, path, name)?;
        } else {
            self.keep_value(node, path, name, &acl.kept())?;
        }
        let mode = self.inode(node.inode, path.as_str())?.mode & 0o7000 | acl.mode();
        let done = self.fs().apply_chmod_ino(node.inode, mode);
        done.map_err(|error| self.failed(error, "setting the permissions of", path, 1))
    }

    /// Removes an attribute; `NotFound` if there is none of that name.
    pub fn remove_xattr(&self, path: &ImagePath, name: &str) -> Result<()> {
        let node = self.changeable(path)?;
        check(node, path, name)?;
        if self.drop_value(node, path, name)? {
            return Ok(());
        }
        Err(FsError::NotFound { path: format!("{path}: the attribute {name}") })
    }

    /// Gives the file at `to` all attributes of `from`.
    pub(crate) fn copy_xattrs(&self, from: Node, to: &ImagePath, path: &ImagePath) -> Result<()> {
        let target = self.existing(to, Last::Keep, None)?;
        for entry in self.xattrs_of(from, path)? {
            self.keep_value(target, to, &entry.name, &entry.value)?;
        }
        Ok(())
    }

    /// Updates the access control list after the permissions were set.
    pub(crate) fn fit_acl(&self, node: Node, path: &ImagePath, mode: u16) -> Result<()> {
        let Some(value) = self.kept_value(node, path, ACCESS)? else { return Ok(()) };
        let acl = Acl::from_kept(&value).ok_or_else(|| corrupt(format!("the {ACCESS} of {path}")))?;
        self.keep_value(node, path, ACCESS, &acl.with_mode(mode).kept())
    }

    fn kept_value(&self, node: Node, path: &ImagePath, name: &str) -> Result<Option<Vec<u8>>> {
        let found = self.xattrs_of(node, path)?.into_iter().find(|entry| entry.name == name);
        Ok(found.map(|entry| entry.value))
    }

    fn xattrs_of(&self, node: Node, path: &ImagePath) -> Result<Vec<XattrEntry>> {
        let fs = &*self.fs();
        let (inode, bytes) =
            fs.read_inode_verified(node.inode).map_err(|error| convert(error, &format!("reading {path}")))?;
        read_all_resolved(fs, &inode, &bytes)
            .map_err(|error| convert(error, &format!("reading the attributes of {path}")))
    }

    fn keep_value(&self, node: Node, path: &ImagePath, name: &str, value: &[u8]) -> Result<()> {
        let place = self.place(path, Last::Keep)?.path()?;
        let noted = self.volume.note_structures(node.inode);
        noted.map_err(|error| self.failed(error, "reading the attributes of", path, 0))?;
        match self.fs().apply_setxattr(place.as_str(), name, value) {
            Ok(()) => self.stamp(node.inode, path),
            // The crate says this also where there are free blocks, but the one block is full.
            Err(Error::NoSpaceLeftOnDevice) if self.free()?.bytes > 0 => Err(bad(
                path,
                &format!(
                    "{name} of {} bytes does not fit: all attributes together have the inode and one block of {} \
                     bytes",
                    value.len(),
                    self.block_size()
                ),
            )),
            Err(error) => Err(self.failed(error, &format!("setting {name} of"), path, 1)),
        }
    }

    /// Removes an attribute; whether there was one.
    fn drop_value(&self, node: Node, path: &ImagePath, name: &str) -> Result<bool> {
        let place = self.place(path, Last::Keep)?.path()?;
        let noted = self.volume.note_structures(node.inode);
        noted.map_err(|error| self.failed(error, "reading the attributes of", path, 0))?;
        match self.fs().apply_removexattr(place.as_str(), name) {
            Ok(()) => self.stamp(node.inode, path).map(|()| true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(self.failed(error, &format!("removing {name} of"), path, 1)),
        }
    }
}

fn is_acl(name: &str) -> bool {
    matches!(name, ACCESS | DEFAULT)
}

/// An error for a name that the kernel refuses for this kind of file.
fn check(node: Node, path: &ImagePath, name: &str) -> Result<()> {
    let rest = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
    let problem = match (rest, node.kind) {
        _ if name.contains('\0') => "has a NUL",
        (Some(""), _) => "has nothing after its prefix",
        (Some(rest), _) if rest.len() > LONGEST_NAME => "is longer than 255 bytes",
        (Some(_), Kind::Symlink | Kind::Special) if name.starts_with("user.") => {
            "is only for files and directories"
        }
        (Some(_), _) => return Ok(()),
        (None, Kind::Symlink) if is_acl(name) => "is not for symbolic links",
        (None, Kind::File | Kind::Special) if name == DEFAULT => "is only for directories",
        (None, _) if is_acl(name) => return Ok(()),
        (None, _) => "does not begin with user., trusted. or security.",
    };
    Err(bad(path, &format!("the attribute {name:?} {problem}")))
}
