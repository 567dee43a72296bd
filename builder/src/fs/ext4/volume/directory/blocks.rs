//! The blocks of a directory, and how it grows.

use fs_ext4::dir::has_csum_tail;
use fs_ext4::error::{Error, Result};

use crate::fs::ext4::layout::directory_block::{self, TAIL};
use crate::fs::ext4::layout::inode::{DIR, EXTENTS, Inode};
use crate::fs::ext4::volume::blocks::Volume;

impl Volume {
    /// A directory.
    pub(crate) fn dir(&self, number: u32) -> Result<Inode> {
        let inode = self.inode(number)?;
        if inode.format() != DIR {
            return Err(Error::NotADirectory);
        }
        // A directory has no holes, so it cannot be larger than the file system.
        if inode.size() > self.sb.filesystem_bytes().unwrap_or(u64::MAX) {
            return Err(Error::CorruptDirEntry("a directory larger than the file system"));
        }
        Ok(inode)
    }

    /// Blocks of a directory.
    pub(crate) fn dir_blocks(&self, dir: &Inode) -> u32 {
        u32::try_from(dir.size().div_ceil(self.sb.block_size().into())).unwrap_or(u32::MAX)
    }

    /// A block of a directory, without a look at what is in it.
    pub(crate) fn dir_block(&self, dir: &Inode, logical: u32) -> Result<Vec<u8>> {
        self.read_block(self.dir_place(dir, logical)?)
    }

    pub(crate) fn dir_place(&self, dir: &Inode, logical: u32) -> Result<u64> {
        self.map(dir, logical)?.ok_or(Error::CorruptDirEntry("a directory with a hole"))
    }

    /// A block of entries, its checksum compared.
    pub(crate) fn entries_block(&self, dir: &Inode, logical: u32) -> Result<Vec<u8>> {
        let bytes = self.dir_block(dir, logical)?;
        if self.csum.enabled && !self.entries_are_sound(dir, &bytes) {
            return Err(Error::BadChecksum { what: "directory block" });
        }
        Ok(bytes)
    }

    fn entries_are_sound(&self, dir: &Inode, bytes: &[u8]) -> bool {
        has_csum_tail(bytes) && self.csum.verify_dir_entry_tail(dir.number, dir.generation(), bytes)
    }

    /// Writes a block of entries with its checksum.
    pub(crate) fn put_entries(&self, dir: &Inode, logical: u32, bytes: &mut [u8]) -> Result<()> {
        self.csum.patch_dir_entry_tail(dir.number, dir.generation(), bytes);
        self.write_block(self.dir_place(dir, logical)?, bytes)
    }

    /// A block without entries.
    pub(crate) fn empty_entries(&self) -> Result<Vec<u8>> {
        let mut block = vec![0; self.block_size()];
        directory_block::fill(&mut block, self.usable(), [])?;
        Ok(block)
    }

    /// Bytes of a block that hold entries: all but the checksum's, where one is kept. What an older checksum has left
    /// behind is an unused entry.
    pub(crate) fn usable(&self) -> usize {
        self.block_size().saturating_sub(if self.csum.enabled { TAIL } else { 0 })
    }

    /// Adds a block to a directory and returns its number in it. A block of entries gets its checksum here.
    pub(crate) fn grow_dir(&self, dir: &mut Inode, entries: &mut [u8]) -> Result<u32> {
        self.csum.patch_dir_entry_tail(dir.number, dir.generation(), entries);
        self.grow_dir_by(dir, entries)
    }

    /// As [`Volume::grow_dir`], for a block that is complete.
    pub(crate) fn grow_dir_by(&self, dir: &mut Inode, block: &[u8]) -> Result<u32> {
        let logical = self.dir_blocks(dir);
        let goal = match logical.checked_sub(1) {
            Some(last) => self.dir_place(dir, last)?.saturating_add(1),
            None => self.group_start(self.group_of_inode(dir.number)),
        };
        let run = self.take_blocks(goal, 1)?;
        let appended = if dir.has(EXTENTS) {
            self.append(dir, logical, run)
        } else {
            self.append_by_pointer(dir, logical, run.start)
        };
        if let Err(error) = appended {
            self.free_blocks(run)?;
            return Err(error);
        }
        dir.set_size(dir.size().saturating_add(self.sb.block_size().into()));
        self.write_block(run.start, block)?;
        self.put_inode(dir)?;
        Ok(logical)
    }
}
