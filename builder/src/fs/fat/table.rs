//! The table that chains clusters into files.

use super::layout::{Layout, Width, corrupt, io};
use crate::disk::Window;
use crate::fs::{FsError, Result};

/// Bytes compared at a time.
const PIECE: usize = 1 << 20;

/// The entry of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Free,
    Next(u32),
    Last,
    Bad,
}

/// The first copy of the table, in memory.
pub(super) struct Table {
    width: Width,
    bytes: Vec<u8>,
}

impl Table {
    /// Reads the table and compares its copies.
    pub(super) fn read(window: &Window, layout: &Layout) -> Result<Self> {
        let table = Self::read_first(window, layout)?;
        for copy in 1..layout.fats {
            compare(window, layout, &table.bytes, copy)?;
        }
        Ok(table)
    }

    /// Reads the table, whatever its other copies have.
    pub(super) fn read_first(window: &Window, layout: &Layout) -> Result<Self> {
        let size = usize::try_from(layout.fat_bytes).map_err(|_| corrupt("the size of the FAT"))?;
        let mut bytes = vec![0; size];
        window.read_exact_at(&mut bytes, layout.fat).map_err(io("reading the FAT"))?;
        Ok(Self { width: layout.width, bytes })
    }

    /// The entry as it is, with the bits that have no meaning removed. Beyond the table's end all is used.
    fn raw(&self, index: u32) -> u32 {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let at = |scale: usize, n: usize| {
            let byte = index.checked_mul(scale).and_then(|place| place.checked_add(n));
            u32::from(byte.and_then(|byte| self.bytes.get(byte)).copied().unwrap_or(0xff))
        };
        match self.width {
            Width::Fat12 => {
                let first = index.saturating_add(index / 2);
                let byte = |n| self.bytes.get(n).copied().map_or(0xff, u32::from);
                let pair = byte(first) | (byte(first.saturating_add(1)) << 8);
                if index.is_multiple_of(2) { pair & 0xfff } else { pair >> 4 }
            }
            Width::Fat16 => at(2, 0) | (at(2, 1) << 8),
            Width::Fat32 => (at(4, 0) | (at(4, 1) << 8) | (at(4, 2) << 16) | (at(4, 3) << 24)) & 0x0fff_ffff,
        }
    }

    /// The entry of a cluster.
    pub(super) fn link(&self, cluster: u32) -> Link {
        let (bad, raw) = match self.width {
            Width::Fat12 => (0xff7, self.raw(cluster)),
            Width::Fat16 => (0xfff7, self.raw(cluster)),
            Width::Fat32 => (0x0fff_fff7, self.raw(cluster)),
        };
        match raw {
            0 => Link::Free,
            raw if raw > bad => Link::Last,
            raw if raw == bad => Link::Bad,
            raw => Link::Next(raw),
        }
    }

    /// Free clusters.
    pub(super) fn free(&self, layout: &Layout) -> u32 {
        let free = (2..layout.end()).filter(|cluster| self.link(*cluster) == Link::Free).count();
        u32::try_from(free).unwrap_or(layout.clusters)
    }

    /// Checks the first two entries: the mark of a table, and the flag for "cleanly unmounted". Linux and fsck.fat look
    /// neither at the medium's byte beside the mark nor at the flag for "no errors".
    pub(super) fn check_flags(&self) -> Result<()> {
        let (mark, clean) = match self.width {
            Width::Fat12 => (0xff0, 0),
            Width::Fat16 => (0xfff0, 1 << 15),
            Width::Fat32 => (0x0fff_fff0, 1 << 27),
        };
        if self.raw(0) & mark != mark {
            return Err(corrupt(format!("the FAT begins with {:#x}, which no table does", self.raw(0))));
        }
        let flags = self.raw(1);
        if flags & clean != clean {
            return Err(dirty(format!("its table's flags are {flags:#x}")));
        }
        Ok(())
    }

    /// The clusters of a chain. `visit` is told each; it ends the walk by an error.
    pub(super) fn walk(
        &self,
        layout: &Layout,
        first: u32,
        mut visit: impl FnMut(u32) -> Result<()>,
    ) -> Result<()> {
        let mut cluster = first;
        // A chain with more links than there are clusters is a loop.
        for _ in 0..layout.clusters {
            if layout.place(cluster).is_none() {
                return Err(corrupt(format!("a chain leads to cluster {cluster}, which does not exist")));
            }
            visit(cluster)?;
            match self.link(cluster) {
                Link::Last => return Ok(()),
                Link::Next(next) => cluster = next,
                Link::Free => return Err(corrupt(format!("a chain leads to the free cluster {cluster}"))),
                Link::Bad => return Err(corrupt(format!("a chain leads to the bad cluster {cluster}"))),
            }
        }
        Err(corrupt(format!("the chain from cluster {first} never ends")))
    }
}

/// A volume that was not cleanly unmounted.
pub(super) fn dirty(what: String) -> FsError {
    FsError::Dirty { what, hint: "run `fsck.fat -a` on the partition" }
}

fn compare(window: &Window, layout: &Layout, first: &[u8], copy: u64) -> Result<()> {
    let mut place = layout.fat.saturating_add(layout.fat_size.saturating_mul(copy));
    let mut buffer = vec![0; PIECE];
    for piece in first.chunks(PIECE) {
        let other = buffer.get_mut(..piece.len()).unwrap_or_default();
        window.read_exact_at(other, place).map_err(io("reading another copy of the FAT"))?;
        if other != piece {
            return Err(corrupt("the copies of the FAT differ"));
        }
        place = place.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}
