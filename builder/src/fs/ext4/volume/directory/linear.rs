//! Directories without a hash tree: a name may be in any block.
//!
//! So that not every name costs a walk through the directory, an index of the last directory is kept in memory: a hash
//! of each name with the block that it is in, and the first block that may have free space.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use fs_ext4::error::Result;

use crate::fs::ext4::layout::directory_block::{self, Entry};
use crate::fs::ext4::layout::inode::Inode;
use crate::fs::ext4::volume::blocks::Volume;

/// Directories with fewer blocks are read without an index, and so are those with so many that it would be too large.
const SMALL: u32 = 4;
const TOO_LARGE: u32 = 1 << 16;

/// The index of one directory; of none at first.
#[derive(Debug, Default)]
pub(crate) struct LinearIndex {
    /// The directory's inode; 0 for none.
    dir: u32,
    /// The block of each name by its hash, and whether another name has the same hash.
    blocks: HashMap<u64, (u32, bool)>,
    /// The first block that may have space for an entry of so many bytes.
    full: HashMap<usize, u32>,
}

impl LinearIndex {
    /// Drops the index: the directory may change without it.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The block in which a name is.
    pub(crate) fn find(&mut self, volume: &Volume, dir: &Inode, name: &[u8]) -> Result<Option<u32>> {
        let blocks = volume.dir_blocks(dir);
        if (SMALL..TOO_LARGE).contains(&blocks) {
            self.learn(volume, dir)?;
            match self.blocks.get(&name_hash(name)) {
                None => return Ok(None),
                Some((block, false)) => {
                    let found =
                        directory_block::find(&volume.entries_block(dir, *block)?, volume.usable(), name)?
                            .is_some();
                    return Ok(found.then_some(*block));
                }
                // Two names have this hash.
                Some((_, true)) => {}
            }
        }
        for block in 0..blocks {
            if directory_block::find(&volume.entries_block(dir, block)?, volume.usable(), name)?.is_some() {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// Adds a name where there is space for it; false if there is none.
    pub(crate) fn add(&mut self, volume: &Volume, dir: &Inode, new: Entry<'_>) -> Result<bool> {
        let blocks = volume.dir_blocks(dir);
        let known = self.dir == dir.number;
        let start = if known { self.full.get(&new.len()).copied().unwrap_or(0) } else { 0 };
        for block in start..blocks {
            let mut bytes = volume.entries_block(dir, block)?;
            if directory_block::insert(&mut bytes, volume.usable(), new)? {
                volume.put_entries(dir, block, &mut bytes)?;
                if known {
                    self.full.insert(new.len(), block);
                    self.note(new.name, block);
                }
                return Ok(true);
            }
        }
        if known {
            self.full.insert(new.len(), blocks);
        }
        Ok(false)
    }

    /// Notes a name in a new block.
    pub(crate) fn grown(&mut self, dir: &Inode, block: u32, name: &[u8]) {
        if self.dir == dir.number {
            self.note(name, block);
        }
    }

    /// Notes that a block may have more free space.
    pub(crate) fn has_room(&mut self, dir: &Inode, block: u32) {
        if self.dir == dir.number {
            for full in self.full.values_mut() {
                *full = block.min(*full);
            }
        }
    }

    /// Notes that a name is gone.
    pub(crate) fn removed(&mut self, dir: &Inode, name: &[u8]) {
        let hash = name_hash(name);
        if self.dir == dir.number && self.blocks.get(&hash).is_some_and(|(_, shared)| !shared) {
            self.blocks.remove(&hash);
        }
    }

    fn note(&mut self, name: &[u8], block: u32) {
        let hash = name_hash(name);
        let shared = self.blocks.contains_key(&hash);
        self.blocks.insert(hash, (block, shared));
    }

    fn learn(&mut self, volume: &Volume, dir: &Inode) -> Result<()> {
        if self.dir == dir.number {
            return Ok(());
        }
        self.forget();
        for block in 0..volume.dir_blocks(dir) {
            let bytes = volume.entries_block(dir, block)?;
            for placed in directory_block::entries(&bytes, volume.usable()) {
                let entry = placed?.entry;
                if entry.inode != 0 {
                    self.note(entry.name, block);
                }
            }
        }
        self.dir = dir.number;
        Ok(())
    }
}

/// A hash by which names are told apart at first; those with the same one are compared.
pub(crate) fn name_hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}
