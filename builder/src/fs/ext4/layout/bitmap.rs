//! Bitmaps of used blocks and inodes: one bit each, set where it is used.
//!
//! [Bitmaps](https://docs.kernel.org/filesystems/ext4/bitmaps.html): the bitmap of a group fills one block, and the
//! bits behind the last block or inode of the group are set.

use std::ops::Range;

/// A bitmap: that of a group, or one over the blocks of the whole file system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bitmap(Vec<u8>);

impl Bitmap {
    /// A bitmap of `bytes` bytes whose first `len` bits are free and whose other bits are set.
    pub(crate) fn free(bytes: usize, len: u32) -> Self {
        let mut bitmap = Self(vec![0; bytes]);
        bitmap.fill(len..u32::MAX, true);
        bitmap
    }

    /// A bitmap as found on the disk.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The whole bitmap.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes that the checksum covers: as many as a full group needs.
    pub(crate) fn covered(&self, bits_per_group: u32) -> &[u8] {
        usize::try_from(bits_per_group / 8).ok().and_then(|len| self.0.get(..len)).unwrap_or(&self.0)
    }

    /// Whether a bit is set; none outside of the bitmap.
    pub(crate) fn get(&self, bit: u64) -> Option<bool> {
        let byte = usize::try_from(bit / 8).ok().and_then(|at| self.0.get(at))?;
        Some(byte >> (bit % 8) & 1 == 1)
    }

    /// Sets one bit; false if it lies outside of the bitmap.
    pub(crate) fn set(&mut self, bit: u64) -> bool {
        let byte = usize::try_from(bit / 8).ok().and_then(|at| self.0.get_mut(at));
        byte.map(|byte| *byte |= 1 << (bit % 8)).is_some()
    }

    /// Whether something may not be taken: it is used, or lies outside of the bitmap.
    pub(crate) fn is_used(&self, bit: u32) -> bool {
        self.get(bit.into()).unwrap_or(true)
    }

    /// Marks a range as used or free, as far as the bitmap reaches.
    pub(crate) fn fill(&mut self, bits: Range<u32>, used: bool) {
        let first = bits.start / 8;
        let count = bits.end.div_ceil(8).saturating_sub(first);
        let skip = usize::try_from(first).unwrap_or(usize::MAX);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for (index, byte) in (first..).zip(self.0.iter_mut().skip(skip).take(count)) {
            let mask = mask_in_byte(index, &bits);
            if used { *byte |= mask } else { *byte &= !mask }
        }
    }

    /// The first bit of a range that is set.
    pub(crate) fn first_used(&self, bits: Range<u32>) -> Option<u32> {
        let skip = usize::try_from(bits.start / 8).unwrap_or(usize::MAX);
        let found = (bits.start / 8..bits.end.div_ceil(8)).zip(self.0.iter().skip(skip));
        first_bit(found.map(|(index, byte)| (index, byte & mask_in_byte(index, &bits))))
    }

    /// The first bit that is set here, but not in the other one; bits outside of that are not.
    pub(crate) fn first_without(&self, other: &Self) -> Option<u32> {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        first_bit((0..).zip(self.0.iter().zip(others).map(|(own, other)| own & !other)))
    }

    /// Free bits among the first `len`.
    pub(crate) fn count_free(&self, len: u32) -> u32 {
        (0..).zip(&self.0).map(|(index, byte)| (!byte & mask_in_byte(index, &(0..len))).count_ones()).sum()
    }

    /// The first free run from `start` on and below `end`, no longer than `most`: its start and length.
    pub(crate) fn free_run(&self, start: u32, end: u32, most: u32) -> Option<(u32, u32)> {
        let mut at = start;
        while at < end && self.is_used(at) {
            // Whole bytes at once: large groups are mostly full.
            let whole = at.is_multiple_of(8) && self.byte(at) == 0xff;
            at = at.saturating_add(if whole { 8 } else { 1 });
        }
        if at >= end {
            return None;
        }
        let limit = at.saturating_add(most).min(end);
        let mut stop = at;
        while stop < limit && !self.is_used(stop) {
            let whole = stop.is_multiple_of(8) && self.byte(stop) == 0;
            stop = if whole { stop.saturating_add(8).min(limit) } else { stop.saturating_add(1) };
        }
        Some((at, stop.saturating_sub(at)))
    }

    /// The first run of `want` free bits from `start` on and below `end`; the longest one, if none is so long.
    pub(crate) fn best_run(&self, start: u32, end: u32, want: u32) -> Option<(u32, u32)> {
        let mut best = None;
        let mut at = start;
        while let Some((start, len)) = self.free_run(at, end, want) {
            if best.is_none_or(|(_, longest)| len > longest) {
                best = Some((start, len));
            }
            if len >= want {
                break;
            }
            at = start.saturating_add(len);
        }
        best
    }

    fn byte(&self, bit: u32) -> u8 {
        usize::try_from(bit / 8).ok().and_then(|at| self.0.get(at)).copied().unwrap_or(0xff)
    }
}

/// The first bit that is set in numbered bytes.
fn first_bit(mut bytes: impl Iterator<Item = (u32, u8)>) -> Option<u32> {
    let (index, byte) = bytes.find(|(_, byte)| *byte != 0)?;
    Some(index.saturating_mul(8).saturating_add(byte.trailing_zeros()))
}

/// The bits of the byte `index` that lie in `bits`.
fn mask_in_byte(index: u32, bits: &Range<u32>) -> u8 {
    let first = index.saturating_mul(8);
    let below = |end: u32| match end.saturating_sub(first) {
        count @ 0..8 => (1u8 << count) - 1,
        _ => 0xff,
    };
    below(bits.end) & !below(bits.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bits_behind_the_last_block_are_set() {
        let bitmap = Bitmap::free(1024, 12);
        assert_eq!(bitmap.bytes()[..3], [0, 0xf0, 0xff]);
        assert_eq!(bitmap.count_free(12), 12);
        assert_eq!(bitmap.count_free(8192), 12);
        assert_eq!(bitmap.covered(16), [0, 0xf0]);
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

    #[test]
    fn a_bit_outside_is_none_and_cannot_be_taken() {
        let mut bitmap = Bitmap::from_bytes(vec![0; 2]);
        assert_eq!((bitmap.get(15), bitmap.get(16), bitmap.get(u64::MAX)), (Some(false), None, None));
        assert!(bitmap.is_used(16) && !bitmap.is_used(15));
        assert!(bitmap.set(15) && !bitmap.set(16));
        assert_eq!(bitmap.bytes(), [0, 0x80]);
    }

    #[test]
    fn the_first_bit_is_found_in_any_range() {
        let mut bitmap = Bitmap::from_bytes(vec![0; 4]);
        bitmap.fill(9..11, true);
        for (range, first) in
            [(0..32, Some(9)), (10..12, Some(10)), (11..32, None), (0..9, None), (9..9, None)]
        {
            assert_eq!(bitmap.first_used(range.clone()), first, "{range:?}");
        }
        let mut other = bitmap.clone();
        assert_eq!(bitmap.first_without(&other), None);
        other.fill(10..11, false);
        assert_eq!(bitmap.first_without(&other), Some(10));
        assert_eq!(bitmap.first_without(&Bitmap::default()), Some(9));
    }

    proptest! {
        #[test]
        fn runs_are_those_that_single_bits_tell(
            bitmap in proptest::collection::vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 1..40),
            start in 0_u32..100,
            want in 1_u32..60,
            (from, len) in (0_u32..320, 0_u32..50),
        ) {
            let mut bitmap = Bitmap::from_bytes(bitmap);
            bitmap.fill(from..from + len, true);
            let end = u32::try_from(bitmap.bytes().len() * 8).unwrap();
            let free = |bit: u32| bitmap.bytes()[bit as usize / 8] >> (bit % 8) & 1 == 0;
            let first = (start..end).find(|bit| free(*bit));
            prop_assert_eq!(bitmap.free_run(start, end, want).map(|(at, _)| at), first);
            let length = |at: u32| u32::try_from((at..end).take_while(|bit| free(*bit)).count()).unwrap();
            let starts: Vec<u32> =
                (start..end).filter(|bit| free(*bit) && (*bit == start || !free(*bit - 1))).collect();
            let enough = starts.iter().copied().find(|at| length(*at) >= want).map(|at| (at, want));
            let longest = starts.iter().map(|at| length(*at)).max();
            match bitmap.best_run(start, end, want) {
                Some(found) if enough.is_some() => prop_assert_eq!(Some(found), enough),
                found => prop_assert_eq!(found.map(|(_, len)| len), longest),
            }
            bitmap.fill(from..from + len, false);
            prop_assert!((from..from.saturating_add(len).min(end)).all(|bit| !bitmap.is_used(bit)));
        }
    }
}
