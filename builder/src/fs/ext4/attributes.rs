//! Owner, permissions and times.
//!
//! [Inodes](https://docs.kernel.org/filesystems/ext4/inodes.html): owners have 32 bits, times 34 bits of seconds
//! and 30 of nanoseconds; in inodes of 128 bytes 32 bits of seconds alone, and later than 2038 is refused there.

use fs_ext4::superblock::Superblock;

use super::Ext4;
use super::error::convert;
use super::read::kind_of;
use super::resolve::{Last, Node};
use crate::fs::{Attributes, ImagePath, Kind, Result, Space};

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970, before it negative.
    pub seconds: i64,
    /// Nanoseconds after that second, below 10⁹; 0 where the inode has no room for them.
    pub nanoseconds: u32,
}

/// All that an inode says of a file, but where its blocks are.
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
            return Err(super::slot::bad(path, "it is a symbolic link, whose permissions mean nothing"));
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
    pub(super) fn set_path_attributes(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        let node = self.changeable(path)?;
        self.apply_attributes(node, path, attributes)?;
        self.fit_acl(node, path, attributes.mode)
    }

    /// Sets owner, permissions and times. The time of the last change of the inode itself (`ctime`) is
    /// the one given when opening; a link's permissions stay 0777, as everywhere.
    pub(super) fn apply_attributes(
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

    /// Notes in the inode that it changed now: its number of names, for instance.
    pub(super) fn stamp(&self, inode: u32, path: &ImagePath) -> Result<()> {
        let touched = self.volume.inode(inode).and_then(|mut inode| {
            inode.touch(self.volume.now());
            self.volume.put_inode(&mut inode)
        });
        touched.map_err(|error| self.failed(error, "changing", path, 1))
    }

    /// What is at `path`, whose attributes are about to change.
    pub(super) fn changeable(&self, path: &ImagePath) -> Result<Node> {
        self.must_be_writable(path)?;
        let node = self.existing(path, Last::Keep, None)?;
        self.may_change(node.inode, path)?;
        Ok(node)
    }

    /// What is free now; the numbers of the opened file system are those of the beginning.
    pub(super) fn free(&self) -> Result<Space> {
        let sb = Superblock::read(self.fs().dev.as_ref())
            .map_err(|error| convert(error, "reading the superblock"))?;
        let bytes = sb.free_blocks_count.saturating_mul(u64::from(sb.block_size()));
        Ok(Space { bytes, inodes: u64::from(sb.free_inodes_count) })
    }
}
