//! The bits of a bitmap: one for each block or inode of a group, set where it is used.
//!
//! What lies behind a bitmap counts as used, and setting it is ignored.

/// The first run of clear bits from `start` on and below `end`, no longer than `most`.
pub(super) fn clear_run(bitmap: &[u8], start: u32, end: u32, most: u32) -> Option<(u32, u32)> {
    let mut at = start;
    while at < end && is_set(bitmap, at) {
        // Whole bytes at once: large groups are mostly full.
        at = if at.is_multiple_of(8) && byte(bitmap, at) == 0xff {
            at.saturating_add(8)
        } else {
            at.saturating_add(1)
        };
    }
    if at >= end {
        return None;
    }
    let limit = at.saturating_add(most).min(end);
    let mut stop = at;
    while stop < limit && !is_set(bitmap, stop) {
        let whole = stop.is_multiple_of(8) && byte(bitmap, stop) == 0;
        stop = if whole { stop.saturating_add(8).min(limit) } else { stop.saturating_add(1) };
    }
    Some((at, stop.saturating_sub(at)))
}

/// The first run of `want` clear bits from `start` on and below `end`; the longest one, if none is so long.
pub(super) fn best_run(bitmap: &[u8], start: u32, end: u32, want: u32) -> Option<(u32, u32)> {
    let mut best = None;
    let mut at = start;
    while let Some((start, len)) = clear_run(bitmap, at, end, want) {
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

fn byte(bitmap: &[u8], bit: u32) -> u8 {
    usize::try_from(bit / 8).ok().and_then(|at| bitmap.get(at)).copied().unwrap_or(0xff)
}

pub(super) fn is_set(bitmap: &[u8], bit: u32) -> bool {
    byte(bitmap, bit) >> (bit % 8) & 1 == 1
}

/// Sets bits; what lies behind the bitmap is ignored.
pub(super) fn set(bitmap: &mut [u8], start: u32, len: u32) {
    each(bitmap, start, len, |byte, mask| *byte |= mask);
}

/// Clears bits, as [`set`] sets them.
pub(super) fn clear(bitmap: &mut [u8], start: u32, len: u32) {
    each(bitmap, start, len, |byte, mask| *byte &= !mask);
}

fn each(bitmap: &mut [u8], start: u32, len: u32, change: impl Fn(&mut u8, u8)) {
    let bits = u32::try_from(bitmap.len().saturating_mul(8)).unwrap_or(u32::MAX);
    for bit in start..start.saturating_add(len).min(bits) {
        if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| bitmap.get_mut(at)) {
            change(byte, 1 << (bit % 8));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_are_those_that_single_bits_tell(
            mut bitmap in proptest::collection::vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 1..40),
            start in 0_u32..100,
            want in 1_u32..60,
            (from, len) in (0_u32..320, 0_u32..50),
        ) {
            set(&mut bitmap, from, len);
            let end = u32::try_from(bitmap.len() * 8).unwrap();
            let free = |bit: u32| bitmap[bit as usize / 8] >> (bit % 8) & 1 == 0;
            let first = (start..end).find(|bit| free(*bit));
            prop_assert_eq!(clear_run(&bitmap, start, end, want).map(|(at, _)| at), first);
            let length = |at: u32| u32::try_from((at..end).take_while(|bit| free(*bit)).count()).unwrap();
            let starts: Vec<u32> =
                (start..end).filter(|bit| free(*bit) && (*bit == start || !free(*bit - 1))).collect();
            let enough = starts.iter().copied().find(|at| length(*at) >= want).map(|at| (at, want));
            let longest = starts.iter().map(|at| length(*at)).max();
            match best_run(&bitmap, start, end, want) {
                Some(found) if enough.is_some() => prop_assert_eq!(Some(found), enough),
                found => prop_assert_eq!(found.map(|(_, len)| len), longest),
            }
            clear(&mut bitmap, from, len);
            prop_assert!((from..from.saturating_add(len).min(end)).all(|bit| !is_set(&bitmap, bit)));
        }
    }
}
