//! A block of directory entries.
//!
//! [Directory entries](https://docs.kernel.org/filesystems/ext4/directory.html#linear-classic-directories): each
//! tells how long it is, and together they fill the block; room is what an entry is longer than its name needs.
//! With `metadata_csum` the last twelve bytes are an entry without name that holds the checksum.

use fs_ext4::dir::has_csum_tail;
use fs_ext4::error::{Error, Result};

use crate::fs::ext4::bytes::{get_u8, get_u16, get_u32, put_u16, put_u32};

/// Bytes of an entry before its name.
const HEAD: usize = 8;
/// Bytes of the entry that holds the checksum.
pub(super) const TAIL: usize = 12;
/// Bytes of the longest name.
const LONGEST: usize = 255;

/// A name and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fs::ext4) struct Entry<'a> {
    pub(in crate::fs::ext4) inode: u32,
    /// The kind as the entry keeps it, see [`kind`].
    pub(in crate::fs::ext4) kind: u8,
    pub(in crate::fs::ext4) name: &'a [u8],
}

impl Entry<'_> {
    /// Bytes that the entry needs.
    pub(super) fn len(&self) -> usize {
        needed(self.name.len())
    }
}

fn needed(name: usize) -> usize {
    name.saturating_add(HEAD).next_multiple_of(4)
}

/// The kind of an entry by the format of its inode (`i_mode`).
pub(in crate::fs::ext4) fn kind(mode: u16) -> u8 {
    match mode >> 12 {
        0x8 => 1,
        0x4 => 2,
        0x2 => 3,
        0x6 => 4,
        0x1 => 5,
        0xc => 6,
        0xa => 7,
        _ => 0,
    }
}

/// An entry's place in its block, its length there, and what it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'a> {
    at: usize,
    len: usize,
    pub(super) entry: Entry<'a>,
}

/// Bytes of a block that hold entries: all but the checksum's.
pub(super) fn usable(block: &[u8]) -> usize {
    block.len().saturating_sub(if has_csum_tail(block) { TAIL } else { 0 })
}

/// All entries, those without inode too, which are only room. A contradiction is an error, and the last answer.
pub(super) fn entries(block: &[u8]) -> impl Iterator<Item = Result<Placed<'_>>> {
    let end = usable(block);
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let found = parse(block, at, end);
        at = found.as_ref().map_or(end, |found| at.saturating_add(found.len));
        Some(found)
    })
}

fn parse(block: &[u8], at: usize, end: usize) -> Result<Placed<'_>> {
    let damaged = || Error::CorruptDirEntry("an entry that does not fit");
    if at.saturating_add(HEAD) > end {
        return Err(damaged());
    }
    let len = usize::from(get_u16(block, at + 4));
    let name_len = usize::from(get_u8(block, at + 6));
    let name = at.saturating_add(HEAD);
    let name = block.get(name..name.saturating_add(name_len)).ok_or_else(damaged)?;
    let inode = get_u32(block, at);
    if len % 4 != 0
        || len < HEAD + 4
        || at.saturating_add(len) > end
        || (inode != 0 && needed(name_len) > len)
    {
        return Err(damaged());
    }
    Ok(Placed { at, len, entry: Entry { inode, kind: get_u8(block, at + 7), name } })
}

/// The entry of a name.
pub(super) fn find<'a>(block: &'a [u8], name: &[u8]) -> Result<Option<Entry<'a>>> {
    for placed in entries(block) {
        let entry = placed?.entry;
        if entry.inode != 0 && entry.name == name {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Puts an entry where there is room; false if there is none.
pub(super) fn insert(block: &mut [u8], entry: Entry<'_>) -> Result<bool> {
    let mut room = None;
    for placed in entries(block) {
        let placed = placed?;
        let used = if placed.entry.inode == 0 { 0 } else { placed.entry.len() };
        if placed.len.saturating_sub(used) >= entry.len() {
            room = Some((placed.at, used, placed.len));
            break;
        }
    }
    let Some((at, used, len)) = room else { return Ok(false) };
    if used > 0 {
        put_len(block, at, used);
    }
    write(block, at.saturating_add(used), len.saturating_sub(used), entry);
    Ok(true)
}

/// Takes a name away: its room goes to the entry before it. False if it is not there.
pub(super) fn remove(block: &mut [u8], name: &[u8]) -> Result<bool> {
    let mut before: Option<(usize, usize)> = None;
    let mut found = None;
    for placed in entries(block) {
        let placed = placed?;
        if placed.entry.inode != 0 && placed.entry.name == name {
            found = Some((placed.at, placed.len));
            break;
        }
        before = Some((placed.at, placed.len));
    }
    let Some((at, len)) = found else { return Ok(false) };
    match before {
        Some((at, before)) => put_len(block, at, before.saturating_add(len)),
        None => put_u32(block, at, 0),
    }
    Ok(true)
}

/// Lets a name stand for another inode. False if it is not there.
pub(super) fn replace(block: &mut [u8], entry: Entry<'_>) -> Result<bool> {
    let mut found = None;
    for placed in entries(block) {
        let placed = placed?;
        if placed.entry.inode != 0 && placed.entry.name == entry.name {
            found = Some((placed.at, placed.len));
        }
    }
    let Some((at, len)) = found else { return Ok(false) };
    write(block, at, len, entry);
    Ok(true)
}

/// Fills the first `usable` bytes of a block with entries; the last one takes the room that is left.
pub(super) fn fill<'a>(
    block: &mut [u8],
    usable: usize,
    entries: impl IntoIterator<Item = Entry<'a>>,
) -> Result<()> {
    block.fill(0);
    put_len(block, 0, usable);
    let mut last = (0_usize, 0);
    for entry in entries {
        let at = last.0 + last.1;
        if at.saturating_add(entry.len()) > usable {
            return Err(Error::OutOfBounds);
        }
        if last.1 > 0 {
            put_len(block, last.0, last.1);
        }
        write(block, at, usable.saturating_sub(at), entry);
        last = (at, entry.len());
    }
    Ok(())
}

fn write(block: &mut [u8], at: usize, len: usize, entry: Entry<'_>) {
    debug_assert!(entry.name.len() <= LONGEST, "names are measured where they come in");
    put_u32(block, at, entry.inode);
    put_len(block, at, len);
    let name = at.saturating_add(HEAD);
    let place = block.get_mut(name..name.saturating_add(entry.name.len()));
    let name_len = u8::try_from(entry.name.len()).unwrap_or(u8::MAX);
    if let Some(place) = place {
        place.copy_from_slice(entry.name);
    }
    if let Some([len_place, kind_place]) = block.get_mut(at + 6..).and_then(|tail| tail.first_chunk_mut()) {
        (*len_place, *kind_place) = (name_len, entry.kind);
    }
}

fn put_len(block: &mut [u8], at: usize, len: usize) {
    put_u16(block, at + 4, u16::try_from(len).unwrap_or(u16::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn names(block: &[u8]) -> Vec<Vec<u8>> {
        let live = entries(block).map(|placed| placed.unwrap().entry).filter(|entry| entry.inode != 0);
        live.map(|entry| entry.name.to_vec()).collect()
    }

    #[test]
    fn contradictions_are_errors_and_end_the_walk() {
        for (at, byte) in [(5, 0), (4, 7), (4, 4), (5, 0xff)] {
            let mut block = vec![0; 1024];
            fill(&mut block, 1024, [Entry { inode: 5, kind: 1, name: b"a" }]).unwrap();
            block[at] = byte;
            let found: Vec<_> = entries(&block).collect();
            assert!(found.last().unwrap().is_err() && found.len() < 300, "{at} {byte}");
        }
    }

    proptest! {
        #[test]
        fn entries_come_and_go_as_in_a_map(
            steps in proptest::collection::vec((0_u8..40, 1_usize..60, any::<bool>()), 1..120),
            usable in prop_oneof![Just(1024_usize), Just(1012)],
        ) {
            let mut block = vec![0; 1024];
            fill(&mut block, usable, []).unwrap();
            if usable < 1024 {
                block[1012 + 4] = 12;
                block[1012 + 7] = 0xde;
            }
            let mut model = BTreeMap::new();
            for (number, len, add) in steps {
                let name = [number, b'x'].repeat(len);
                let entry = Entry { inode: u32::from(number) + 1, kind: 1, name: &name };
                if add && !model.contains_key(&name) {
                    if insert(&mut block, entry).unwrap() {
                        model.insert(name.clone(), u32::from(number) + 1);
                    }
                } else {
                    prop_assert_eq!(remove(&mut block, &name).unwrap(), model.remove(&name).is_some());
                }
                let total: usize = entries(&block).map(|placed| placed.unwrap().len).sum();
                prop_assert_eq!(total, usable);
            }
            let mut got = names(&block);
            got.sort();
            prop_assert_eq!(got, model.keys().cloned().collect::<Vec<_>>());
        }
    }
}
