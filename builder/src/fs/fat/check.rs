//! Checks a whole volume: every chain ends, no cluster has two owners, none is lost, and `entries` finds every directory
//! sound.
//!
//! `fatfs` gets only volumes that pass: it trusts what it reads.

use super::dir::{self, Slot};
use super::entries::{self, Named};
use super::layout::{Layout, Root, beyond_fsck, corrupt, io};
use super::table::{Link, Table, dirty};
use crate::disk::Window;
use crate::fs::Result;

/// Directories inside directories, at most.
const MAX_DEPTH: usize = 64;
/// The bit of the boot sector's state that Linux sets while it writes. The other one, for errors of the medium, stops
/// neither Linux nor fsck.fat.
const IN_USE: u8 = 1;

/// Checks the volume.
pub(super) fn check(window: &Window, layout: &Layout) -> Result<()> {
    check_state(window, layout)?;
    check_structure(window, layout)
}

/// Whether it was unmounted, and no program has found an error.
pub(super) fn check_state(window: &Window, layout: &Layout) -> Result<()> {
    if let Some(place) = layout.state {
        let mut state = [0];
        window.read_exact_at(&mut state, place).map_err(io("reading the FAT boot sector"))?;
        if state[0] & IN_USE != 0 {
            return Err(dirty(format!("its boot sector's state is {:#x}", state[0])));
        }
    }
    Table::read_first(window, layout)?.check_flags()
}

/// The chains and directories, whatever the state says.
pub(super) fn check_structure(window: &Window, layout: &Layout) -> Result<()> {
    let table = Table::read(window, layout)?;
    let mut owned = Owned::new(layout)?;
    let mut waiting = vec![Waiting { dir: layout.root, path: "/".to_owned(), above: 0, depth: 0 }];
    while let Some(next) = waiting.pop() {
        if next.depth > MAX_DEPTH {
            return Err(corrupt(format!("directories are nested more than {MAX_DEPTH} deep")));
        }
        // Claimed before it is read: a directory inside itself is found here.
        if let Root::Chain(first) = next.dir {
            owned.claim(layout, &table, first)?;
        }
        for Named { slot, name } in entries(layout, &next, &dir::read(window, layout, &table, next.dir)?)? {
            let first = slot.cluster(layout.width);
            let path = format!("{}/{name}", next.path.trim_end_matches('/'));
            if !slot.is_dir() {
                check_file(layout, &table, &mut owned, slot, &path)?;
            } else if slot.is_label() {
                return Err(corrupt(format!("{path} is a label and a directory")));
            } else {
                waiting.push(next.inside(layout, first, path));
            }
        }
    }
    owned.check_lost(layout, &table)
}

/// A directory to be checked.
struct Waiting {
    dir: Root,
    path: String,
    /// First cluster of the directory above; 0 for the root, as the format has it.
    above: u32,
    depth: usize,
}

impl Waiting {
    fn inside(&self, layout: &Layout, first: u32, path: String) -> Self {
        let above = match self.dir {
            Root::Chain(own) if self.dir != layout.root => own,
            _ => 0,
        };
        Self { dir: Root::Chain(first), path, above, depth: self.depth.saturating_add(1) }
    }
}

/// The files, directories and labels of a directory, `.` and `..` left out.
fn entries<'a>(layout: &Layout, dir: &Waiting, slots: &'a [Slot]) -> Result<Vec<Named<'a>>> {
    let mut dots = 0;
    if let Root::Chain(own) = dir.dir
        && dir.dir != layout.root
    {
        entries::check_dots(slots, layout.width, own, dir.above, &dir.path)?;
        dots = 2;
    }
    entries::named(live(slots, &dir.path)?.get(dots..).unwrap_or_default(), &dir.path)
}

/// The slots before a directory's end.
fn live<'a>(slots: &'a [Slot], path: &str) -> Result<&'a [Slot]> {
    let end = slots.iter().position(Slot::is_end).unwrap_or(slots.len());
    let (live, rest) = slots.split_at_checked(end).unwrap_or((slots, &[]));
    // Linux shows these, and `fatfs` would make them valid by writing over the end.
    if rest.iter().any(|slot| !slot.is_end() && !slot.is_deleted()) {
        return Err(beyond_fsck(format!("{path} has entries behind its end")));
    }
    Ok(live)
}

/// Whether a file has the clusters that its size needs. A label has none, but fsck.fat counts it as a file.
fn check_file(layout: &Layout, table: &Table, owned: &mut Owned, slot: &Slot, path: &str) -> Result<()> {
    let first = slot.cluster(layout.width);
    let has = if first == 0 { 0 } else { owned.claim(layout, table, first)? };
    let needs = layout.clusters_for(slot.size());
    if has != needs {
        return Err(corrupt(format!("{path} has {has} clusters, its size needs {needs}")));
    }
    Ok(())
}

/// Which clusters have an owner.
struct Owned(Vec<bool>);

impl Owned {
    fn new(layout: &Layout) -> Result<Self> {
        let end = usize::try_from(layout.end()).map_err(|_| corrupt("the number of clusters"))?;
        Ok(Self(vec![false; end]))
    }

    /// Claims a chain for one owner, and returns its length.
    fn claim(&mut self, layout: &Layout, table: &Table, first: u32) -> Result<u64> {
        let mut count: u64 = 0;
        table.walk(layout, first, |cluster| {
            let owned = usize::try_from(cluster).ok().and_then(|index| self.0.get_mut(index));
            match owned {
                Some(owned) if !*owned => *owned = true,
                _ => return Err(corrupt(format!("cluster {cluster} has two owners"))),
            }
            count = count.saturating_add(1);
            Ok(())
        })?;
        Ok(count)
    }

    fn check_lost(&self, layout: &Layout, table: &Table) -> Result<()> {
        let lost = (2..layout.end())
            .zip(self.0.iter().skip(2))
            .find(|(cluster, owned)| !**owned && matches!(table.link(*cluster), Link::Next(_) | Link::Last));
        match lost {
            Some((cluster, _)) => Err(corrupt(format!("cluster {cluster} is used, but by no file"))),
            None => Ok(()),
        }
    }
}

/// The hint on free clusters in FAT32's information sector: its place, and its value.
pub(super) fn free_hint(window: &Window, layout: &Layout) -> Result<Option<(u64, u32)>> {
    let Some(info) = layout.info else { return Ok(None) };
    let place = info.saturating_add(488);
    let mut hint = [0; 4];
    window.read_exact_at(&mut hint, place).map_err(io("reading the FAT information sector"))?;
    Ok(Some((place, u32::from_le_bytes(hint))))
}
