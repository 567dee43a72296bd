//! Which blocks and inodes of a file system were changed.
//!
//! While the file system is edited, a [`Recorder`] notes what is written; [`Recorder::finish`] turns the notes into a
//! list for the manifest, for comparing two images, and for flashing only the difference. A structure that was
//! changed and changed back is not listed. A block that was given to a file is listed, whatever it held before.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::disk::Window;

/// Bytes whose change is noted as one: no inode is smaller.
const GRAIN: usize = 128;
/// Most bytes of earlier content that are kept: those of 30,000 new files.
const KEPT: usize = 16 << 20;

/// What was changed in a file system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Bytes in a block.
    pub block_size: u32,
    /// Numbers of the blocks, sorted, no two ranges touching.
    pub blocks: Vec<Range<u64>>,
    /// Numbers of the inodes, sorted.
    pub inodes: Vec<u32>,
}

impl Changes {
    /// The changed bytes of the file system, in whole blocks, sorted, no two ranges touching.
    pub fn bytes(&self) -> impl Iterator<Item = Range<u64>> {
        let size = u64::from(self.block_size);
        self.blocks.iter().map(move |range| range.start.saturating_mul(size)..range.end.saturating_mul(size))
    }
}

/// Where the inode tables lie, to find the inodes in a range of bytes.
pub(crate) struct InodeTables {
    /// Bytes of an inode.
    pub(crate) inode_size: u64,
    /// Inodes in a group.
    pub(crate) per_group: u32,
    /// Place of each group's table in bytes.
    pub(crate) tables: Vec<u64>,
}

impl InodeTables {
    /// The inodes that lie in ranges of bytes.
    pub(crate) fn in_ranges(&self, ranges: &[Range<u64>]) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        ranges.iter().for_each(|range| self.overlapping(range, &mut found));
        found
    }

    fn overlapping(&self, range: &Range<u64>, found: &mut BTreeSet<u32>) {
        let len = self.inode_size.saturating_mul(u64::from(self.per_group));
        for (group, table) in (0_u32..).zip(&self.tables) {
            let start = range.start.max(*table);
            let end = range.end.min(table.saturating_add(len));
            if start < end {
                let first = group.saturating_mul(self.per_group).saturating_add(1);
                let number = |at: u64| u32::try_from(at.saturating_sub(*table) / self.inode_size.max(1)).ok();
                if let (Some(from), Some(to)) = (number(start), number(end.saturating_sub(1))) {
                    found.extend((from..=to).map(|index| first.saturating_add(index)));
                }
            }
        }
    }
}

/// What is noted while a file system is edited.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    /// Ranges of bytes that were written without reading them first: start to end, none touching another.
    replaced: BTreeMap<u64, u64>,
    /// The first content of places that were changed.
    before: BTreeMap<u64, Before>,
    /// Bytes of it that are kept.
    kept: usize,
}

/// Earlier content by its place in bytes.
pub(crate) type Earlier = BTreeMap<u64, Arc<[u8]>>;

/// What a place held before it was changed for the first time.
#[derive(Debug)]
enum Before {
    Bytes(Arc<[u8]>),
    /// A fingerprint of each [`GRAIN`], where too much was changed to keep all of it.
    Fingerprints(Vec<u64>),
}

impl Before {
    fn fingerprints(&self) -> Vec<u64> {
        match self {
            Self::Bytes(bytes) => bytes.chunks(GRAIN).map(fingerprint).collect(),
            Self::Fingerprints(fingerprints) => fingerprints.clone(),
        }
    }
}

impl Recorder {
    /// A range gets new content, which counts as changed even if it is the same.
    pub(crate) fn replaced(&mut self, start: u64, len: u64) {
        let (mut start, mut end) = (start, start.saturating_add(len));
        while let Some((from, to)) = self.replaced.range(..=end).next_back().map(|(from, to)| (*from, *to)) {
            if to < start {
                break;
            }
            self.replaced.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.replaced.insert(start, end);
    }

    /// The bytes at a place are about to change; only the first call for a place counts.
    pub(crate) fn about_to_change(&mut self, start: u64, bytes: &[u8]) {
        let known = self.replaced.range(..=start).next_back();
        if known.is_some_and(|(_, end)| *end >= start.saturating_add(as_u64(bytes.len()))) {
            return;
        }
        if self.before.contains_key(&start) {
            return;
        }
        let mut before = Before::Bytes(bytes.into());
        self.kept = self.kept.saturating_add(bytes.len());
        if self.kept > KEPT {
            for before in self.before.values_mut().chain([&mut before]) {
                *before = Before::Fingerprints(before.fingerprints());
            }
        }
        self.before.insert(start, before);
    }

    /// The earlier content of all structures that were changed, by their places; none where that is too much to be kept.
    pub(crate) fn earlier(&self) -> Option<Earlier> {
        self.before
            .iter()
            .map(|(place, before)| match before {
                Before::Bytes(bytes) => Some((*place, Arc::clone(bytes))),
                Before::Fingerprints(_) => None,
            })
            .collect()
    }

    /// The places whose content is not what it was, found by comparing it with what the image holds now.
    pub(crate) fn changed(&self, window: &Window) -> io::Result<Vec<Range<u64>>> {
        let mut changed = Vec::new();
        for (start, before) in &self.before {
            let fingerprints = before.fingerprints();
            let left = window.len().saturating_sub(*start);
            let len =
                (fingerprints.len().saturating_mul(GRAIN)).min(usize::try_from(left).unwrap_or(usize::MAX));
            let mut bytes = vec![0; len];
            window.read_exact_at(&mut bytes, *start)?;
            for (index, (grain, before)) in (0_u64..).zip(bytes.chunks(GRAIN).zip(fingerprints)) {
                if fingerprint(grain) != before {
                    let at = start.saturating_add(index.saturating_mul(as_u64(GRAIN)));
                    changed.push(at..at.saturating_add(as_u64(GRAIN)));
                }
            }
        }
        Ok(changed)
    }

    /// The ranges that got new content, whatever was there.
    pub(crate) fn new_content(&self) -> impl Iterator<Item = Range<u64>> {
        self.replaced.iter().map(|(start, end)| *start..*end)
    }

    /// The list, with the places that [`Recorder::changed`] has found and the inodes in them.
    pub(crate) fn finish(
        mut self,
        block_size: u32,
        changed: &[Range<u64>],
        inodes: impl IntoIterator<Item = u32>,
    ) -> Changes {
        for range in changed {
            self.replaced(range.start, range.end.saturating_sub(range.start));
        }
        let blocks = whole_blocks(&self.replaced, u64::from(block_size));
        Changes { block_size, blocks, inodes: inodes.into_iter().collect() }
    }
}

/// The blocks that ranges of bytes overlap.
fn whole_blocks(ranges: &BTreeMap<u64, u64>, block: u64) -> Vec<Range<u64>> {
    let mut blocks: Vec<Range<u64>> = Vec::new();
    for (start, end) in ranges {
        let (first, last) = (start / block.max(1), end.div_ceil(block.max(1)));
        match blocks.last_mut() {
            Some(before) if before.end >= first => before.end = last.max(before.end),
            _ => blocks.push(first..last),
        }
    }
    blocks
}

/// A hash that is the same in every run. 64 bits are enough to notice a change of a few bytes.
fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

pub(crate) fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ByteOffset, ByteSize};

    fn window() -> Window {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        Window::new(Arc::new(file), ByteOffset(0), ByteSize(1 << 20)).unwrap()
    }

    #[test]
    fn ranges_are_merged_whatever_their_order() {
        let mut recorder = Recorder::default();
        for block in [7, 3, 5, 4, 100, 3, 9] {
            recorder.replaced(block * 1024, 1024);
        }
        recorder.replaced(6 * 1024 + 5, 1);
        let changes = recorder.finish(1024, &[], []);
        assert_eq!(changes.blocks, [3..8, 9..10, 100..101]);
        assert_eq!(changes.bytes().next(), Some(3072..8192));
    }

    #[test]
    fn what_was_changed_back_is_not_listed_and_inodes_are_told_apart() {
        let window = window();
        let mut recorder = Recorder::default();
        recorder.about_to_change(0, &[0; 4096]);
        recorder.about_to_change(8192, &[0; 4096]);
        window.write_all_at(&[1], 8192 + 700).unwrap();
        // Later content is not what was there before.
        recorder.about_to_change(8192, &[2; 4096]);
        let tables = InodeTables { inode_size: 256, per_group: 16, tables: vec![65536, 8192] };
        let changed = recorder.changed(&window).unwrap();
        let changes = recorder.finish(4096, &changed, tables.in_ranges(&changed));
        assert_eq!(changes.bytes().collect::<Vec<_>>(), std::iter::once(8192..12288).collect::<Vec<_>>());
        assert_eq!(changes.inodes, [16 + 1 + 2]);
    }
}
