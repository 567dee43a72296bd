//! Group descriptors and the table of them, see
//! <https://docs.kernel.org/filesystems/ext4/group_descr.html>.

use super::bytes::{get_u16, get_u32, get_u32_split, get_u64_split, put_u16, put_u32_split, put_u64_split};
use super::checksum::Checksums;
use crate::fs::{FsError, Result};

/// `bg_flags`: inode bitmap and table were never written.
pub(super) const INODE_UNINIT: u16 = 1;
/// `bg_flags`: the block bitmap was never written.
pub(super) const BLOCK_UNINIT: u16 = 2;
/// `bg_flags`: the inode table holds only zeros where no inode is.
pub(super) const INODE_ZEROED: u16 = 4;

const BLOCK_BITMAP: (usize, usize) = (0x00, 0x20);
const INODE_BITMAP: (usize, usize) = (0x04, 0x24);
const INODE_TABLE: (usize, usize) = (0x08, 0x28);
const FREE_BLOCKS: (usize, usize) = (0x0c, 0x2c);
const FREE_INODES: (usize, usize) = (0x0e, 0x2e);
const DIRS: (usize, usize) = (0x10, 0x30);
const FLAGS: usize = 0x12;
const BLOCK_BITMAP_SUM: (usize, usize) = (0x18, 0x38);
const INODE_BITMAP_SUM: (usize, usize) = (0x1a, 0x3a);
const UNUSED_INODES: (usize, usize) = (0x1c, 0x32);

/// Bytes of a descriptor that has the high halves.
const LONG: usize = 64;

/// What a descriptor says of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// Block of the block bitmap.
    pub block_bitmap: u64,
    /// Block of the inode bitmap.
    pub inode_bitmap: u64,
    /// First block of the inode table.
    pub inode_table: u64,
    /// Free blocks.
    pub free_blocks: u32,
    /// Free inodes.
    pub free_inodes: u32,
    /// Inodes that are directories.
    pub dirs: u32,
    /// `INODE_UNINIT`, `BLOCK_UNINIT`, `INODE_ZEROED`.
    pub flags: u16,
    /// Inodes at the end of the table that were never used.
    pub unused_inodes: u32,
    /// Checksum of the block bitmap; 16 bits in short descriptors, 0 where none is kept.
    pub block_bitmap_sum: u32,
    /// Checksum of the inode bitmap, likewise.
    pub inode_bitmap_sum: u32,
}

impl Descriptor {
    fn parse(bytes: &[u8]) -> Self {
        let long = bytes.len() >= LONG;
        let wide = |(low, high)| {
            if long { get_u64_split(bytes, low, high) } else { u64::from(get_u32(bytes, low)) }
        };
        let count = |(low, high)| {
            if long { get_u32_split(bytes, low, high) } else { u32::from(get_u16(bytes, low)) }
        };
        Self {
            block_bitmap: wide(BLOCK_BITMAP),
            inode_bitmap: wide(INODE_BITMAP),
            inode_table: wide(INODE_TABLE),
            free_blocks: count(FREE_BLOCKS),
            free_inodes: count(FREE_INODES),
            dirs: count(DIRS),
            flags: get_u16(bytes, FLAGS),
            unused_inodes: count(UNUSED_INODES),
            block_bitmap_sum: count(BLOCK_BITMAP_SUM),
            inode_bitmap_sum: count(INODE_BITMAP_SUM),
        }
    }

    /// Writes the fields; the others keep what they hold.
    fn encode(&self, bytes: &mut [u8]) {
        let long = bytes.len() >= LONG;
        let mut wide = |(low, high): (usize, usize), value| {
            put_u64_split(bytes, low, long.then_some(high), value);
        };
        wide(BLOCK_BITMAP, self.block_bitmap);
        wide(INODE_BITMAP, self.inode_bitmap);
        wide(INODE_TABLE, self.inode_table);
        let mut count = |(low, high): (usize, usize), value| {
            put_u32_split(bytes, low, long.then_some(high), value);
        };
        count(FREE_BLOCKS, self.free_blocks);
        count(FREE_INODES, self.free_inodes);
        count(DIRS, self.dirs);
        count(UNUSED_INODES, self.unused_inodes);
        count(BLOCK_BITMAP_SUM, self.block_bitmap_sum);
        count(INODE_BITMAP_SUM, self.inode_bitmap_sum);
        put_u16(bytes, FLAGS, self.flags);
    }
}

/// The descriptors of all groups, in order, as they lie on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    bytes: Vec<u8>,
    size: usize,
    checksums: Checksums,
}

impl Table {
    /// Takes the table of `groups` groups from the beginning of `bytes` and verifies every checksum.
    pub(super) fn parse(mut bytes: Vec<u8>, size: u32, groups: u32, checksums: Checksums) -> Result<Self> {
        let size = size as usize;
        bytes.truncate(size * groups as usize);
        let wrong = (0..groups)
            .zip(bytes.chunks_exact(size))
            .find(|(group, descriptor)| !checksums.descriptor_is_right(*group, descriptor));
        match wrong {
            None => Ok(Self { bytes, size, checksums }),
            Some((group, _)) => Err(FsError::Corrupt {
                what: format!("the descriptor of group {group} has a wrong checksum"),
                hint: Some(super::superblock::CURE),
            }),
        }
    }

    /// What is said of a group; none where there is no such group.
    pub(super) fn get(&self, group: u32) -> Option<Descriptor> {
        self.bytes.chunks_exact(self.size).nth(group as usize).map(Descriptor::parse)
    }

    /// Puts a descriptor with its checksum; the table becomes as long as needed.
    pub(super) fn set(&mut self, group: u32, descriptor: &Descriptor) {
        let start = self.size * group as usize;
        let end = start + self.size;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(place) = self.bytes.get_mut(start..end) {
            descriptor.encode(place);
            self.checksums.seal_descriptor(group, place);
        }
    }

    /// Free blocks and free inodes of all groups.
    pub(super) fn free(&self) -> (u64, u64) {
        self.bytes.chunks_exact(self.size).map(Descriptor::parse).fold((0, 0), |(blocks, inodes), group| {
            (blocks + u64::from(group.free_blocks), inodes + u64::from(group.free_inodes))
        })
    }

    /// The table filled up with zeros to whole blocks.
    pub(super) fn blocks(&self, block_size: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len().next_multiple_of(block_size as usize), 0);
        bytes
    }

    /// A bitmap's checksum as a descriptor can hold it.
    pub(super) fn bitmap_sum(&self, meaningful: &[u8]) -> u32 {
        let sum = self.checksums.bitmap(meaningful).unwrap_or(0);
        if self.size >= LONG { sum } else { sum & 0xffff }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Descriptor = Descriptor {
        block_bitmap: 0x1_0000_0002,
        inode_bitmap: 3,
        inode_table: 4,
        free_blocks: 0x1_0005,
        free_inodes: 6,
        dirs: 7,
        flags: INODE_ZEROED,
        unused_inodes: 8,
        block_bitmap_sum: 0xdead_beef,
        inode_bitmap_sum: 0x1234_5678,
    };

    #[test]
    fn long_descriptors_keep_every_field() {
        let mut table = Table::parse(Vec::new(), 64, 0, Checksums::Metadata { seed: 9 }).unwrap();
        table.set(2, &SAMPLE);
        assert_eq!(table.get(2), Some(SAMPLE));
        assert_eq!(table.get(3), None);
        assert_eq!(table.free(), (0x1_0005, 6));
        assert_eq!(table.blocks(1024).len(), 1024);
    }

    #[test]
    fn short_descriptors_keep_the_low_halves() {
        let mut table = Table::parse(Vec::new(), 32, 0, Checksums::None).unwrap();
        table.set(0, &SAMPLE);
        let got = table.get(0).unwrap();
        assert_eq!((got.block_bitmap, got.free_blocks, got.block_bitmap_sum), (2, 5, 0xbeef));
    }

    #[test]
    fn a_damaged_descriptor_is_named() {
        let sums = Checksums::Metadata { seed: 9 };
        let mut table = Table::parse(Vec::new(), 64, 0, sums).unwrap();
        (0..3).for_each(|group| table.set(group, &SAMPLE));
        let mut bytes = table.blocks(1024);
        bytes[64] ^= 1;
        let error = Table::parse(bytes, 64, 3, sums).unwrap_err();
        assert!(error.to_string().contains("group 1"), "{error}");
    }
}
