//! The bitmap of a group, one bit a block or inode, set where used, see
//! <https://docs.kernel.org/filesystems/ext4/bitmaps.html>.
//!
//! A bitmap fills a block. The bits that stand for nothing, behind the last block or inode, are set.

use std::ops::Range;

/// The bitmap of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bitmap(Vec<u8>);

impl Bitmap {
    /// A bitmap of one block in which the first `len` bits are free.
    pub(super) fn free(block_size: u32, len: u32) -> Self {
        let mut bitmap = Self(vec![0; block_size as usize]);
        bitmap.fill(len..block_size.saturating_mul(8), true);
        bitmap
    }

    /// A bitmap as found on the disk.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The whole block.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes that the checksum covers: those that a full group needs.
    pub(super) fn meaningful(&self, bits_per_group: u32) -> &[u8] {
        self.0.get(..(bits_per_group / 8) as usize).unwrap_or(&self.0)
    }

    /// Marks a range as used or free. What lies behind the block is ignored.
    pub(super) fn fill(&mut self, bits: Range<u32>, used: bool) {
        for (index, byte) in self.0.iter_mut().enumerate() {
            let mask = mask_in_byte(index, &bits);
            if used { *byte |= mask } else { *byte &= !mask }
        }
    }

    /// Free bits among the first `len`.
    pub(super) fn count_free(&self, len: u32) -> u32 {
        self.0
            .iter()
            .enumerate()
            .map(|(index, byte)| (!byte & mask_in_byte(index, &(0..len))).count_ones())
            .sum()
    }
}

/// The bits of the byte `index` that lie in `bits`.
fn mask_in_byte(index: usize, bits: &Range<u32>) -> u8 {
    let first = u32::try_from(index).unwrap_or(u32::MAX).saturating_mul(8);
    let below = |end: u32| match end.saturating_sub(first) {
        count @ 0..8 => (1u8 << count) - 1,
        _ => 0xff,
    };
    below(bits.end) & !below(bits.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_set() {
        let bitmap = Bitmap::free(1024, 12);
        assert_eq!(bitmap.bytes()[..3], [0, 0xf0, 0xff]);
        assert_eq!(bitmap.count_free(12), 12);
        assert_eq!(bitmap.count_free(8192), 12);
        assert_eq!(bitmap.meaningful(16), [0, 0xf0]);
    }

    #[test]
    fn ranges_touch_only_their_bits() {
        let mut bitmap = Bitmap::free(1024, 8192);
        bitmap.fill(3..21, true);
        assert_eq!(bitmap.bytes()[..4], [0xf8, 0xff, 0x1f, 0]);
        bitmap.fill(8..9, false);
        assert_eq!(bitmap.bytes()[..4], [0xf8, 0xfe, 0x1f, 0]);
        bitmap.fill(5..5, true);
        assert_eq!(bitmap.count_free(8192), 8192 - 17);
    }
}
