//! The resize inode, number 7, which owns the blocks reserved for more group descriptors, see
//! <https://docs.kernel.org/filesystems/ext4/special_inodes.html>.
//!
//! Its only mapping is the double indirect block. Each reserved block behind the first descriptors is an
//! indirect block in that tree, and lists the blocks at the same place behind the descriptor copies of every
//! other group, in rising order. The slot of a reserved block in the double indirect block is its place in
//! the descriptor area, counted from the first descriptor block, modulo the numbers in a block. A reserved
//! block that becomes a descriptor block leaves the tree together with its copies.

use super::bytes::{get_u32, put_u32};
use super::checksum::Checksums;
use super::descriptor::Descriptor;
use super::layout::Layout;
use super::superblock::{CURE, Superblock};
use crate::fs::{FsError, Result};

/// The number of the resize inode.
const NUMBER: u32 = 7;

/// Used space in units of 512 bytes, low half; the high half is not needed here.
const SECTORS: usize = 0x1c;
/// The double indirect block: entry 13 of the block map at 0x28.
const DOUBLE_INDIRECT: usize = 0x28 + 13 * 4;

/// The resize inode and its double indirect block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResizeInode {
    inode: Vec<u8>,
    double: Vec<u8>,
}

/// The state of the reserve that the tree stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reserve {
    /// Descriptor blocks in use: the reserved ones follow them.
    pub in_use: u32,
    /// Reserved descriptor blocks.
    pub reserved: u32,
    /// Groups of the file system.
    pub groups: u32,
}

impl Reserve {
    /// The reserve of a file system.
    pub(super) fn of(superblock: &Superblock) -> Self {
        Self {
            in_use: superblock.descriptor_blocks(),
            reserved: superblock.reserve,
            groups: superblock.groups(),
        }
    }

    /// Slot in the double indirect block, and block number, of each reserved block.
    fn blocks(self, layout: &Layout) -> impl Iterator<Item = (usize, u32)> {
        let (slots, before) = (layout.numbers_per_block(), layout.first_data_block.saturating_add(1));
        (self.in_use..self.in_use.saturating_add(self.reserved))
            .map(move |index| ((index % slots) as usize * 4, before.saturating_add(index)))
    }

    /// Units of 512 bytes that the tree has.
    fn sectors(self, layout: &Layout) -> u32 {
        let copies = layout.copies(self.groups).fold(0u32, |count, _| count.saturating_add(1));
        let blocks = self.reserved.saturating_mul(copies.saturating_add(1)).saturating_add(1);
        blocks.saturating_mul(layout.block_size / 512)
    }
}

/// Place of the inode in the file system, in bytes. `first` describes group 0.
pub(super) fn place(layout: &Layout, first: &Descriptor) -> u64 {
    first
        .inode_table
        .saturating_mul(u64::from(layout.block_size))
        .saturating_add(u64::from((NUMBER - 1) * layout.inode_size))
}

/// The double indirect block that an inode names.
pub(super) fn double_indirect_block(inode: &[u8]) -> u32 {
    get_u32(inode, DOUBLE_INDIRECT)
}

impl ResizeInode {
    /// Takes the inode and its double indirect block, and verifies that they say what the superblock says.
    pub(super) fn parse(inode: Vec<u8>, double: Vec<u8>, superblock: &Superblock) -> Result<Self> {
        let (layout, reserve) = (&superblock.layout, Reserve::of(superblock));
        let problem = if !superblock.checksums.inode_is_right(NUMBER, &inode) {
            "has a wrong checksum"
        } else if reserve.blocks(layout).any(|(slot, block)| get_u32(&double, slot) != block) {
            "does not own the reserved descriptor blocks"
        } else if get_u32(&inode, SECTORS) != reserve.sectors(layout) {
            "has a wrong size"
        } else {
            return Ok(Self { inode, double });
        };
        Err(FsError::Corrupt { what: format!("the resize inode {problem}"), hint: Some(CURE) })
    }

    /// The inode when the reserve has become `new`.
    pub(super) fn inode(&self, layout: &Layout, new: Reserve, checksums: Checksums) -> Vec<u8> {
        let mut inode = self.inode.clone();
        put_u32(&mut inode, SECTORS, new.sectors(layout));
        checksums.seal_inode(NUMBER, &mut inode);
        inode
    }

    /// The double indirect block when the reserve has gone from `old` to `new`, and its number.
    pub(super) fn double(&self, layout: &Layout, old: Reserve, new: Reserve) -> (u32, Vec<u8>) {
        let mut double = self.double.clone();
        old.blocks(layout).for_each(|(slot, _)| put_u32(&mut double, slot, 0));
        new.blocks(layout).for_each(|(slot, block)| put_u32(&mut double, slot, block));
        (double_indirect_block(&self.inode), double)
    }
}

/// The number and content of every indirect block, that is, of every reserved block of group 0.
pub(super) fn indirect_blocks(layout: &Layout, reserve: Reserve) -> impl Iterator<Item = (u32, Vec<u8>)> {
    let copies: Vec<u32> = layout.copies(reserve.groups).collect();
    reserve.blocks(layout).map(move |(_, block)| {
        let mut content: Vec<u8> = copies
            .iter()
            .map(|group| group.saturating_mul(layout.blocks_per_group).saturating_add(block))
            .flat_map(u32::to_le_bytes)
            .collect();
        content.resize(layout.block_size as usize, 0);
        (block, content)
    })
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::one_kib;
    use super::*;

    #[test]
    fn indirect_blocks_list_the_copies() {
        let layout = one_kib();
        let reserve = Reserve { in_use: 255, reserved: 2, groups: 8 };
        let blocks: Vec<_> = indirect_blocks(&layout, reserve).collect();
        assert_eq!(blocks.iter().map(|(block, _)| *block).collect::<Vec<_>>(), [257, 258]);
        let listed: Vec<u32> = blocks[1].1.chunks(4).map(|entry| get_u32(entry, 0)).collect();
        assert_eq!(listed[..5], [1, 3, 5, 7, 0].map(|group| if group == 0 { 0 } else { group * 8192 + 258 }));
        assert_eq!(listed.len(), 256);
    }

    #[test]
    fn a_block_that_leaves_the_reserve_leaves_the_tree() {
        let layout = one_kib();
        let mut inode = vec![0; 256];
        put_u32(&mut inode, DOUBLE_INDIRECT, 900);
        let mut double = vec![0; 1024];
        // Places 255 and 256 in the descriptor area: slots 255 and, wrapped around, 0.
        put_u32(&mut double, 255 * 4, 257);
        put_u32(&mut double, 0, 258);
        let old = Reserve { in_use: 255, reserved: 2, groups: 2 };
        let new = Reserve { in_use: 256, reserved: 1, groups: 4 };
        let (block, grown) = ResizeInode { inode, double }.double(&layout, old, new);
        assert_eq!((block, get_u32(&grown, 255 * 4), get_u32(&grown, 0)), (900, 0, 258));
        assert_eq!(new.sectors(&layout), (1 + 3) * 2, "the block itself, one reserved block, two copies");
    }
}
