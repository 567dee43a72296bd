//! The time and the inode generations of all edits: fixed, so that the same edits give the same bytes.

use std::sync::atomic::{AtomicU32, Ordering};

use fs_ext4::runtime::Runtime;

use crate::fs::ext4::layout::checksum::crc32c;

/// 2^32 divided by the golden ratio: with this step every number comes once before one repeats, and neighbours are far apart.
const STEP: u32 = 0x9E37_79B9;

/// A clock that stands still and a sequence of generations that begins at a given number.
pub(crate) struct FixedRuntime {
    now: i64,
    generation: AtomicU32,
}

impl FixedRuntime {
    /// `now` in seconds since 1970. The sequence of generations follows from the file system's own identity.
    pub(crate) fn new(now: i64, uuid: &[u8; 16]) -> Self {
        let seed = crc32c(!0, uuid);
        Self { now, generation: AtomicU32::new(seed) }
    }
}

impl Runtime for FixedRuntime {
    fn now_unix_seconds(&self) -> i64 {
        self.now
    }

    fn next_inode_generation(&self) -> u32 {
        self.generation.fetch_add(STEP, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_repeats_for_the_same_file_system_and_differs_for_another() {
        let take = |uuid| {
            let runtime = FixedRuntime::new(7, &uuid);
            assert_eq!(runtime.now_unix_seconds(), 7);
            (0..100).map(|_| runtime.next_inode_generation()).collect::<Vec<_>>()
        };
        let first = take([1; 16]);
        assert_eq!(first, take([1; 16]));
        assert_ne!(first, take([2; 16]));
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), first.len());
    }
}
