//! Where an operation begins: a name in a directory that exists, and whether its flags let us.
//!
//! `chattr +i` (immutable) and `chattr +a` (append only) bind us as they bind the kernel: somebody has set them on
//! purpose. The rules are those of `may_delete`, `may_create` and `notify_change` in the kernel.
//!
//! [Inode flags](https://docs.kernel.org/filesystems/ext4/inodes.html#i-flags).

use std::io;

use fs_ext4::error::Error;
use fs_ext4::inode::Inode;

use super::Ext4;
use super::error::{Exhausted, convert, exhausted};
use super::names::NameAt;
use super::resolve::{Last, Node};
use crate::fs::{FsError, ImagePath, Kind, Result, Space};

/// `EXT4_IMMUTABLE_FL`: nothing may change.
const IMMUTABLE: u32 = 0x10;
/// `EXT4_APPEND_FL`: only appending; names only added.
const APPEND_ONLY: u32 = 0x20;

/// A name in an existing directory, free or taken.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    dir: u32,
    name: String,
    /// What has the name.
    pub(super) taken: Option<Node>,
}

impl Slot {
    /// The name as it is asked for in directories.
    pub(super) fn at(&self) -> NameAt<'_> {
        NameAt { dir: self.dir, name: self.name.as_bytes() }
    }

    /// Another name in the same directory.
    pub(super) fn beside(&self, name: String) -> Self {
        Self { dir: self.dir, name, taken: None }
    }
}

impl Ext4 {
    /// The name that `path` stands for, which is about to change. A link in the last component is not followed.
    pub(super) fn slot(&self, path: &ImagePath) -> Result<Slot> {
        self.must_be_writable(path)?;
        let place = self.place(path, Last::Keep)?;
        match place.parent() {
            None => Err(bad(path, "it is the root directory")),
            Some((None, _)) => {
                let dir = path.parent().unwrap_or_else(ImagePath::root);
                Err(FsError::NotFound { path: dir.as_str().to_owned() })
            }
            Some((Some(dir), name)) => {
                Ok(Slot { dir: dir.inode, name: name.to_owned(), taken: place.node() })
            }
        }
    }

    /// As [`Ext4::slot`], for a name that must be taken.
    pub(super) fn taken_slot(&self, path: &ImagePath) -> Result<(Slot, Node)> {
        let slot = self.slot(path)?;
        match slot.taken {
            Some(node) => Ok((slot, node)),
            None => Err(FsError::NotFound { path: path.as_str().to_owned() }),
        }
    }

    /// Refuses to put a name into a directory that takes none.
    pub(super) fn may_add(&self, slot: &Slot, path: &ImagePath) -> Result<()> {
        refuse(&self.inode(slot.dir, path.as_str())?, IMMUTABLE, &dir_of(path))
    }

    /// Refuses to take a name away, or give it to something else, where the directory or the file is protected.
    pub(super) fn may_remove(&self, slot: &Slot, path: &ImagePath) -> Result<()> {
        refuse(&self.inode(slot.dir, path.as_str())?, IMMUTABLE | APPEND_ONLY, &dir_of(path))?;
        match slot.taken {
            Some(node) => self.may_change(node.inode, path),
            None => Ok(()),
        }
    }

    /// Refuses to change attributes or content of a protected inode.
    pub(super) fn may_change(&self, inode: u32, path: &ImagePath) -> Result<()> {
        refuse(&self.inode(inode, path.as_str())?, IMMUTABLE | APPEND_ONLY, path)
    }

    /// Refuses to append to an immutable file.
    pub(super) fn may_append(&self, inode: u32, path: &ImagePath) -> Result<()> {
        refuse(&self.inode(inode, path.as_str())?, IMMUTABLE, path)
    }

    pub(super) fn must_be_writable(&self, path: &ImagePath) -> Result<()> {
        if self.writable {
            return Ok(());
        }
        let source = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        Err(FsError::Io { what: format!("writing {path} in an image that was opened for reading"), source })
    }

    /// An error of the crate while it did `what` to `path` with `bytes` more to place.
    pub(super) fn failed(&self, error: Error, what: &str, path: &ImagePath, bytes: u64) -> FsError {
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

/// Refuses `path` if one of the flags in `mask` is set.
fn refuse(inode: &Inode, mask: u32, path: &ImagePath) -> Result<()> {
    let (name, letter) = match inode.flags & mask {
        0 => return Ok(()),
        set if set & IMMUTABLE != 0 => ("immutable", 'i'),
        _ => ("append-only", 'a'),
    };
    Err(bad(
        path,
        &format!("it is {name}; take the flag off with `chattr -{letter} {path}` where it is mounted"),
    ))
}

fn dir_of(path: &ImagePath) -> ImagePath {
    path.parent().unwrap_or_else(ImagePath::root)
}

/// A path that names the wrong thing.
pub(super) fn bad(path: &ImagePath, problem: &str) -> FsError {
    FsError::BadPath { path: path.as_str().to_owned(), problem: problem.to_owned() }
}

/// Refuses anything but `kind`.
pub(super) fn must_be(node: Node, kind: Kind, path: &ImagePath) -> Result<()> {
    if node.kind == kind {
        return Ok(());
    }
    let is = match node.kind {
        Kind::File => "it is a regular file",
        Kind::Dir => "it is a directory",
        Kind::Symlink => "it is a symbolic link",
        Kind::Special => "it is a device, socket or FIFO",
    };
    Err(bad(path, is))
}
