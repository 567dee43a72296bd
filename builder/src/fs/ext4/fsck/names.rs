//! The names in directories that changed, as they were and as they are, and what follows from them for the links of inodes.

use std::collections::HashMap;

use super::changed::{Both, Changed, Finding};
use super::directory;
use super::inode::is_reserved;
use super::inodes::orphan_file;
use crate::fs::Result;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::directory_block::{DIRECTORY, UNKNOWN, kind};
use crate::fs::ext4::layout::features::DIR_NLINK;
use crate::fs::ext4::layout::inode::ROOT;
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::ext4::volume::directory::linear;

/// Before or after the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

/// A name: the hash of its bytes, its inode, and the kind that it says.
type Name = (u64, u32, u8);

/// How many names an inode has in the directories that changed.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    before: u32,
    after: u32,
}

/// All names in directories that changed.
pub(super) struct Names {
    counts: HashMap<u32, Count>,
    /// The directories as they are: the inode of `..`, and the names.
    after: HashMap<u32, (u32, Vec<Name>)>,
    /// The inode of `..` as it was.
    parents: HashMap<u32, u32>,
    /// Names that are new, with their directory.
    added: Vec<(u32, Name)>,
}

impl Names {
    pub(super) fn read(both: &Both<'_>, changed: &[Changed]) -> std::result::Result<Self, Finding> {
        let mut names = Self {
            counts: HashMap::new(),
            after: HashMap::new(),
            parents: HashMap::new(),
            added: Vec::new(),
        };
        for inode in changed {
            let number = inode.number;
            let before = names.list(both.before, inode, Side::Before).map_err(|_| Finding::Unknown)?;
            if let Some((parent, _)) = &before {
                names.parents.insert(number, *parent);
            }
            let before = before.map(|(_, list)| list).unwrap_or_default();
            let Some((parent, list)) = names.list(both.after, inode, Side::After)? else { continue };
            let new = list.iter().filter(|name| before.binary_search(name).is_err());
            names.added.extend(new.map(|name| (number, *name)));
            names.after.insert(number, (parent, list));
        }
        Ok(names)
    }

    /// The inode of `..` and the names of a directory, sorted; both count, and `.` too.
    fn list(&mut self, volume: &Volume, inode: &Changed, side: Side) -> Result<Option<(u32, Vec<Name>)>> {
        if !inode.is_dir(side) {
            return Ok(None);
        }
        let number = inode.number;
        let dir = volume.dir(number).map_err(|error| convert(error, &format!("directory inode {number}")))?;
        let mut list = Vec::new();
        let parent = directory::check(volume, &dir, &mut |entry| {
            list.push((linear::name_hash(entry.name), entry.inode, entry.kind));
            Ok(())
        })?;
        list.sort_unstable();
        for inode in list.iter().map(|(_, inode, _)| *inode).chain([number, parent]) {
            let count = self.counts.entry(inode).or_default();
            let place = if side == Side::Before { &mut count.before } else { &mut count.after };
            *place = place.saturating_add(1);
        }
        Ok(Some((parent, list)))
    }

    /// Compares links with names, kinds with inodes, and `..` with the directory that has the name.
    pub(super) fn check(&self, both: &Both<'_>, changed: &[Changed]) -> Result<()> {
        let known: HashMap<u32, &Changed> = changed.iter().map(|inode| (inode.number, inode)).collect();
        let orphan_file = orphan_file(both.after);
        let needs_names = |number| !is_reserved(both.after, number) && orphan_file != Some(number);
        let numbers = self.counts.keys().copied().chain(known.keys().copied());
        for number in numbers.filter(|number| needs_names(*number) || !known.contains_key(number)) {
            self.check_links(both.after, number, known.get(&number).copied())?;
        }
        self.check_kinds(both.after, &known)?;
        self.after
            .iter()
            .try_for_each(|(dir, (parent, _))| self.check_parent(both.after, *dir, *parent, &known))
    }

    fn check_links(&self, volume: &Volume, number: u32, inode: Option<&Changed>) -> Result<()> {
        let names = self.counts.get(&number).copied().unwrap_or_default();
        let wrong = |what: String| Err(corrupt(format!("inode {number} {what}")));
        let Some(inode) = inode else {
            if names.before == names.after {
                return Ok(());
            }
            return wrong(format!("has {} names, had {}, and the same links", names.after, names.before));
        };
        let links = |side| inode.on(side).map_or(0, |inode| u32::from(inode.links()));
        let (before, after) = (links(Side::Before), links(Side::After));
        // With too many directories in it, a directory has one link.
        let uncounted =
            |side, links| links == 1 && inode.is_dir(side) && volume.features.has_ro_compat(DIR_NLINK);
        let (was_uncounted, is_uncounted) = (uncounted(Side::Before, before), uncounted(Side::After, after));
        let fits = if inode.is_same() {
            was_uncounted
                || is_uncounted
                || before.checked_add(names.after) == after.checked_add(names.before)
        } else {
            (was_uncounted || before == names.before) && (is_uncounted || after == names.after)
        };
        if fits {
            return Ok(());
        }
        wrong(format!(
            "has {after} links and {} names in what changed, had {before} and {}",
            names.after, names.before
        ))
    }

    /// Names that are new, or whose inodes are, say the kind of their inode.
    fn check_kinds(&self, volume: &Volume, known: &HashMap<u32, &Changed>) -> Result<()> {
        let same = |inode: &u32| known.get(inode).is_none_or(|changed| changed.is_same());
        let of_new_inodes = self.after.iter().flat_map(|(dir, (_, list))| {
            list.iter().filter(|(_, inode, _)| !same(inode)).map(|name| (*dir, *name))
        });
        for (dir, (_, number, said)) in self.added.iter().copied().chain(of_new_inodes) {
            let found = match known.get(&number) {
                Some(changed) => changed.after.as_ref().map(|inode| inode.format()),
                None => volume.inode(number).ok().map(|inode| inode.format()),
            };
            if number < volume.sb.first_inode
                || !found.is_some_and(|format| [UNKNOWN, kind(format)].contains(&said))
            {
                return Err(corrupt(format!(
                    "directory inode {dir} has a name of inode {number} with the wrong kind {said}"
                )));
            }
        }
        Ok(())
    }

    /// The directory above names a directory, and the way up ends at the root.
    fn check_parent(
        &self,
        volume: &Volume,
        dir: u32,
        parent: u32,
        known: &HashMap<u32, &Changed>,
    ) -> Result<()> {
        let wrong = || corrupt(format!("directory inode {dir}: its entry `..` is missing or wrong"));
        if dir == ROOT {
            return if parent == ROOT { Ok(()) } else { Err(wrong()) };
        }
        let is_old = known.get(&dir).is_some_and(|changed| changed.is_same());
        let named = match self.after.get(&parent) {
            Some((_, list)) => {
                list.iter()
                    .filter(|(_, inode, kind)| *inode == dir && [UNKNOWN, DIRECTORY].contains(kind))
                    .count()
                    == 1
            }
            // Its names are those that it had.
            None => is_old && self.parents.get(&dir) == Some(&parent),
        };
        if !named {
            return Err(wrong());
        }
        if is_old && self.parents.get(&dir) == Some(&parent) {
            return Ok(());
        }
        let converted = |error| convert(error, &format!("the directories above inode {dir}"));
        let inode = volume.dir(dir).map_err(converted)?;
        volume.is_outside(&inode, 0).map(drop).map_err(converted)
    }
}
