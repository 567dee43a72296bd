//! The resize inode, number 7, which owns the blocks reserved for more group descriptors, see
//! <https://docs.kernel.org/filesystems/ext4/special_inodes.html>.
//!
//! Its only mapping is the double indirect block. Each reserved block behind the first descriptors is an
//! indirect block in that tree, and lists the blocks at the same place behind the descriptor copies of every
//! other group, in rising order. The slot of a reserved block in the double indirect block is its place in
//! the descriptor area, counted from the first descriptor block, modulo the numbers in a block. A reserved
//! block that becomes a descriptor block leaves the tree together with its copies.

use super::damage::{corrupt, damaged};
use super::geometry::Geometry;
use super::superblock::Superblock;
use crate::fs::Result;
use crate::fs::ext4::layout::bytes::{Field, get_u32, put_u32};
use crate::fs::ext4::layout::checksum::Checksums;
use crate::fs::ext4::layout::group_descriptor::Descriptor;
use crate::fs::ext4::layout::inode::{BLOCK_LEN, Inode};

/// The number of the resize inode.
const NUMBER: u32 = 7;

/// The double indirect block: entry 13 of the block map in `i_block`.
const DOUBLE_INDIRECT: Field<BLOCK_LEN, 4> = Field::at(13 * 4);

/// The resize inode and its double indirect block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResizeInode {
    inode: Inode,
    double: Vec<u8>,
}

/// The state of the reserve that the tree stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reserve {
    /// Descriptor blocks in use: the reserved ones follow them.
    pub in_use: u32,
    /// Reserved descriptor blocks.
    pub reserved: u32,
    /// Groups of the file system.
    pub groups: u32,
}

impl Reserve {
    /// The reserve of a file system.
    pub(crate) fn of(superblock: &Superblock) -> Self {
        Self {
            in_use: superblock.descriptor_blocks(),
            reserved: superblock.reserve,
            groups: superblock.groups(),
        }
    }

    /// Slot in the double indirect block, and block number, of each reserved block.
    fn blocks(self, geometry: &Geometry) -> impl Iterator<Item = (usize, u32)> {
        let (slots, before) = (geometry.numbers_per_block(), geometry.first_data_block.saturating_add(1));
        (self.in_use..self.in_use.saturating_add(self.reserved))
            .map(move |index| ((index % slots) as usize * 4, before.saturating_add(index)))
    }

    /// Units of 512 bytes that the tree has.
    fn sectors(self, geometry: &Geometry) -> u32 {
        let copies = geometry.copies(self.groups).fold(0u32, |count, _| count.saturating_add(1));
        let blocks = self.reserved.saturating_mul(copies.saturating_add(1)).saturating_add(1);
        blocks.saturating_mul(geometry.block_size / 512)
    }
}

/// Place of the inode in the file system, in bytes. `first` describes group 0.
pub(crate) fn place(geometry: &Geometry, first: &Descriptor) -> u64 {
    first
        .inode_table
        .saturating_mul(u64::from(geometry.block_size))
        .saturating_add(u64::from((NUMBER - 1) * geometry.inode_size))
}

/// The double indirect block that an inode names.
pub(crate) fn double_indirect_block(inode: &Inode) -> u32 {
    DOUBLE_INDIRECT.get(&inode.block())
}

impl ResizeInode {
    /// The inode from its bytes.
    pub(crate) fn inode_of(bytes: &[u8]) -> Result<Inode> {
        Inode::parse(NUMBER, bytes).map_err(damaged)
    }

    /// Takes the inode and its double indirect block, and checks that they match the superblock.
    pub(crate) fn parse(inode: Inode, double: Vec<u8>, superblock: &Superblock) -> Result<Self> {
        let (geometry, reserve) = (&superblock.geometry, Reserve::of(superblock));
        let problem = if !inode.is_sound(superblock.checksums) {
            "has a wrong checksum"
        } else if reserve
            .blocks(geometry)
            .any(|(slot, block)| !get_u32(&double, slot).is_ok_and(|found| found == block))
        {
            "does not own the reserved descriptor blocks"
        } else if inode.sectors() != u64::from(reserve.sectors(geometry)) {
            "has a wrong size"
        } else {
            return Ok(Self { inode, double });
        };
        Err(corrupt(format!("the resize inode {problem}")))
    }

    /// The inode when the reserve has become `new`.
    pub(crate) fn inode(&self, geometry: &Geometry, new: Reserve, checksums: Checksums) -> Vec<u8> {
        let mut inode = self.inode.clone();
        inode.set_sectors(new.sectors(geometry).into());
        inode.seal(checksums);
        inode.bytes()
    }

    /// The double indirect block when the reserve has gone from `old` to `new`, and its number.
    pub(crate) fn double(&self, geometry: &Geometry, old: Reserve, new: Reserve) -> Result<(u32, Vec<u8>)> {
        let mut double = self.double.clone();
        let gone = old.blocks(geometry).map(|(slot, _)| (slot, 0));
        for (slot, block) in gone.chain(new.blocks(geometry)) {
            put_u32(&mut double, slot, block).map_err(damaged)?;
        }
        Ok((double_indirect_block(&self.inode), double))
    }
}

/// The number and content of every indirect block, that is, of every reserved block of group 0.
pub(crate) fn indirect_blocks(geometry: &Geometry, reserve: Reserve) -> impl Iterator<Item = (u32, Vec<u8>)> {
    let copies: Vec<u32> = geometry.copies(reserve.groups).collect();
    reserve.blocks(geometry).map(move |(_, block)| {
        let mut content: Vec<u8> = copies
            .iter()
            .map(|group| group.saturating_mul(geometry.blocks_per_group).saturating_add(block))
            .flat_map(u32::to_le_bytes)
            .collect();
        content.resize(geometry.block_size as usize, 0);
        (block, content)
    })
}

#[cfg(test)]
mod tests {
    use super::super::geometry::tests::one_kib;
    use super::*;

    #[test]
    fn indirect_blocks_list_the_copies() {
        let geometry = one_kib();
        let reserve = Reserve { in_use: 255, reserved: 2, groups: 8 };
        let blocks: Vec<_> = indirect_blocks(&geometry, reserve).collect();
        assert_eq!(blocks.iter().map(|(block, _)| *block).collect::<Vec<_>>(), [257, 258]);
        let listed: Vec<u32> = blocks[1].1.chunks(4).map(|entry| get_u32(entry, 0).unwrap()).collect();
        assert_eq!(listed[..5], [1, 3, 5, 7, 0].map(|group| if group == 0 { 0 } else { group * 8192 + 258 }));
        assert_eq!(listed.len(), 256);
    }

    #[test]
    fn a_block_that_leaves_the_reserve_leaves_the_tree() {
        let geometry = one_kib();
        let mut block_map = [0; BLOCK_LEN];
        DOUBLE_INDIRECT.put(&mut block_map, 900);
        let mut inode = Inode::parse(NUMBER, &[0; 256]).unwrap();
        inode.set_block(&block_map);
        let mut double = vec![0; 1024];
        // Places 255 and 256 in the descriptor area: slots 255 and, wrapped around, 0.
        put_u32(&mut double, 255 * 4, 257).unwrap();
        put_u32(&mut double, 0, 258).unwrap();
        let old = Reserve { in_use: 255, reserved: 2, groups: 2 };
        let new = Reserve { in_use: 256, reserved: 1, groups: 4 };
        let (block, grown) = ResizeInode { inode, double }.double(&geometry, old, new).unwrap();
        assert_eq!((block, get_u32(&grown, 255 * 4).unwrap(), get_u32(&grown, 0).unwrap()), (900, 0, 258));
        assert_eq!(new.sectors(&geometry), (1 + 3) * 2, "the block itself, one reserved block, two copies");
    }
}
