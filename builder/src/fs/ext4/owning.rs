//! What an inode owns, and how many names it has: blocks, attributes, and itself given back with the last name.

use fs_ext4::error::{Error, Result};

use super::bytes::{get_u32, put_u32};
use super::inode::{BLOCK_LEN, DIR, EXTENTS, INLINE_DATA, Inode, REGULAR, SYMLINK};
use super::preflight::attributes_are_sound;
use super::space::Run;
use super::volume::Volume;

/// Names that one inode may have (`EXT4_LINK_MAX`).
pub(super) const MOST_LINKS: u16 = 65000;
/// `dir_nlink`: a directory with more directories in it than can be counted has a count of 1.
const DIR_NLINK: u32 = 0x20;

impl Volume {
    /// Whether a directory is one that this code edits; other inodes are.
    pub(super) fn is_ours(&self, inode: &Inode) -> bool {
        inode.format() != DIR || (inode.has(EXTENTS) && !inode.has(INLINE_DATA))
    }

    /// Gives an inode its only block.
    pub(super) fn append_block(&self, inode: &mut Inode, bytes: &[u8]) -> Result<()> {
        let home = inode.number.saturating_sub(1) / self.sb.inodes_per_group.max(1);
        let run = self.take_blocks(self.group_start(home), 1)?;
        self.append(inode, 0, run)?;
        self.write_block(run.start, bytes)
    }

    /// Writes an inode whose names were changed.
    pub(super) fn put_changed(&self, inode: &mut Inode) -> Result<()> {
        inode.touch(self.now());
        self.put_inode(inode)
    }

    /// Takes one name from an inode; with the last one it goes.
    pub(super) fn drop_link(&self, inode: &mut Inode) -> Result<()> {
        if inode.links() > 1 {
            inode.add_link(-1);
            return self.put_changed(inode);
        }
        self.release(inode)
    }

    /// Whether [`Volume::release`] knows all that an inode may own.
    pub(super) fn can_release(&self, inode: &Inode) -> Result<bool> {
        let regular = matches!(inode.format(), REGULAR | DIR);
        let long_link = inode.format() == SYMLINK && inode.size() >= BLOCK_LEN as u64;
        Ok(inode.has(EXTENTS) || !(regular || long_link))
    }

    /// Gives back an inode and all that it owns.
    pub(super) fn release(&self, inode: &mut Inode) -> Result<()> {
        if inode.has(EXTENTS) {
            let (extents, nodes) = self.extents(inode)?;
            for extent in extents {
                self.free_blocks(extent.run)?;
            }
            for start in nodes {
                self.free_blocks(Run { start, len: 1 })?;
            }
        }
        if inode.acl_block() != 0 {
            self.release_attributes(inode.acl_block())?;
        }
        self.delete_inode(inode)
    }

    /// Takes one user from a block of extended attributes, which several inodes may share.
    pub(super) fn release_attributes(&self, block: u64) -> Result<()> {
        let mut bytes = self.read_block(block)?;
        if !attributes_are_sound(&self.csum, block, &bytes) {
            return Err(Error::BadChecksum { what: "block of extended attributes" });
        }
        let users = get_u32(&bytes, 4);
        if users <= 1 {
            return self.free_blocks(Run { start: block, len: 1 });
        }
        put_u32(&mut bytes, 4, users.saturating_sub(1));
        self.csum.patch_xattr_block(block, &mut bytes);
        self.write_block(block, &bytes)
    }

    /// Refuses one more directory in a directory that cannot count it.
    pub(super) fn may_gain_dir(&self, dir: &Inode) -> Result<()> {
        let full = dir.links() >= MOST_LINKS && self.sb.feature_ro_compat & DIR_NLINK == 0;
        if full { Err(Error::TooManyLinks) } else { Ok(()) }
    }

    /// Counts one more directory in a directory, unless it is beyond counting.
    pub(super) fn gain_dir(&self, dir: &mut Inode) -> Result<()> {
        match dir.links() {
            1 => return Ok(()),
            links if links.saturating_add(1) >= MOST_LINKS => dir.set_links(1),
            _ => dir.add_link(1),
        }
        self.put_inode(dir)
    }

    /// Counts one directory less.
    pub(super) fn lose_dir(&self, dir: &mut Inode) -> Result<()> {
        if dir.links() > 2 {
            dir.add_link(-1);
            return self.put_inode(dir);
        }
        Ok(())
    }
}
