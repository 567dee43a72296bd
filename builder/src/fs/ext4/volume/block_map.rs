//! Block maps, by which ext2 and ext3 find the blocks of a file: twelve pointers in the inode, then one to a block of
//! pointers, one to a block of such blocks, and one more level.
//!
//! [Direct and indirect blocks](https://docs.kernel.org/filesystems/ext4/ifork.html#direct-indirect-block-addressing). A
//! pointer of 0 is a hole.

use fs_ext4::error::{Error, Result};

use super::blocks::Volume;
use super::extents::Owned;
use crate::fs::ext4::layout::bytes::{get_u32, put_u32};
use crate::fs::ext4::layout::extent_node::Run;
use crate::fs::ext4::layout::inode::{BLOCK_LEN, Inode};

/// Bytes of a pointer.
const POINTER: usize = 4;
/// Pointers in the inode that lead to data, before those that lead to blocks of pointers.
pub(crate) const DIRECT: usize = 12;
/// All pointers in the inode.
pub(crate) const SLOTS: usize = BLOCK_LEN / POINTER;

/// The way to a block of a file: the pointer in the inode, then the pointer to take in each block of them.
struct Way {
    slot: usize,
    indexes: Vec<usize>,
}

impl Volume {
    /// The block that holds a block of the file; none for a hole.
    pub(crate) fn map_by_pointers(&self, inode: &Inode, logical: u32) -> Result<Option<u64>> {
        let way = self.way(logical)?;
        let mut block = get_u32(&inode.block(), way.slot.saturating_mul(POINTER))?;
        for index in way.indexes {
            if block == 0 {
                return Ok(None);
            }
            block = get_u32(&self.read_block(block.into())?, index.saturating_mul(POINTER))?;
        }
        Ok((block != 0).then_some(block.into()))
    }

    /// As [`Volume::append`], for one block. The inode is changed, but not written.
    pub(crate) fn append_by_pointer(&self, inode: &mut Inode, logical: u32, block: u64) -> Result<()> {
        let way = self.way(logical)?;
        let new = u32::try_from(block).map_err(|_| TOO_FAR)?;
        let levels = u64::try_from(way.indexes.len()).unwrap_or(u64::MAX);
        // Checked before the first block is taken: blocks of pointers that lead nowhere would be lost.
        self.must_have_free(levels)?;
        let mut slots = inode.block();
        let slot = way.slot.saturating_mul(POINTER);
        let mut below = get_u32(&slots, slot)?;
        if way.indexes.is_empty() {
            below = new;
        } else if below == 0 {
            below = self.new_pointers(inode, block)?;
        }
        put_u32(&mut slots, slot, below)?;
        inode.set_block(&slots);
        for (depth, index) in way.indexes.iter().enumerate() {
            let at = index.saturating_mul(POINTER);
            let mut pointers = self.read_block(below.into())?;
            let is_last = depth.saturating_add(1) == way.indexes.len();
            let mut next = get_u32(&pointers, at)?;
            if is_last || next == 0 {
                next = if is_last { new } else { self.new_pointers(inode, block)? };
                put_u32(&mut pointers, at, next)?;
                self.write_block(below.into(), &pointers)?;
            }
            below = next;
        }
        inode.add_blocks(1, self.block_size());
        Ok(())
    }

    /// All blocks of an inode with a block map, those of pointers among them.
    pub(crate) fn pointed_blocks(&self, inode: &Inode) -> Result<Vec<Owned>> {
        let mut runs = Vec::new();
        let root = inode.block();
        for slot in 0..SLOTS {
            let levels = slot.saturating_add(1).saturating_sub(DIRECT);
            self.note_pointed(get_u32(&root, slot.saturating_mul(POINTER))?, levels, &mut runs)?;
        }
        Ok(runs)
    }

    fn note_pointed(&self, block: u32, levels: usize, runs: &mut Vec<Owned>) -> Result<()> {
        if block == 0 {
            return Ok(());
        }
        let is_structure = levels > 0;
        match runs.last_mut() {
            Some(last)
                if last.is_structure == is_structure
                    && last.run.start.saturating_add(last.run.len.into()) == u64::from(block) =>
            {
                last.run.len = last.run.len.saturating_add(1);
            }
            _ => runs.push(Owned { run: Run { start: block.into(), len: 1 }, is_structure }),
        }
        let Some(below) = levels.checked_sub(1) else { return Ok(()) };
        for pointer in self.read_block(block.into())?.as_chunks().0 {
            self.note_pointed(u32::from_le_bytes(*pointer), below, runs)?;
        }
        Ok(())
    }

    /// A new block of pointers.
    fn new_pointers(&self, inode: &mut Inode, near: u64) -> Result<u32> {
        let place = self.take_blocks(near, 1)?.start;
        self.write_block(place, &vec![0; self.block_size()])?;
        inode.add_blocks(1, self.block_size());
        u32::try_from(place).map_err(|_| TOO_FAR)
    }

    fn way(&self, logical: u32) -> Result<Way> {
        let per_block = self.block_size() / POINTER;
        let mut left = usize::try_from(logical).map_err(|_| Error::OutOfBounds)?;
        if left < DIRECT {
            return Ok(Way { slot: left, indexes: Vec::new() });
        }
        left -= DIRECT;
        let mut span = per_block;
        for levels in 1..=SLOTS - DIRECT {
            if left < span {
                let mut indexes = Vec::new();
                for _ in 0..levels {
                    span /= per_block;
                    indexes.push(left / span.max(1));
                    left %= span.max(1);
                }
                return Ok(Way { slot: DIRECT + levels - 1, indexes });
            }
            left -= span;
            span = span.saturating_mul(per_block);
        }
        Err(Error::Corrupt("a block behind the last one that a block map reaches"))
    }
}

/// Pointers have 32 bits.
const TOO_FAR: Error = Error::Unsupported("a block map in a file system of more than 2^32 blocks");
