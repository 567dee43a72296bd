//! Directories without a hash tree: a name may be in any block.
//!
//! So that many names do not mean as many walks through the directory, what was found in the last directory is kept:
//! a number for each name with the block that it is in, and the first block that may have room.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use fs_ext4::error::Result;

use super::entry::{self, Entry};
use crate::fs::ext4::inode::Inode;
use crate::fs::ext4::volume::Volume;

/// Directories with fewer blocks are simply read, and so are those with more than anybody has.
const SMALL: u32 = 4;
const ABSURD: u32 = 1 << 16;

/// The names of one directory; of none at first.
#[derive(Debug, Default)]
pub(in crate::fs::ext4) struct Names {
    /// The directory's inode; 0 for none.
    dir: u32,
    /// The block of each name, and whether another name has the same number.
    blocks: HashMap<u64, (u32, bool)>,
    /// No block before this one has room for an entry of so many bytes.
    full: HashMap<usize, u32>,
}

impl Names {
    /// Forgets all: somebody else may change the directory.
    pub(in crate::fs::ext4) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The block in which a name is.
    pub(super) fn find(&mut self, volume: &Volume, dir: &Inode, name: &[u8]) -> Result<Option<u32>> {
        let blocks = volume.dir_blocks(dir);
        if (SMALL..ABSURD).contains(&blocks) {
            self.learn(volume, dir)?;
            match self.blocks.get(&name_number(name)) {
                None => return Ok(None),
                Some((block, false)) => {
                    let found = entry::find(&volume.entries_block(dir, *block)?, name)?.is_some();
                    return Ok(found.then_some(*block));
                }
                // Two names have this number, which the block alone does not tell apart.
                Some((_, true)) => {}
            }
        }
        for block in 0..blocks {
            if entry::find(&volume.entries_block(dir, block)?, name)?.is_some() {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// Adds a name where there is room; false if there is none.
    pub(super) fn add(&mut self, volume: &Volume, dir: &Inode, new: Entry<'_>) -> Result<bool> {
        let blocks = volume.dir_blocks(dir);
        let known = self.dir == dir.number;
        let start = if known { self.full.get(&new.len()).copied().unwrap_or(0) } else { 0 };
        for block in start..blocks {
            let mut bytes = volume.entries_block(dir, block)?;
            if entry::insert(&mut bytes, new)? {
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
    pub(super) fn grown(&mut self, dir: &Inode, block: u32, name: &[u8]) {
        if self.dir == dir.number {
            self.note(name, block);
        }
    }

    /// Notes that a block may have got room.
    pub(super) fn has_room(&mut self, dir: &Inode, block: u32) {
        if self.dir == dir.number {
            for full in self.full.values_mut() {
                *full = block.min(*full);
            }
        }
    }

    /// Notes that a name is gone.
    pub(super) fn removed(&mut self, dir: &Inode, name: &[u8]) {
        let number = name_number(name);
        if self.dir == dir.number && self.blocks.get(&number).is_some_and(|(_, shared)| !shared) {
            self.blocks.remove(&number);
        }
    }

    fn note(&mut self, name: &[u8], block: u32) {
        let number = name_number(name);
        let shared = self.blocks.contains_key(&number);
        self.blocks.insert(number, (block, shared));
    }

    fn learn(&mut self, volume: &Volume, dir: &Inode) -> Result<()> {
        if self.dir == dir.number {
            return Ok(());
        }
        self.forget();
        for block in 0..volume.dir_blocks(dir) {
            let bytes = volume.entries_block(dir, block)?;
            for placed in entry::entries(&bytes) {
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

/// A name as a number, to find it among many: only equal numbers need a look at the names.
fn name_number(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}
