//! What of an image a disk must have: all but the blocks that its file systems know to be free.

use std::ops::Range;

use crate::disk::{DiskError, PartitionTable, Window};
use crate::fs::ext4::{Ext4, Ext4Options};
use crate::fs::fat::{FatFs, FatOptions};

/// Ranges begin and end at multiples of this, in bytes: no disk has larger sectors.
pub const PIECE: u64 = 4096;

/// The ranges of an image that must be on the disk, in order and apart from each other. Where anything of a partition is not understood,
/// all of it is needed.
///
/// A hole of the file is no reason to leave a range out: in a block that is used it means zeros, and the disk may have others.
///
/// # Errors
/// When the image has no partition table: it is none of a disk, or is packed.
pub fn used(image: &Window) -> Result<Vec<Range<u64>>, DiskError> {
    let table = PartitionTable::read(image)?;
    let mut free: Vec<Range<u64>> = Vec::new();
    for partition in &table.partitions {
        let Ok(window) = partition.window(image) else { continue };
        let start = partition.start.0;
        for range in free_of(&window) {
            free.push(start.saturating_add(range.start)..start.saturating_add(range.end));
        }
    }
    Ok(without(image.len(), free))
}

/// What a partition's file system knows to be free.
fn free_of(partition: &Window) -> Vec<Range<u64>> {
    let options = Ext4Options { now: 0, writable: false, replay: false };
    if let Ok(fs) = Ext4::open(partition.clone(), options) {
        return fs.free_ranges().unwrap_or_default();
    }
    let fat = FatFs::open(partition.clone(), FatOptions { mtime: 0 });
    fat.and_then(|fs| fs.free_ranges()).unwrap_or_default()
}

/// What is left of so many bytes without these ranges, each cut to whole pieces.
fn without(len: u64, mut free: Vec<Range<u64>>) -> Vec<Range<u64>> {
    free.sort_by_key(|range| range.start);
    let mut left = Vec::new();
    let mut at = 0;
    for Range { start, end } in free {
        let (start, end) = (start.next_multiple_of(PIECE), end.min(len) / PIECE * PIECE);
        if start >= end || end <= at {
            continue;
        }
        if start > at {
            left.push(at..start);
        }
        at = end;
    }
    if at < len {
        left.push(at..len);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_whole_pieces_and_keep_apart() {
        assert_eq!(without(0, vec![]), []);
        assert_eq!(without(10_000, vec![]), std::iter::once(0..10_000).collect::<Vec<_>>());
        // A piece of which a part is used is used.
        assert_eq!(
            without(100_000, vec![1..4096, 4097..12_289, 90_000..100_000]),
            [0..8192, 12_288..90_112, 98_304..100_000]
        );
        assert_eq!(without(8192, vec![0..4096, 4096..8192]), []);
        // Two that overlap, as two partitions of a bad table might.
        assert_eq!(
            without(65_536, vec![4096..16_384, 8192..12_288, 12_288..20_480]),
            [0..4096, 20_480..65_536]
        );
    }
}
