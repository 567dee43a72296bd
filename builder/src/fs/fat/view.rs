//! The volume as `fatfs` is shown it.
//!
//! `fatfs` tells the width of a table by the count of clusters alone, and refuses a small FAT32, sizes in the small fields
//! and a missing information sector, all of which Linux takes. So it reads a boot sector that is made here, and everything
//! else where that says: a small FAT32 has more clusters there than it has, and all of those are marked as bad.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use super::layout::{self, Layout, Root, Sector, Width};
use crate::disk::Window;

/// The fewest clusters of a FAT32 for `fatfs`, and for the format.
const FEWEST: u32 = 65_525;
/// What entries read as that the volume does not have: bad clusters.
const BAD: [u8; 4] = 0x0fff_fff7_u32.to_le_bytes();

/// Bytes of the boot sector and of the information sector, whatever the size of the volume's sectors.
const STRUCTURE: u64 = 512;

/// A reader and writer of the volume, with a position.
#[derive(Debug, Clone)]
pub(super) struct View {
    window: Window,
    areas: Vec<Area>,
    position: u64,
}

/// A part of the view, and what is in it.
#[derive(Debug, Clone)]
struct Area {
    range: Range<u64>,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    /// Bytes of the partition, from this one on.
    Partition(u64),
    /// Bytes that are made here; what is written to them goes nowhere.
    Made(Box<Sector>),
    /// Entries that the volume does not have.
    Bad,
}

impl View {
    pub(super) fn new(window: &Window, layout: &Layout) -> Self {
        let mut areas = Areas { areas: Vec::new(), end: 0 };
        areas.boot_sector(layout);
        if layout.width == Width::Fat32 {
            areas.begin_at(layout.sector);
            let made = || Content::Made(Box::new(info_sector()));
            areas.push(STRUCTURE, layout.info.map_or_else(made, Content::Partition));
        }
        areas.begin_at(head(layout));
        for copy in 0..layout.fats {
            let begin = areas.end;
            let place = layout.fat.saturating_add(copy.saturating_mul(layout.fat_size));
            areas.push(layout.fat_bytes, Content::Partition(place));
            areas.fill_to(begin.saturating_add(fat_size(layout)));
        }
        if let Root::Area(place, size) = layout.root {
            areas.push(size, Content::Partition(place));
        }
        let data = u64::from(layout.clusters).saturating_mul(layout.cluster);
        areas.push(data, Content::Partition(layout.data));
        Self { window: window.clone(), areas: areas.areas, position: 0 }
    }

    /// The area at the position, how far inside it that is, and how many of `wanted` bytes are left in it.
    fn here(&self, wanted: usize) -> Option<(&Content, u64, usize)> {
        let area = self.areas.iter().find(|area| area.range.contains(&self.position))?;
        let left = area.range.end.saturating_sub(self.position);
        let count = usize::try_from(left).map_or(wanted, |left| left.min(wanted));
        Some((&area.content, self.position.saturating_sub(area.range.start), count))
    }

    fn advance(&mut self, count: usize) -> usize {
        self.position = self.position.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        count
    }
}

/// Areas in the order of their places.
struct Areas {
    areas: Vec<Area>,
    end: u64,
}

impl Areas {
    fn push(&mut self, size: u64, content: Content) {
        let range = self.end..self.end.saturating_add(size);
        self.end = range.end;
        self.areas.push(Area { range, content });
    }

    /// What lies before is in no area: `fatfs` does not look there.
    fn begin_at(&mut self, place: u64) {
        self.end = place;
    }

    fn fill_to(&mut self, end: u64) {
        self.push(end.saturating_sub(self.end), Content::Bad);
    }

    /// The made sector, but for the state, which `fatfs` sets while it writes.
    fn boot_sector(&mut self, layout: &Layout) {
        let made = boot_sector(layout);
        let Some(state) = layout.state else { return self.push(STRUCTURE, Content::Made(Box::new(made))) };
        self.push(state, Content::Made(Box::new(made)));
        self.push(1, Content::Partition(state));
        let mut rest = made;
        rest.rotate_left(usize::try_from(self.end).unwrap_or(0));
        self.push(STRUCTURE.saturating_sub(self.end), Content::Made(Box::new(rest)));
    }
}

/// Clusters that the view has.
fn clusters(layout: &Layout) -> u32 {
    if layout.width == Width::Fat32 { layout.clusters.max(FEWEST) } else { layout.clusters }
}

/// Bytes of a table in the view.
fn fat_size(layout: &Layout) -> u64 {
    let entries = u64::from(clusters(layout)).saturating_add(2);
    match layout.width {
        Width::Fat32 => entries.saturating_mul(4).next_multiple_of(layout.sector),
        _ => layout.fat_bytes.next_multiple_of(layout.sector),
    }
}

/// Bytes before the first table in the view: the boot sector, and the information sector.
fn head(layout: &Layout) -> u64 {
    layout.sector.saturating_mul(if layout.width == Width::Fat32 { 2 } else { 1 })
}

fn boot_sector(layout: &Layout) -> Sector {
    let mut sector = *layout.boot;
    let sectors =
        |bytes: u64| u32::try_from(bytes.checked_div(layout.sector).unwrap_or(0)).unwrap_or(u32::MAX);
    let root = if let Root::Area(_, size) = layout.root { size } else { 0 };
    let (small, large) = layout::SECTORS_PER_FAT;
    let fat = sectors(fat_size(layout));
    if layout.width == Width::Fat32 {
        small.put(&mut sector, 0);
        large.put(&mut sector, fat);
        layout::ROOT_ENTRIES.put(&mut sector, 0);
        layout::FLAGS.put(&mut sector, 0);
        layout::INFO_SECTOR.put(&mut sector, 1);
        layout::BACKUP_SECTOR.put(&mut sector, 0);
    } else {
        small.put(&mut sector, u16::try_from(fat).unwrap_or(u16::MAX));
    }
    layout::RESERVED_SECTORS.put(&mut sector, u16::try_from(sectors(head(layout))).unwrap_or(u16::MAX));
    let data = u64::from(clusters(layout)).saturating_mul(layout.cluster);
    let tables = fat_size(layout).saturating_mul(layout.fats);
    let total = head(layout).saturating_add(tables).saturating_add(root).saturating_add(data);
    let (small, large) = layout::TOTAL;
    small.put(&mut sector, 0);
    large.put(&mut sector, sectors(total));
    sector
}

/// One that knows nothing of the free space.
fn info_sector() -> Sector {
    let mut sector = [0; 512];
    for (at, bytes) in layout::INFO_SIGNATURES.into_iter().chain([(488, [0xff; 4]), (492, [0xff; 4])]) {
        if let Some(place) = sector.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = bytes;
        }
    }
    sector
}

impl Read for View {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((content, offset, count)) = self.here(buffer.len()) else { return Ok(0) };
        let buffer = buffer.get_mut(..count).unwrap_or_default();
        match content {
            Content::Partition(place) => self.window.read_exact_at(buffer, place.saturating_add(offset))?,
            Content::Made(bytes) => {
                let made = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
                buffer.iter_mut().zip(made.unwrap_or_default()).for_each(|(to, from)| *to = *from);
            }
            Content::Bad => {
                let entries = BAD.iter().cycle().skip(usize::try_from(offset % 4).unwrap_or(0));
                buffer.iter_mut().zip(entries).for_each(|(to, from)| *to = *from);
            }
        }
        Ok(self.advance(count))
    }
}

impl Write for View {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some((content, offset, count)) = self.here(bytes.len()) else { return Ok(0) };
        match content {
            Content::Partition(place) => {
                let part = bytes.get(..count).unwrap_or_default();
                self.window.write_all_at(part, place.saturating_add(offset))?;
            }
            Content::Made(_) => {}
            Content::Bad => return Err(io::Error::other("writing behind the end of the volume")),
        }
        Ok(self.advance(count))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for View {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = self.areas.last().map_or(0, |area| area.range.end);
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => end.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seeking before the beginning"))?;
        Ok(self.position)
    }
}
