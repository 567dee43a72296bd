//! Ranges of bytes, joined where one ends as the next begins.

use std::ops::Range;

/// Puts a range behind the others, or lengthens the last one where it touches: a large file system has millions of free blocks, and
/// few ranges of them.
pub(crate) fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut().filter(|last| last.end == range.start) {
        Some(last) => last.end = range.end,
        None => ranges.push(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_touch_are_one() {
        let mut ranges = Vec::new();
        [0..4, 4..8, 12..16, 16..20, 24..28].into_iter().for_each(|range| push(&mut ranges, range));
        assert_eq!(ranges, [0..8, 12..20, 24..28]);
    }
}
