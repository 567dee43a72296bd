//! A group descriptor: where the bitmaps and the inode table of a block group lie, and what is free in the group.
//!
//! [Group descriptors](https://docs.kernel.org/filesystems/ext4/group_descr.html).

use fs_ext4::error::{Error, Result};

use super::bytes::{Field, halves32, halves64, joined32, joined64};
use super::checksum::{Checksums, DESCRIPTOR_SUM};

/// `bg_flags`: inode bitmap and table were never written.
pub(crate) const INODE_UNINIT: u16 = 1;
/// `bg_flags`: the block bitmap was never written.
pub(crate) const BLOCK_UNINIT: u16 = 2;
/// `bg_flags`: the inode table holds only zeros where no inode is.
pub(crate) const INODE_ZEROED: u16 = 4;

/// Bytes of a descriptor without the feature 64bit, and of the part with the high halves behind them.
const PART: usize = 32;
/// Bytes of a descriptor that has the high halves.
const LONG: usize = 2 * PART;

/// A number of 64 bits: its low half in the first part, its high half in the second.
type Wide = (Field<PART, 4>, Field<PART, 4>);
const BLOCK_BITMAP: Wide = (Field::at(0x00), Field::at(0x00));
const INODE_BITMAP: Wide = (Field::at(0x04), Field::at(0x04));
const INODE_TABLE: Wide = (Field::at(0x08), Field::at(0x08));
/// A number of 32 bits, likewise.
type Count = (Field<PART, 2>, Field<PART, 2>);
const FREE_BLOCKS: Count = (Field::at(0x0c), Field::at(0x0c));
const FREE_INODES: Count = (Field::at(0x0e), Field::at(0x0e));
const DIRS: Count = (Field::at(0x10), Field::at(0x10));
const UNUSED_INODES: Count = (Field::at(0x1c), Field::at(0x12));
const BLOCK_BITMAP_SUM: Count = (Field::at(0x18), Field::at(0x18));
const INODE_BITMAP_SUM: Count = (Field::at(0x1a), Field::at(0x1a));
const FLAGS: Field<PART, 2> = Field::at(0x12);

/// What a descriptor says of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Descriptor {
    /// Block of the block bitmap.
    pub(crate) block_bitmap: u64,
    /// Block of the inode bitmap.
    pub(crate) inode_bitmap: u64,
    /// First block of the inode table.
    pub(crate) inode_table: u64,
    /// Free blocks.
    pub(crate) free_blocks: u32,
    /// Free inodes.
    pub(crate) free_inodes: u32,
    /// Inodes that are directories.
    pub(crate) dirs: u32,
    /// `INODE_UNINIT`, `BLOCK_UNINIT`, `INODE_ZEROED`.
    pub(crate) flags: u16,
    /// Inodes at the end of the table that were never used.
    pub(crate) unused_inodes: u32,
    /// Checksum of the block bitmap; 16 bits in short descriptors, 0 where none is kept.
    pub(crate) block_bitmap_sum: u32,
    /// Checksum of the inode bitmap, likewise.
    pub(crate) inode_bitmap_sum: u32,
}

impl Descriptor {
    /// Reads a descriptor; an error if it has less than 32 bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let (base, rest) = bytes.split_first_chunk::<PART>().ok_or(SHORT)?;
        let high = rest.first_chunk::<PART>();
        let wide = |place: Wide| joined64(place.0.get(base), high.map_or(0, |high| place.1.get(high)));
        let count = |place: Count| joined32(place.0.get(base), high.map_or(0, |high| place.1.get(high)));
        Ok(Self {
            block_bitmap: wide(BLOCK_BITMAP),
            inode_bitmap: wide(INODE_BITMAP),
            inode_table: wide(INODE_TABLE),
            free_blocks: count(FREE_BLOCKS),
            free_inodes: count(FREE_INODES),
            dirs: count(DIRS),
            flags: FLAGS.get(base),
            unused_inodes: count(UNUSED_INODES),
            block_bitmap_sum: count(BLOCK_BITMAP_SUM),
            inode_bitmap_sum: count(INODE_BITMAP_SUM),
        })
    }

    /// Writes the fields of group `group` and the checksum; what else the descriptor has stays.
    pub(crate) fn encode(&self, bytes: &mut [u8], group: u32, checksums: Checksums) -> Result<()> {
        let (base, rest) = bytes.split_first_chunk_mut::<PART>().ok_or(SHORT)?;
        self.encode_low(base);
        if let Some(high) = rest.first_chunk_mut() {
            self.encode_high(high);
        }
        if let Some(sum) = checksums.descriptor(group, base, rest) {
            DESCRIPTOR_SUM.put(base, sum);
        }
        Ok(())
    }

    fn encode_low(&self, base: &mut [u8; PART]) {
        for (place, value) in self.wides() {
            place.0.put(base, halves64(value).0);
        }
        for (place, value) in self.counts() {
            place.0.put(base, halves32(value).0);
        }
        FLAGS.put(base, self.flags);
    }

    fn encode_high(&self, high: &mut [u8; PART]) {
        for (place, value) in self.wides() {
            place.1.put(high, halves64(value).1);
        }
        for (place, value) in self.counts() {
            place.1.put(high, halves32(value).1);
        }
    }

    fn wides(&self) -> [(Wide, u64); 3] {
        [
            (BLOCK_BITMAP, self.block_bitmap),
            (INODE_BITMAP, self.inode_bitmap),
            (INODE_TABLE, self.inode_table),
        ]
    }

    fn counts(&self) -> [(Count, u32); 6] {
        [
            (FREE_BLOCKS, self.free_blocks),
            (FREE_INODES, self.free_inodes),
            (DIRS, self.dirs),
            (UNUSED_INODES, self.unused_inodes),
            (BLOCK_BITMAP_SUM, self.block_bitmap_sum),
            (INODE_BITMAP_SUM, self.inode_bitmap_sum),
        ]
    }

    /// Whether one of the flags is set.
    pub(crate) fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }
}

/// Whether a descriptor has the checksum that it should have; one of less than 32 bytes has not.
pub(crate) fn is_sound(bytes: &[u8], group: u32, checksums: Checksums) -> bool {
    let Some((base, rest)) = bytes.split_first_chunk() else { return false };
    checksums.descriptor(group, base, rest).is_none_or(|sum| sum == DESCRIPTOR_SUM.get(base))
}

/// A bitmap's checksum as a descriptor of so many bytes can hold it: short ones keep the low 16 bits.
pub(crate) fn bitmap_sum(checksums: Checksums, descriptor_size: usize, covered: &[u8]) -> u32 {
    let sum = checksums.bitmap(covered).unwrap_or(0);
    if descriptor_size >= LONG { sum } else { sum & 0xffff }
}

const SHORT: Error = Error::Corrupt("a group descriptor of less than 32 bytes");

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SAMPLE: Descriptor = Descriptor {
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
    fn a_flipped_bit_is_seen() {
        for sums in [Checksums::Descriptors { uuid: [7; 16] }, Checksums::Metadata { seed: 7 }] {
            for size in [32, 64] {
                let mut descriptor = vec![0x5a; size];
                SAMPLE.encode(&mut descriptor, 3, sums).unwrap();
                assert!(is_sound(&descriptor, 3, sums));
                assert!(!is_sound(&descriptor, 4, sums));
                descriptor[size - 1] ^= 1;
                assert!(!is_sound(&descriptor, 3, sums));
            }
        }
    }

    #[test]
    fn what_the_fields_do_not_cover_stays() {
        let mut descriptor = [0x5a; 128];
        SAMPLE.encode(&mut descriptor, 3, Checksums::None).unwrap();
        assert_eq!(Descriptor::parse(&descriptor).unwrap(), SAMPLE);
        assert_eq!((descriptor[0x14], descriptor[0x3f], descriptor[127]), (0x5a, 0x5a, 0x5a));
    }

    #[test]
    fn a_descriptor_that_is_too_short_is_an_error() {
        let mut short = [0; 31];
        assert!(Descriptor::parse(&short).is_err());
        assert!(SAMPLE.encode(&mut short, 0, Checksums::None).is_err());
        assert!(!is_sound(&short, 0, Checksums::None));
        assert_eq!(short, [0; 31]);
    }
}
