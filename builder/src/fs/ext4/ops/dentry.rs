//! Directory entries by path, free or taken, and whether they may be changed.
//!
//! `chattr +i` (immutable) and `chattr +a` (append only) are respected as by the kernel: they were set on purpose. The
//! rules are those of `may_delete`, `may_create` and `notify_change` in the kernel.
//!
//! [Inode flags](https://docs.kernel.org/filesystems/ext4/inodes.html#i-flags).

use std::io;

use fs_ext4::error::Error;
use fs_ext4::inode::Inode;

use super::directory_entries::NameAt;
use super::handle::Ext4;
use super::lookup::{Node, name_of};
use crate::fs::ext4::error::{Exhausted, convert, exhausted};
use crate::fs::resolve::Last;
use crate::fs::{FsError, ImagePath, Kind, Result, Space};

/// `EXT4_IMMUTABLE_FL`: nothing may change.
const IMMUTABLE: u32 = 0x10;
/// `EXT4_APPEND_FL`: only appending; names only added.
const APPEND_ONLY: u32 = 0x20;

/// A name in an existing directory, free or taken.
#[derive(Debug, Clone)]
pub(crate) struct Dentry {
    dir: u32,
    name: String,
    /// What the name leads to; none if it is free.
    pub(crate) taken: Option<Node>,
}

impl Dentry {
    /// The name as it is asked for in directories.
    pub(crate) fn at(&self) -> NameAt<'_> {
        NameAt { dir: self.dir, name: self.name.as_bytes() }
    }

    /// Another name in the same directory.
    pub(crate) fn beside(&self, name: String) -> Self {
        Self { dir: self.dir, name, taken: None }
    }
}

impl Ext4 {
    /// The entry of `path`, which is about to change. A link in the last component is not followed.
    pub(crate) fn dentry(&self, path: &ImagePath) -> Result<Dentry> {
        self.must_be_writable(path)?;
        let place = self.place(path, Last::Keep)?;
        match place.parent() {
            None => Err(bad(path, "it is the root directory")),
            Some((None, _)) => {
                let dir = path.parent().unwrap_or_else(ImagePath::root);
                Err(FsError::NotFound { path: dir.as_str().to_owned() })
            }
            Some((Some(dir), name)) => {
                Ok(Dentry { dir: dir.inode, name: name.to_owned(), taken: place.node() })
            }
        }
    }

    /// As [`Ext4::dentry`], for a name that must be taken.
    pub(crate) fn taken_dentry(&self, path: &ImagePath) -> Result<(Dentry, Node)> {
        let dentry = self.dentry(path)?;
        match dentry.taken {
            Some(node) => Ok((dentry, node)),
            None => Err(FsError::NotFound { path: path.as_str().to_owned() }),
        }
    }

    /// An error where no name may be added to the directory.
    pub(crate) fn may_add(&self, dentry: &Dentry, path: &ImagePath) -> Result<()> {
        refuse(&self.inode(dentry.dir, path.as_str())?, IMMUTABLE, &dir_of(path))
    }

    /// An error where a name may not be removed or replaced: the directory or the file is protected.
    pub(crate) fn may_remove(&self, dentry: &Dentry, path: &ImagePath) -> Result<()> {
        refuse(&self.inode(dentry.dir, path.as_str())?, IMMUTABLE | APPEND_ONLY, &dir_of(path))?;
        match dentry.taken {
            Some(node) => self.may_change(node.inode, path),
            None => Ok(()),
        }
    }

    /// An error where attributes or content of an inode may not change.
    pub(crate) fn may_change(&self, inode: u32, path: &ImagePath) -> Result<()> {
        refuse(&self.inode(inode, path.as_str())?, IMMUTABLE | APPEND_ONLY, path)
    }

    /// An error for appending to an immutable file.
    pub(crate) fn may_append(&self, inode: u32, path: &ImagePath) -> Result<()> {
        refuse(&self.inode(inode, path.as_str())?, IMMUTABLE, path)
    }

    /// Sets the time of the last change of an inode (`ctime`).
    pub(crate) fn stamp(&self, inode: u32, path: &ImagePath) -> Result<()> {
        let touched = self.volume.inode(inode).and_then(|mut inode| {
            inode.touch(self.volume.now())?;
            self.volume.put_inode(&mut inode)
        });
        touched.map_err(|error| self.failed(error, "changing", path, 1))
    }

    /// What is at `path`, whose attributes are about to change.
    pub(crate) fn changeable(&self, path: &ImagePath) -> Result<Node> {
        self.must_be_writable(path)?;
        let node = self.existing(path, Last::Keep, None)?;
        self.may_change(node.inode, path)?;
        Ok(node)
    }

    pub(crate) fn must_be_writable(&self, path: &ImagePath) -> Result<()> {
        if self.writable {
            return Ok(());
        }
        let source = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        Err(FsError::Io { what: format!("writing {path} in an image that was opened for reading"), source })
    }

    /// An error of the crate during `what` for `path`, where `bytes` more were to be stored.
    pub(crate) fn failed(&self, error: Error, what: &str, path: &ImagePath, bytes: u64) -> FsError {
        let free = |of: fn(Space) -> u64| self.free().map_or(0, of);
        let block = u64::from(self.volume.sb.block_size());
        let subject = path.as_str().to_owned();
        match exhausted(&error) {
            Some(Exhausted::Blocks) => {
                let need = bytes.max(1).next_multiple_of(block);
                FsError::NoSpace { what: subject, need, free: free(|space| space.bytes) }
            }
            Some(Exhausted::Inodes) => {
                FsError::NoInodes { what: subject, need: 1, free: free(|space| space.inodes) }
            }
            None => convert(error, &format!("{what} {path}")),
        }
    }
}

/// An error if one of the flags in `mask` is set.
fn refuse(inode: &Inode, mask: u32, path: &ImagePath) -> Result<()> {
    let (name, letter) = match inode.flags & mask {
        0 => return Ok(()),
        set if set & IMMUTABLE != 0 => ("immutable", 'i'),
        _ => ("append-only", 'a'),
    };
    Err(bad(path, &format!("it is {name}; remove the flag with `chattr -{letter} {path}` on a mounted copy")))
}

fn dir_of(path: &ImagePath) -> ImagePath {
    path.parent().unwrap_or_else(ImagePath::root)
}

/// An error about a path.
pub(crate) fn bad(path: &ImagePath, problem: &str) -> FsError {
    FsError::BadPath { path: path.as_str().to_owned(), problem: problem.to_owned() }
}

/// An error for anything but `kind`.
pub(crate) fn must_be(node: Node, kind: Kind, path: &ImagePath) -> Result<()> {
    if node.kind == kind {
        return Ok(());
    }
    Err(bad(path, &format!("it is {}", name_of(node.kind))))
}
