//! Owner, permissions and times.
//!
//! [Inodes](https://docs.kernel.org/filesystems/ext4/inodes.html): owners have 32 bits, times 34 bits of seconds
//! and 30 of nanoseconds; in inodes of 128 bytes 32 bits of seconds alone, and later than 2038 is refused there.

use super::dentry::bad;
use super::handle::Ext4;
use super::lookup::{Node, kind_of};
use crate::fs::ext4::error::convert;
use crate::fs::resolve::Last;
use crate::fs::{Attributes, ImagePath, Kind, Result};

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970, before it negative.
    pub seconds: i64,
    /// Nanoseconds after that second, below 10⁹; 0 where the inode has no room for them.
    pub nanoseconds: u32,
}

/// All that an inode says of a file, except where its blocks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// The inode's number: two names with the same one are hard links.
    pub inode: u32,
    /// Size in bytes.
    pub size: u64,
    /// Names that it has; a directory has one more for itself and for each directory in it, or 1 when they are too many.
    pub links: u16,
    /// Permission bits with set-id and sticky bits.
    pub mode: u16,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// When it was last read.
    pub accessed: Time,
    /// When its content last changed.
    pub modified: Time,
    /// When the inode last changed (`ctime`).
    pub changed: Time,
}

impl Ext4 {
    /// All that is known of a file; `None` if nothing has that name. A link at the end is not followed.
    pub fn metadata(&self, path: &ImagePath) -> Result<Option<Metadata>> {
        let Some(node) = self.place(path, Last::Keep)?.node() else { return Ok(None) };
        let inode = self.inode(node.inode, path.as_str())?;
        let time = |seconds, nanoseconds| Time { seconds, nanoseconds };
        let mut metadata = Metadata {
            kind: kind_of(&inode),
            inode: node.inode,
            size: inode.size,
            links: inode.links_count,
            mode: inode.mode & 0o7777,
            uid: inode.uid,
            gid: inode.gid,
            accessed: time(inode.atime, inode.atime_nsec),
            modified: time(inode.mtime, inode.mtime_nsec),
            changed: time(inode.ctime, inode.ctime_nsec),
        };
        if self.is_noted(node.inode).map_err(|error| convert(error, "reading times"))? {
            (metadata.modified, metadata.changed) = (time(self.volume.now(), 0), time(self.volume.now(), 0));
        }
        Ok(Some(metadata))
    }

    /// Sets the permissions, `0o7777` at most; an access control list follows them as under the kernel. Those of a
    /// symbolic link are 0777 for ever, and asking for it is refused.
    pub fn set_mode(&self, path: &ImagePath, mode: u16) -> Result<()> {
        let node = self.changeable(path)?;
        if node.kind == Kind::Symlink {
            return Err(bad(path, "it is a symbolic link, which has no permissions of its own"));
        }
        let done = self.fs().apply_chmod_ino(node.inode, mode & 0o7777);
        done.map_err(|error| self.failed(error, "setting the permissions of", path, 1))?;
        self.fit_acl(node, path, mode)
    }

    /// Sets the owner and group. Permissions stay, set-id bits included, which the kernel would take away.
    pub fn set_owner(&self, path: &ImagePath, uid: u32, gid: u32) -> Result<()> {
        let node = self.changeable(path)?;
        let done = self.fs().apply_chown_ino(node.inode, uid, gid);
        done.map_err(|error| self.failed(error, "setting the owner of", path, 1))
    }

    /// Sets the times of the last access and the last change of the content.
    pub fn set_times(&self, path: &ImagePath, accessed: Time, modified: Time) -> Result<()> {
        let node = self.changeable(path)?;
        let done = self.fs().apply_utimens_ino(
            node.inode,
            accessed.seconds,
            accessed.nanoseconds,
            modified.seconds,
            modified.nanoseconds,
        );
        done.and_then(|()| self.forget(node.inode))
            .map_err(|error| self.failed(error, "setting the times of", path, 1))
    }

    /// As [`Ext4::apply_attributes`], for a path that exists, whose last component is not followed.
    pub(crate) fn set_path_attributes(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        let node = self.changeable(path)?;
        self.apply_attributes(node, path, attributes)?;
        self.fit_acl(node, path, attributes.mode)
    }

    /// Sets owner, permissions and times. The time of the last change of the inode itself (`ctime`) is
    /// the one given when opening; a link's permissions stay 0777, as everywhere.
    pub(crate) fn apply_attributes(
        &self,
        node: Node,
        path: &ImagePath,
        attributes: Attributes,
    ) -> Result<()> {
        let volume = &self.volume;
        let set = volume.inode(node.inode).and_then(|mut inode| {
            inode.set_attributes(attributes, volume.now())?;
            volume.put_inode(&mut inode)
        });
        set.and_then(|()| self.forget(node.inode))
            .map_err(|error| self.failed(error, "setting owner, mode and time of", path, 1))
    }
}
