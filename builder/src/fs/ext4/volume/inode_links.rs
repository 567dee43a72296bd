//! The names of an inode, counted: with the last name the inode and all that it owns are freed.

use fs_ext4::error::{Error, Result};

use super::blocks::Volume;
use super::extents::Owned;
use crate::fs::ext4::layout::extent_node::Run;
use crate::fs::ext4::layout::features::DIR_NLINK;
use crate::fs::ext4::layout::inode::{DIR, EXTENTS, Inode, REGULAR, SYMLINK};
use crate::fs::ext4::layout::xattr_block;

/// Most names that one inode may have (`EXT4_LINK_MAX`).
pub(crate) const MAX_LINKS: u16 = 65000;

impl Volume {
    /// Adds the only block of an inode.
    pub(crate) fn append_block(&self, inode: &mut Inode, bytes: &[u8]) -> Result<()> {
        let run = self.take_blocks(self.group_start(self.group_of_inode(inode.number)), 1)?;
        self.append(inode, 0, run)?;
        self.write_block(run.start, bytes)
    }

    /// Writes an inode whose names were changed.
    pub(crate) fn put_changed(&self, inode: &mut Inode) -> Result<()> {
        inode.touch(self.now())?;
        self.put_inode(inode)
    }

    /// Counts one name less; an inode without names is freed.
    pub(crate) fn drop_link(&self, inode: &mut Inode) -> Result<()> {
        if inode.links() > 1 {
            inode.add_link(-1);
            return self.put_changed(inode);
        }
        self.release(inode)
    }

    /// Whether `i_block` of an inode leads to blocks: in devices, sockets and short links it holds something else.
    pub(crate) fn maps_blocks(&self, inode: &Inode) -> bool {
        match inode.format() {
            REGULAR | DIR => true,
            SYMLINK => !self.is_short_link(inode),
            _ => false,
        }
    }

    /// Whether a symbolic link has its target in the inode: it owns no block but that of its attributes.
    pub(crate) fn is_short_link(&self, inode: &Inode) -> bool {
        let attributes = if inode.acl_block() == 0 { 0 } else { u64::from(self.sb.block_size() / 512) };
        inode.format() == SYMLINK && inode.sectors() == attributes
    }

    /// Notes what an inode owns besides data, before the crate frees it.
    pub(crate) fn note_structures(&self, number: u32) -> Result<()> {
        let inode = self.inode(number)?;
        self.edited.borrow_mut().insert(number);
        if inode.acl_block() != 0 {
            self.note_blocks(Run { start: inode.acl_block(), len: 1 })?;
        }
        for owned in self.owned_blocks(&inode)?.into_iter().filter(|owned| owned.is_structure) {
            self.note_blocks(owned.run)?;
        }
        Ok(())
    }

    /// All blocks that an inode maps, and those by which it does.
    fn owned_blocks(&self, inode: &Inode) -> Result<Vec<Owned>> {
        match (self.maps_blocks(inode), inode.has(EXTENTS)) {
            (false, _) => Ok(Vec::new()),
            (true, true) => self.extent_blocks(inode),
            (true, false) => self.pointed_blocks(inode),
        }
    }

    /// Frees an inode and all that it owns.
    pub(crate) fn release(&self, inode: &mut Inode) -> Result<()> {
        for owned in self.owned_blocks(inode)? {
            if owned.is_structure || inode.format() == DIR {
                self.note_blocks(owned.run)?;
            }
            self.free_blocks(owned.run)?;
        }
        if inode.acl_block() != 0 {
            self.release_attributes(inode.acl_block())?;
        }
        self.delete_inode(inode)
    }

    /// Counts one user less of a block of extended attributes, which several inodes may share.
    pub(crate) fn release_attributes(&self, block: u64) -> Result<()> {
        let mut bytes = self.read_block(block)?;
        if !xattr_block::is_sound(&self.csum, block, &bytes) {
            return Err(Error::BadChecksum { what: "block of extended attributes" });
        }
        let users = xattr_block::users(&bytes)?;
        self.note_blocks(Run { start: block, len: 1 })?;
        if users <= 1 {
            return self.free_blocks(Run { start: block, len: 1 });
        }
        xattr_block::set_users(&self.csum, block, &mut bytes, users.saturating_sub(1))?;
        self.write_block(block, &bytes)
    }

    /// An error where a directory cannot count one more directory in it.
    pub(crate) fn may_gain_dir(&self, dir: &Inode) -> Result<()> {
        let full = dir.links() >= MAX_LINKS && !self.features.has_ro_compat(DIR_NLINK);
        if full { Err(Error::TooManyLinks) } else { Ok(()) }
    }

    /// Counts one more directory in a directory. One that has too many has a count of 1 (`dir_nlink`).
    pub(crate) fn gain_dir(&self, dir: &mut Inode) -> Result<()> {
        match dir.links() {
            1 => return Ok(()),
            links if links.saturating_add(1) >= MAX_LINKS => dir.set_links(1),
            _ => dir.add_link(1),
        }
        self.put_inode(dir)
    }

    /// Counts one directory less.
    pub(crate) fn lose_dir(&self, dir: &mut Inode) -> Result<()> {
        if dir.links() > 2 {
            dir.add_link(-1);
            return self.put_inode(dir);
        }
        Ok(())
    }

    /// Links, parents and the inode that was replaced, after a name has moved.
    pub(crate) fn settle_move(
        &self,
        inode: &mut Inode,
        from: u32,
        to: u32,
        replaced: Option<Inode>,
    ) -> Result<()> {
        let is_dir = inode.format() == DIR;
        if is_dir && from != to {
            self.set_parent(inode, to)?;
            self.lose_dir(&mut self.inode(from)?)?;
            self.gain_dir(&mut self.inode(to)?)?;
        }
        self.put_changed(inode)?;
        let Some(mut replaced) = replaced else { return Ok(()) };
        if replaced.format() != DIR {
            return self.drop_link(&mut replaced);
        }
        self.release(&mut replaced)?;
        self.lose_dir(&mut self.inode(to)?)
    }
}
