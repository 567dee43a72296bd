//! Whether a directory has space for a new name, checked before the first write.

use super::dir::{SLOT, Slot};
use super::layout::{Layout, Root};
use crate::fs::{FsError, ImagePath, Result};

/// Clusters by which a directory must grow to take a name of `slots` slots.
///
/// It finds the place as `fatfs` does: the first run of deleted slots that is long enough, or the end with the
/// deleted slots before it.
pub(super) fn growth(
    layout: &Layout,
    dir: Root,
    all: &[Slot],
    slots: usize,
    path: &ImagePath,
) -> Result<u64> {
    let start = first_fit(all, slots);
    let missing = start.saturating_add(slots).saturating_sub(all.len());
    let bytes = |slots: usize| u64::try_from(slots.saturating_mul(SLOT)).unwrap_or(u64::MAX);
    match dir {
        Root::Area(..) if missing > 0 => Err(FsError::NoSpace {
            what: format!("the root directory, for the name {path},"),
            need: bytes(slots),
            free: bytes(all.len().saturating_sub(start)),
        }),
        _ => Ok(layout.clusters_for(bytes(missing))),
    }
}

fn first_fit(all: &[Slot], slots: usize) -> usize {
    let mut run = 0;
    for (index, slot) in all.iter().enumerate() {
        if slot.is_end() {
            return index.saturating_sub(run);
        }
        run = if slot.is_deleted() { run.saturating_add(1) } else { 0 };
        if run == slots {
            return index.saturating_add(1).saturating_sub(run);
        }
    }
    all.len().saturating_sub(run)
}

/// Clusters that a new directory takes for itself and, inside, for a first name of `slots` slots.
pub(super) fn of_new_dir(layout: &Layout, slots: usize) -> u64 {
    // `fatfs` needs four slots for `.` and `..` while it makes them.
    let bytes = slots.saturating_add(4).saturating_mul(SLOT);
    layout.clusters_for(u64::try_from(bytes).unwrap_or(u64::MAX))
}
