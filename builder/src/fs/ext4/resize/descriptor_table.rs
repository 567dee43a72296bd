//! The table of all group descriptors.

use super::damage::{corrupt, damaged};
use crate::fs::Result;
use crate::fs::ext4::layout::checksum::Checksums;
use crate::fs::ext4::layout::group_descriptor::{Descriptor, bitmap_sum, is_sound};

/// The descriptors of all groups, in order, as they lie on the disk and as they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    bytes: Vec<u8>,
    descriptors: Vec<Descriptor>,
    size: usize,
    checksums: Checksums,
}

impl Table {
    /// Takes the table of `groups` groups from the beginning of `bytes`, and compares every checksum.
    pub(crate) fn parse(mut bytes: Vec<u8>, size: u32, groups: u32, checksums: Checksums) -> Result<Self> {
        let size = size as usize;
        bytes.truncate(size * groups as usize);
        let wrong = (0..groups)
            .zip(bytes.chunks_exact(size))
            .find(|(group, descriptor)| !is_sound(descriptor, *group, checksums));
        if let Some((group, _)) = wrong {
            return Err(corrupt(format!("the descriptor of group {group} has a wrong checksum")));
        }
        let descriptors: std::result::Result<_, _> =
            bytes.chunks_exact(size).map(Descriptor::parse).collect();
        Ok(Self { descriptors: descriptors.map_err(damaged)?, bytes, size, checksums })
    }

    /// The descriptor of a group, which must exist.
    pub(crate) fn get(&self, group: u32) -> Result<Descriptor> {
        let found = self.descriptors.get(group as usize).copied();
        found.ok_or_else(|| corrupt(format!("no descriptor of group {group}")))
    }

    /// Puts a descriptor with its checksum; the table becomes as long as needed.
    pub(crate) fn set(&mut self, group: u32, descriptor: Descriptor) -> Result<()> {
        let index = group as usize;
        let (start, end) = (self.size * index, self.size * (index + 1));
        if self.descriptors.len() <= index {
            self.descriptors.resize(index + 1, Descriptor::default());
            self.bytes.resize(end, 0);
        }
        let outside = || corrupt(format!("no place for the descriptor of group {group}"));
        let place = self.bytes.get_mut(start..end).ok_or_else(outside)?;
        descriptor.encode(place, group, self.checksums).map_err(damaged)?;
        *self.descriptors.get_mut(index).ok_or_else(outside)? = descriptor;
        Ok(())
    }

    /// Free blocks and free inodes of all groups.
    pub(crate) fn free(&self) -> (u64, u64) {
        self.descriptors.iter().fold((0, 0), |(blocks, inodes), group| {
            (blocks + u64::from(group.free_blocks), inodes + u64::from(group.free_inodes))
        })
    }

    /// The table filled up with zeros to whole blocks.
    pub(crate) fn blocks(&self, block_size: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len().next_multiple_of(block_size as usize), 0);
        bytes
    }

    /// A bitmap's checksum as the descriptors hold it; 0 where none is kept.
    pub(crate) fn bitmap_sum(&self, covered: &[u8]) -> u32 {
        bitmap_sum(self.checksums, self.size, covered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::ext4::layout::group_descriptor::tests::SAMPLE;

    #[test]
    fn long_descriptors_keep_every_field() {
        let mut table = Table::parse(Vec::new(), 64, 0, Checksums::Metadata { seed: 9 }).unwrap();
        table.set(2, SAMPLE).unwrap();
        assert_eq!(table.get(2).unwrap(), SAMPLE);
        assert!(table.get(3).is_err());
        assert_eq!(table.free(), (0x1_0005, 6));
        assert_eq!(table.blocks(1024).len(), 1024);
    }

    #[test]
    fn short_descriptors_keep_the_low_halves() {
        let mut table = Table::parse(Vec::new(), 32, 0, Checksums::None).unwrap();
        table.set(0, SAMPLE).unwrap();
        let table = Table::parse(table.blocks(1024), 32, 1, Checksums::None).unwrap();
        let got = table.get(0).unwrap();
        assert_eq!((got.block_bitmap, got.free_blocks, got.block_bitmap_sum), (2, 5, 0xbeef));
    }

    #[test]
    fn a_damaged_descriptor_is_named() {
        let sums = Checksums::Metadata { seed: 9 };
        let mut table = Table::parse(Vec::new(), 64, 0, sums).unwrap();
        (0..3).for_each(|group| table.set(group, SAMPLE).unwrap());
        let mut bytes = table.blocks(1024);
        bytes[64] ^= 1;
        let error = Table::parse(bytes, 64, 3, sums).unwrap_err();
        assert!(error.to_string().contains("group 1"), "{error}");
    }
}
