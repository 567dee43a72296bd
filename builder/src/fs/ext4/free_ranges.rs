//! Which bytes hold nothing: what a copy of the file system may leave out.

use std::ops::Range;

use super::error::convert;
use super::fsck::groups;
use super::ops::handle::Ext4;
use crate::fs::{Result, ranges};

impl Ext4 {
    /// The free blocks, as ranges of bytes in the partition, in order. The bitmaps are compared with their checksums first.
    ///
    /// # Errors
    /// When a bitmap cannot be read or does not match its checksum.
    pub fn free_ranges(&self) -> Result<Vec<Range<u64>>> {
        groups::check_sums(&self.volume)?;
        let reading = |error| convert(error, "reading the block bitmaps");
        let block = u64::from(self.block_size());
        let mut free = Vec::new();
        for number in 0..self.volume.group_count() {
            let group = self.volume.group(number).map_err(reading)?;
            let bitmap = self.volume.block_bitmap(&group).map_err(reading)?;
            let start = self.volume.group_start(number);
            for bit in (0..self.volume.group_len(number)).filter(|bit| !bitmap.is_used(*bit)) {
                let first = start.saturating_add(bit.into()).saturating_mul(block);
                ranges::push(&mut free, first..first.saturating_add(block));
            }
        }
        Ok(free)
    }
}
