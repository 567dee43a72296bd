//! Directories as they are on the disk: rows of 32-byte slots.

use std::ops::Range;

use super::clock::DosTime;
use super::layout::{Layout, Root, Width, corrupt, io};
use super::table::Table;
use crate::disk::Window;
use crate::fs::Result;

/// Bytes of a slot.
pub(super) const SLOT: usize = 32;
/// Most bytes of a directory (65536 slots), so that a hostile one cannot fill the memory.
const MAX_BYTES: usize = SLOT << 16;

const DIR: u8 = 0x10;
const LABEL: u8 = 0x08;
const LONG_NAME: u8 = 0x0f;

/// The names of the directory itself and of the one above it.
pub(super) const DOT: &[u8; SHORT] = b".          ";
pub(super) const DOT_DOT: &[u8; SHORT] = b"..         ";
/// Bytes of a short name.
pub(super) const SHORT: usize = 11;
/// Where a slot of a long name has its units, in bytes.
const UNITS: [Range<usize>; 3] = [1..11, 14..26, 28..32];

/// A slot with its place on the volume.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// First byte, in the partition.
    pub(super) place: u64,
    bytes: [u8; SLOT],
}

impl Slot {
    pub(super) fn is_end(&self) -> bool {
        self.bytes.first() == Some(&0)
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.bytes.first() == Some(&0xe5)
    }

    /// Whether it names a file or directory: no part of a long name, no volume label, not `.` or `..`.
    pub(super) fn is_entry(&self) -> bool {
        !self.is_end() && !self.is_deleted() && !self.is_label() && !self.is_dot() && !self.is_dot_dot()
    }

    /// Whether it is a volume label, or a part of a long name, which old programs take for one.
    pub(super) fn is_label(&self) -> bool {
        self.byte(11) & LABEL != 0
    }

    /// Whether it is a part of a long name.
    pub(super) fn is_long(&self) -> bool {
        self.byte(11) == LONG_NAME
    }

    /// Whether `fatfs` takes it for a part of a long name: it does not see the two bits that have no meaning.
    pub(super) fn looks_long(&self) -> bool {
        self.byte(11) & 0x3f == LONG_NAME
    }

    /// The short name as it is on the disk, without its dot.
    pub(super) fn raw_name(&self) -> &[u8; SHORT] {
        let (name, _) = self.bytes.split_first_chunk().unwrap_or((b"           ", &[]));
        name
    }

    /// Of a part of a long name: which one it is, and the mark of the last.
    pub(super) fn long_number(&self) -> u8 {
        self.byte(0)
    }

    /// Of a part of a long name: the checksum of the short name that it belongs to.
    pub(super) fn long_checksum(&self) -> u8 {
        self.byte(13)
    }

    /// Of a part of a long name: whether the fields are 0 that have a meaning in other slots.
    pub(super) fn is_only_long(&self) -> bool {
        self.byte(12) == 0 && self.word(26) == 0
    }

    /// Of a part of a long name: its units.
    pub(super) fn long_units(&self) -> Vec<u16> {
        UNITS.into_iter().flat_map(|range| range.step_by(2)).map(|at| self.word(at)).collect()
    }

    fn is_dot(&self) -> bool {
        self.bytes.starts_with(DOT)
    }

    fn is_dot_dot(&self) -> bool {
        self.bytes.starts_with(DOT_DOT)
    }

    pub(super) fn is_dir(&self) -> bool {
        self.byte(11) & DIR != 0
    }

    pub(super) fn size(&self) -> u64 {
        u64::from(self.word(28)) | (u64::from(self.word(30)) << 16)
    }

    /// First cluster; 0 for an empty file.
    pub(super) fn cluster(&self, width: Width) -> u32 {
        let high = if width == Width::Fat32 { u32::from(self.word(20)) << 16 } else { 0 };
        high | u32::from(self.word(26))
    }

    /// The short name with its dot, in the form that `fatfs` shows.
    pub(super) fn short_name(&self) -> Vec<u8> {
        let part = |range: Range<usize>| {
            let part = self.bytes.get(range).unwrap_or_default();
            let end = part.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last.saturating_add(1));
            part.get(..end).unwrap_or_default()
        };
        let mut name = part(0..8).to_vec();
        // 0xe5 would mean deleted, so it is stored as 5.
        if let Some(first) = name.first_mut().filter(|first| **first == 5) {
            *first = 0xe5;
        }
        if !part(8..11).is_empty() {
            name.push(b'.');
            name.extend_from_slice(part(8..11));
        }
        name
    }

    /// The slot with all its times set: made, read, changed.
    pub(super) fn with_times(mut self, time: DosTime) -> [u8; SLOT] {
        let (date, clock) = (time.date.to_le_bytes(), time.clock.to_le_bytes());
        for (at, bytes) in [(14, clock), (16, date), (18, date), (22, clock), (24, date)] {
            self.put(at, &bytes);
        }
        self.put(13, &[time.hundredths]);
        self.bytes
    }

    /// The slot of `.` or `..` for a directory with this entry, leading to `cluster`.
    pub(super) fn dots(mut self, name: &[u8; SHORT], cluster: u32) -> [u8; SLOT] {
        let [low_0, low_1, high_0, high_1] = cluster.to_le_bytes();
        self.put(0, name);
        self.put(11, &[DIR, 0]);
        self.put(20, &[high_0, high_1]);
        self.put(26, &[low_0, low_1]);
        self.put(28, &[0; 4]);
        self.bytes
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.byte(at), self.byte(at.saturating_add(1))])
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        for (slot, byte) in self.bytes.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    }
}

/// All slots of a directory, those behind its end included.
pub(super) fn read(window: &Window, layout: &Layout, table: &Table, dir: Root) -> Result<Vec<Slot>> {
    let mut slots = Vec::new();
    match dir {
        Root::Area(place, size) => append(window, place, size, &mut slots)?,
        Root::Chain(first) => table.walk(layout, first, |cluster| {
            let place = layout.place(cluster).ok_or_else(|| corrupt("a directory's cluster"))?;
            append(window, place, layout.cluster, &mut slots)
        })?,
    }
    Ok(slots)
}

fn append(window: &Window, place: u64, size: u64, slots: &mut Vec<Slot>) -> Result<()> {
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(MAX_BYTES).min(MAX_BYTES)];
    window.read_exact_at(&mut bytes, place).map_err(io("reading a FAT directory"))?;
    let (chunks, _) = bytes.as_chunks::<SLOT>();
    for (place, bytes) in (place..).step_by(SLOT).zip(chunks) {
        slots.push(Slot { place, bytes: *bytes });
    }
    if slots.len().saturating_mul(SLOT) > MAX_BYTES {
        return Err(corrupt("a directory has more than 65536 slots"));
    }
    Ok(())
}
