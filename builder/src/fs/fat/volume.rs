//! [`FatFs`]: the volume behind the trait of this crate.

use std::cell::Cell;
use std::io::{self, Read, Seek, Write};
use std::ops::Range;

use fatfs::FsOptions;

use super::check::{check, check_state, check_structure, free_hint};
use super::clock::{self, EditClock};
use super::dir::{self, Slot};
use super::layout::{Layout, Root, corrupt, io};
use super::lookup::{Volume, kind, relative, root_stat, stat, trail};
use super::table::{Link, Table};
use super::view::View;
use super::{free_space, names};
use crate::disk::Window;
use crate::fs::{Attributes, Entry, FileSystem, FsError, ImagePath, Kind, Result, Space, Stat, ranges};

static CLOCK: EditClock = EditClock;

/// Content up to this size is spooled in memory, larger content in a temporary file.
const SPOOL: usize = 1 << 20;
/// FAT itself allows 65,536 entries of 32 bytes in a directory.
const MOST_ENTRIES: usize = 65_536;
/// Most bytes of a file.
const MAX_FILE: u64 = u32::MAX as u64;

/// What the boot sector has in place of a label where there is none.
const NO_LABEL: &str = "NO NAME";

/// How a volume is opened.
#[derive(Debug, Clone, Copy)]
pub struct FatOptions {
    /// The time of edits without a time of their own (removing), in seconds since 1970.
    pub mtime: i64,
}

/// A FAT12, FAT16 or FAT32 volume.
///
/// Names are compared as FAT does, without regard to case; a file that is replaced keeps the name it has.
/// Every call mounts and unmounts, so each leaves a clean volume, and the same calls leave the same bytes. An edit that
/// is refused has changed nothing; for that, new content is spooled until its size is known.
#[derive(Debug)]
pub struct FatFs {
    window: Window,
    layout: Layout,
    options: FatOptions,
    edited: Cell<bool>,
}

impl FatFs {
    /// Opens a volume after checking all of it. Writes nothing, so the image may be open for reading only.
    ///
    /// Refused are volumes that are dirty, damaged anywhere (differing copies of the table, broken, shared or
    /// lost chains) or of a kind that is not edited.
    pub fn open(window: Window, options: FatOptions) -> Result<Self> {
        let layout = Layout::read(&window)?;
        check(&window, &layout)?;
        let fs = Self { window, layout, options, edited: Cell::new(false) };
        fs.mount()?.unmount().map_err(io("closing the FAT"))?;
        Ok(fs)
    }

    /// Opens a volume in whatever state it is, for reading files in its root directory alone, and says what a check finds:
    /// that it was not unmounted, or the first damage.
    ///
    /// # Errors
    /// Where the boot sector or the root directory cannot be read.
    pub fn examine(window: Window) -> Result<(Self, Option<FsError>)> {
        let layout = Layout::read(&window)?;
        let found = check_structure(&window, &layout).and_then(|()| check_state(&window, &layout)).err();
        // `fatfs` follows a directory's chain as long as it goes, so the chain is walked before.
        dir::read(&window, &layout, &Table::read_first(&window, &layout)?, layout.root)?;
        let fs = Self { window, layout, options: FatOptions { mtime: 0 }, edited: Cell::new(false) };
        drop(fs.mount()?);
        Ok((fs, found))
    }

    /// The free clusters, as ranges of bytes in the partition, in order: what a copy of the volume may leave out.
    ///
    /// # Errors
    /// When the table cannot be read, or its copies differ.
    pub fn free_ranges(&self) -> Result<Vec<Range<u64>>> {
        let table = Table::read(&self.window, &self.layout)?;
        let is_free = |cluster: &u32| table.link(*cluster) == Link::Free;
        let mut free = Vec::new();
        for first in (2..self.layout.end()).filter(is_free).filter_map(|cluster| self.layout.place(cluster)) {
            ranges::push(&mut free, first..first.saturating_add(self.layout.cluster));
        }
        Ok(free)
    }

    /// The serial number in the boot sector: what Linux calls the file system's UUID.
    pub fn serial(&self) -> Result<u32> {
        Ok(self.mount()?.volume_id())
    }

    /// The label: that of the root directory, else that of the boot sector, as libblkid takes them.
    pub fn label(&self) -> Result<Option<String>> {
        let volume = self.mount()?;
        let root = volume.read_volume_label_from_root_dir().map_err(io("reading the label of the FAT"))?;
        let label = root.unwrap_or_else(|| volume.volume_label());
        let label = label.trim_end_matches([' ', '\0']).to_owned();
        Ok(Some(label).filter(|label| !label.is_empty() && label != NO_LABEL))
    }

    fn mount(&self) -> Result<Volume> {
        let options = FsOptions::new().time_provider(&CLOCK);
        fatfs::FileSystem::new(View::new(&self.window, &self.layout), options)
            .map_err(|error| corrupt(format!("the FAT cannot be opened: {error}")))
    }

    /// One edit with its time, between mounting and a checked unmounting.
    fn edit(&self, mtime: i64, change: impl FnOnce(&Volume) -> io::Result<()>, what: String) -> Result<()> {
        if !self.edited.replace(true) {
            self.correct_hint()?;
        }
        EditClock::set(mtime);
        let volume = self.mount()?;
        let failed = |source| FsError::Io { what, source };
        match change(&volume) {
            Ok(()) => volume.unmount().map_err(failed),
            Err(source) => Err(failed(source)),
        }
    }

    /// FAT32's count of free clusters is only a hint, and may be wrong. `fatfs` adds to it, so it is corrected first.
    fn correct_hint(&self) -> Result<()> {
        let Some((place, hint)) = free_hint(&self.window, &self.layout)? else { return Ok(()) };
        let free = self.table()?.free(&self.layout);
        if hint != free {
            let write = self.window.write_all_at(&free.to_le_bytes(), place);
            write.map_err(io("writing the FAT information sector"))?;
        }
        Ok(())
    }

    fn table(&self) -> Result<Table> {
        Table::read(&self.window, &self.layout)
    }

    fn free(&self) -> Result<u64> {
        Ok(u64::from(self.table()?.free(&self.layout)))
    }

    /// Where a directory's slots begin.
    fn dir_root(&self, path: &ImagePath) -> Result<Root> {
        if path.name().is_none() {
            return Ok(self.layout.root);
        }
        let slot = self.slot(path)?;
        Ok(Root::Chain(slot.cluster(self.layout.width)))
    }

    /// The slot of a path that exists.
    fn slot(&self, path: &ImagePath) -> Result<Slot> {
        let volume = self.mount()?;
        let trail = trail(&volume, path)?.ok_or_else(|| not_found(path))?;
        let table = self.table()?;
        let (mut dir, mut found) = (self.layout.root, None);
        for entry in &trail {
            let slots = dir::read(&self.window, &self.layout, &table, dir)?;
            let live = slots.into_iter().take_while(|slot| !slot.is_end()).filter(Slot::is_entry);
            let mut same = live.filter(|slot| slot.short_name() == entry.short_file_name_as_bytes());
            let slot = same.next().ok_or_else(|| corrupt(format!("the directory above {path}")))?;
            dir = Root::Chain(slot.cluster(self.layout.width));
            found = Some(slot);
        }
        found.ok_or_else(|| bad_path(path, "is the root directory"))
    }

    fn set_times(&self, path: &ImagePath, mtime: i64) -> Result<()> {
        let slot = self.slot(path)?;
        let bytes = slot.with_times(clock::dos(mtime));
        self.window.write_all_at(&bytes, slot.place).map_err(io("writing a FAT directory"))
    }

    /// Clusters by which the directory above must grow for a new name.
    fn growth(&self, path: &ImagePath) -> Result<u64> {
        let name = names::check_new(path)?;
        let above = self.dir_root(&path.parent().unwrap_or_else(ImagePath::root))?;
        let slots = dir::read(&self.window, &self.layout, &self.table()?, above)?;
        free_space::growth(&self.layout, above, &slots, names::slots(name), path)
    }

    /// Bytes that the content of a file may have, whether it exists or not.
    fn room_for(&self, path: &ImagePath) -> Result<u64> {
        let above = path.parent().ok_or_else(|| bad_path(path, "is a directory"))?;
        if self.stat(&above)?.ok_or_else(|| not_found(&above))?.kind != Kind::Dir {
            return Err(bad_path(&above, "is not a directory"));
        }
        let free = self.free()?;
        let clusters = match self.stat(path)? {
            Some(stat) if stat.kind == Kind::Dir => return Err(bad_path(path, "is a directory")),
            Some(stat) => free.saturating_add(self.layout.clusters_for(stat.size)),
            None => {
                let growth = self.growth(path)?;
                free.checked_sub(growth).ok_or_else(|| self.no_space(path.to_string(), growth, free))?
            }
        };
        Ok(clusters.saturating_mul(self.layout.cluster).min(MAX_FILE))
    }

    fn no_space(&self, what: String, need: u64, free: u64) -> FsError {
        let bytes = |clusters: u64| clusters.saturating_mul(self.layout.cluster);
        FsError::NoSpace { what, need: bytes(need), free: bytes(free) }
    }

    /// The path and the directories above it that do not exist, from the top down.
    fn missing(&self, path: &ImagePath) -> Result<Vec<ImagePath>> {
        let mut missing = Vec::new();
        let mut next = Some(path.clone());
        while let Some(path) = next {
            match self.stat(&path)? {
                Some(stat) if stat.kind == Kind::Dir => break,
                Some(_) => return Err(bad_path(&path, "is not a directory")),
                None => next = path.parent(),
            }
            missing.push(path);
        }
        missing.reverse();
        Ok(missing)
    }

    /// An error for directories for which there is no space, before the first is made.
    fn check_room_for_dirs(&self, missing: &[ImagePath]) -> Result<()> {
        let (Some(top), Some(last)) = (missing.first(), missing.last()) else { return Ok(()) };
        let mut need = self.growth(top)?;
        for (index, _) in missing.iter().enumerate() {
            let inside = missing.get(index.saturating_add(1)).map(names::check_new).transpose()?;
            let inside = inside.map_or(0, names::slots);
            need = need.saturating_add(free_space::of_new_dir(&self.layout, inside));
        }
        let free = self.free()?;
        if need > free { Err(self.no_space(last.to_string(), need, free)) } else { Ok(()) }
    }

    /// `fatfs` gives `.` and `..` long names, and writes the number of the root into `..`. The format allows neither.
    fn mend_dots(&self, path: &ImagePath) -> Result<()> {
        let slot = self.slot(path)?;
        let own = slot.cluster(self.layout.width);
        let above = path.parent().filter(|above| above.name().is_some());
        let above = match above.map(|above| self.slot(&above)).transpose()? {
            Some(above) => above.cluster(self.layout.width),
            None => 0,
        };
        let place = self.layout.place(own).ok_or_else(|| corrupt(format!("the new directory {path}")))?;
        let dots = [slot.dots(dir::DOT, own), slot.dots(dir::DOT_DOT, above)];
        // Behind them, what was the rest of four slots.
        let bytes = [dots.as_flattened(), &[0; 2 * dir::SLOT]].concat();
        self.window.write_all_at(&bytes, place).map_err(io("writing a FAT directory"))
    }
}

impl FileSystem for FatFs {
    fn stat(&self, path: &ImagePath) -> Result<Option<Stat>> {
        let volume = self.mount()?;
        let Some(trail) = trail(&volume, path)? else { return Ok(None) };
        Ok(Some(trail.last().map_or_else(|| root_stat(self.options.mtime), stat)))
    }

    fn resolve(&self, path: &ImagePath) -> Result<ImagePath> {
        Ok(path.clone())
    }

    fn read_link(&self, path: &ImagePath) -> Result<String> {
        match self.stat(path)? {
            Some(_) => Err(bad_path(path, "is not a symbolic link")),
            None => Err(not_found(path)),
        }
    }

    fn list(&self, path: &ImagePath) -> Result<Vec<Entry>> {
        let volume = self.mount()?;
        let trail = trail(&volume, path)?.ok_or_else(|| not_found(path))?;
        let dir = match trail.last() {
            None => volume.root_dir(),
            Some(entry) if entry.is_dir() => entry.to_dir(),
            Some(_) => return Err(bad_path(path, "is not a directory")),
        };
        let mut entries = Vec::new();
        for entry in dir.iter() {
            let entry = entry.map_err(io("reading a FAT directory"))?;
            if !matches!(entry.short_file_name_as_bytes(), b"." | b"..") {
                entries.push(Entry { name: entry.file_name(), kind: kind(&entry) });
            }
            if entries.len() > MOST_ENTRIES {
                return Err(bad_path(path, &format!("has more than {MOST_ENTRIES} entries")));
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn copy_to(&self, path: &ImagePath, out: &mut dyn Write) -> Result<u64> {
        let volume = self.mount()?;
        let trail = trail(&volume, path)?.ok_or_else(|| not_found(path))?;
        let entry =
            trail.last().filter(|entry| entry.is_file()).ok_or_else(|| bad_path(path, "is a directory"))?;
        let failed = |source| FsError::Io { what: format!("copying {path} out of the image"), source };
        let size = io::copy(&mut entry.to_file(), out).map_err(failed)?;
        if size != entry.len() {
            return Err(corrupt(format!("{path} ends after {size} of {} bytes", entry.len())));
        }
        Ok(size)
    }

    fn read(&self, path: &ImagePath, limit: u64) -> Result<Vec<u8>> {
        let stat = self.stat(path)?.ok_or_else(|| not_found(path))?;
        if stat.size > limit {
            return Err(bad_path(path, &format!("has {} bytes, at most {limit} were expected", stat.size)));
        }
        let mut content = Vec::new();
        self.copy_to(path, &mut content)?;
        Ok(content)
    }

    fn create_dirs(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        let missing = self.missing(path)?;
        for path in &missing {
            names::check_new(path)?;
        }
        self.check_room_for_dirs(&missing)?;
        for path in &missing {
            let make = |volume: &Volume| volume.root_dir().create_dir(relative(path)).map(drop);
            self.edit(attributes.mtime, make, format!("making the directory {path}"))?;
            self.set_times(path, attributes.mtime)?;
            self.mend_dots(path)?;
        }
        Ok(())
    }

    fn write(&self, path: &ImagePath, content: &mut dyn Read, attributes: Attributes) -> Result<u64> {
        let room = self.room_for(path)?;
        let (mut spooled, size) = spool(content, room, path)?;
        let replace = |volume: &Volume| {
            let mut file = volume.root_dir().create_file(relative(path))?;
            file.truncate()?;
            io::copy(&mut spooled, &mut file)?;
            file.flush()
        };
        self.edit(attributes.mtime, replace, format!("writing {path}"))?;
        self.set_times(path, attributes.mtime)?;
        Ok(size)
    }

    fn symlink(&self, _path: &ImagePath, _target: &str, _attributes: Attributes) -> Result<()> {
        Err(FsError::Unsupported { what: "symbolic links on FAT".to_owned() })
    }

    fn remove(&self, path: &ImagePath) -> Result<()> {
        let stat = self.stat(path)?.ok_or_else(|| not_found(path))?;
        if stat.kind == Kind::Dir {
            return Err(bad_path(path, "is a directory"));
        }
        let remove = |volume: &Volume| volume.root_dir().remove(relative(path));
        self.edit(self.options.mtime, remove, format!("removing {path}"))
    }

    /// Sets the time; FAT has neither owners nor permissions.
    fn set_attributes(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        self.set_times(path, attributes.mtime)
    }

    fn space(&self) -> Result<Space> {
        let bytes = self.free()?.saturating_mul(self.layout.cluster);
        Ok(Space { bytes, inodes: u64::MAX })
    }

    /// Checks the whole volume once more. The caller syncs the image.
    fn finish(self: Box<Self>) -> Result<()> {
        let layout = Layout::read(&self.window)?;
        check(&self.window, &layout)?;
        let free = self.table()?.free(&layout);
        match free_hint(&self.window, &layout)? {
            // `fatfs` does not count where an edit before was refused by it.
            Some((_, UNKNOWN)) if self.edited.get() => self.correct_hint(),
            Some((_, hint)) if self.edited.get() && hint != free => {
                Err(corrupt(format!("expected {hint} free clusters, found {free}")))
            }
            _ => Ok(()),
        }
    }
}

/// An unknown count of free clusters (Microsoft's FAT specification, `FSI_Free_Count`).
const UNKNOWN: u32 = u32::MAX;

/// Holds the content until its size is known, and refuses it if it is larger than `room`.
fn spool(content: &mut dyn Read, room: u64, path: &ImagePath) -> Result<(impl Read + use<>, u64)> {
    let failed = |source| FsError::Io { what: format!("reading the new content of {path}"), source };
    let mut spooled = tempfile::spooled_tempfile(SPOOL);
    let size =
        io::copy(&mut Read::take(&mut *content, room.saturating_add(1)), &mut spooled).map_err(failed)?;
    if size > room {
        let rest = io::copy(content, &mut io::sink()).map_err(failed)?;
        let need = size.saturating_add(rest);
        return Err(FsError::NoSpace { what: path.to_string(), need, free: room });
    }
    spooled.rewind().map_err(failed)?;
    Ok((spooled, size))
}

fn not_found(path: &ImagePath) -> FsError {
    FsError::NotFound { path: path.to_string() }
}

fn bad_path(path: &ImagePath, problem: &str) -> FsError {
    FsError::BadPath { path: path.to_string(), problem: problem.to_owned() }
}
