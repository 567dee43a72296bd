//! A block of directory entries.
//!
//! [Directory entries](https://docs.kernel.org/filesystems/ext4/directory.html#linear-classic-directories): each says
//! its length, and together they fill the block. An entry has free space where it is longer than its name needs. With
//! `metadata_csum` the last twelve bytes are an entry without a name that holds the checksum.

use fs_ext4::error::{Error, Result};

use super::bytes::Field;

/// Bytes of an entry before its name.
const HEAD: usize = 8;
const INODE: Field<HEAD, 4> = Field::at(0);
const LEN: Field<HEAD, 2> = Field::at(4);
const NAME_LEN: Field<HEAD, 1> = Field::at(6);
const KIND: Field<HEAD, 1> = Field::at(7);

/// Bytes of the entry that holds the checksum.
pub(crate) const TAIL: usize = 12;

/// How an entry says that it does not know the kind: the kernel and e2fsck take that, and look at the inode.
pub(crate) const UNKNOWN: u8 = 0;
/// How an entry calls a directory.
pub(crate) const DIRECTORY: u8 = 2;

/// A name and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) inode: u32,
    /// The kind as the entry holds it, see [`kind`].
    pub(crate) kind: u8,
    pub(crate) name: &'a [u8],
}

impl Entry<'_> {
    /// Bytes that the entry needs.
    pub(crate) fn len(&self) -> usize {
        needed(self.name.len())
    }
}

fn needed(name: usize) -> usize {
    name.saturating_add(HEAD).next_multiple_of(4)
}

/// The kind of an entry by the format of its inode (`i_mode`); 0 for a format that there is not.
pub(crate) fn kind(mode: u16) -> u8 {
    match mode >> 12 {
        0x8 => 1,
        0x4 => DIRECTORY,
        0x2 => 3,
        0x6 => 4,
        0x1 => 5,
        0xc => 6,
        0xa => 7,
        _ => 0,
    }
}

/// An entry, its place in its block and its length there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    at: usize,
    len: usize,
    pub(crate) entry: Entry<'a>,
}

/// All entries in the first `end` bytes of a block, also those without an inode, which are only free space. A
/// contradiction is an error and ends the walk.
///
/// Where the checksum begins must be said: an older one, of a file system that keeps none any more, looks the same.
pub(crate) fn entries(block: &[u8], end: usize) -> impl Iterator<Item = Result<Placed<'_>>> {
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
    let head = block.get(at..end).and_then(|rest| rest.first_chunk()).ok_or_else(damaged)?;
    let (inode, len) = (INODE.get(head), usize::from(LEN.get(head)));
    let name_len = usize::from(NAME_LEN.get(head));
    let name = at.saturating_add(HEAD);
    let name = block.get(name..name.saturating_add(name_len)).ok_or_else(damaged)?;
    if len % 4 != 0
        || len < HEAD + 4
        || at.saturating_add(len) > end
        || (inode != 0 && needed(name_len) > len)
    {
        return Err(damaged());
    }
    Ok(Placed { at, len, entry: Entry { inode, kind: KIND.get(head), name } })
}

/// The entry of a name.
pub(crate) fn find<'a>(block: &'a [u8], end: usize, name: &[u8]) -> Result<Option<Entry<'a>>> {
    for placed in entries(block, end) {
        let entry = placed?.entry;
        if entry.inode != 0 && entry.name == name {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Puts an entry where there is space for it; false if there is none.
pub(crate) fn insert(block: &mut [u8], end: usize, entry: Entry<'_>) -> Result<bool> {
    let mut space = None;
    for placed in entries(block, end) {
        let placed = placed?;
        let used = if placed.entry.inode == 0 { 0 } else { placed.entry.len() };
        if placed.len.saturating_sub(used) >= entry.len() {
            space = Some((placed.at, used, placed.len));
            break;
        }
    }
    let Some((at, used, len)) = space else { return Ok(false) };
    if used > 0 {
        put_len(block, at, used)?;
    }
    write(block, at.saturating_add(used), len.saturating_sub(used), entry)?;
    Ok(true)
}

/// Removes a name: its space goes to the entry before it. False if the block does not have the name.
pub(crate) fn remove(block: &mut [u8], end: usize, name: &[u8]) -> Result<bool> {
    let mut before: Option<(usize, usize)> = None;
    let mut found = None;
    for placed in entries(block, end) {
        let placed = placed?;
        if placed.entry.inode != 0 && placed.entry.name == name {
            found = Some((placed.at, placed.len));
            break;
        }
        before = Some((placed.at, placed.len));
    }
    let Some((at, len)) = found else { return Ok(false) };
    match before {
        Some((at, before)) => put_len(block, at, before.saturating_add(len))?,
        None => INODE.put(head_mut(block, at)?, 0),
    }
    Ok(true)
}

/// Lets a name stand for another inode. False if the block does not have the name.
pub(crate) fn replace(block: &mut [u8], end: usize, entry: Entry<'_>) -> Result<bool> {
    let mut found = None;
    for placed in entries(block, end) {
        let placed = placed?;
        if placed.entry.inode != 0 && placed.entry.name == entry.name {
            found = Some((placed.at, placed.len));
        }
    }
    let Some((at, len)) = found else { return Ok(false) };
    write(block, at, len, entry)?;
    Ok(true)
}

/// Fills the first `usable` bytes of a block with entries; the last one takes the space that is left.
pub(crate) fn fill<'a>(
    block: &mut [u8],
    usable: usize,
    entries: impl IntoIterator<Item = Entry<'a>>,
) -> Result<()> {
    block.fill(0);
    put_len(block, 0, usable)?;
    let mut last = (0_usize, 0);
    for entry in entries {
        let at = last.0 + last.1;
        if at.saturating_add(entry.len()) > usable {
            return Err(Error::OutOfBounds);
        }
        if last.1 > 0 {
            put_len(block, last.0, last.1)?;
        }
        write(block, at, usable.saturating_sub(at), entry)?;
        last = (at, entry.len());
    }
    Ok(())
}

/// Writes an entry of `len` bytes at byte `at` of a block.
fn write(block: &mut [u8], at: usize, len: usize, entry: Entry<'_>) -> Result<()> {
    let name_len = u8::try_from(entry.name.len()).map_err(|_| Error::NameTooLong)?;
    let name = at.saturating_add(HEAD);
    let place = block.get_mut(name..name.saturating_add(entry.name.len())).ok_or(Error::OutOfBounds)?;
    place.copy_from_slice(entry.name);
    let head = head_mut(block, at)?;
    INODE.put(head, entry.inode);
    NAME_LEN.set_bytes(head, &[name_len]);
    KIND.set_bytes(head, &[entry.kind]);
    put_len(block, at, len)
}

fn put_len(block: &mut [u8], at: usize, len: usize) -> Result<()> {
    let len = u16::try_from(len).map_err(|_| Error::OutOfBounds)?;
    LEN.put(head_mut(block, at)?, len);
    Ok(())
}

fn head_mut(block: &mut [u8], at: usize) -> Result<&mut [u8; HEAD]> {
    block.get_mut(at..).and_then(|rest| rest.first_chunk_mut()).ok_or(Error::OutOfBounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn names(block: &[u8], usable: usize) -> Vec<Vec<u8>> {
        let live =
            entries(block, usable).map(|placed| placed.unwrap().entry).filter(|entry| entry.inode != 0);
        live.map(|entry| entry.name.to_vec()).collect()
    }

    #[test]
    fn what_does_not_fit_into_the_block_is_an_error() {
        let mut block = vec![0; 16];
        let long = [b'x'; 300];
        let entry = |name| Entry { inode: 5, kind: 1, name };
        assert!(write(&mut block, 4, 12, entry(b"abcde")).is_err(), "the name ends behind the block");
        assert!(write(&mut block, 9, 12, entry(b"")).is_err(), "the head ends behind the block");
        assert!(write(&mut [0; 1024], 0, 1024, entry(&long)).is_err());
        assert!(put_len(&mut block, 9, 12).is_err());
        assert!(fill(&mut [], 0, []).is_err());
        assert_eq!(block, [0; 16]);
    }

    #[test]
    fn contradictions_are_errors_and_end_the_walk() {
        for (at, byte) in [(5, 0), (4, 7), (4, 4), (5, 0xff)] {
            let mut block = vec![0; 1024];
            fill(&mut block, 1024, [Entry { inode: 5, kind: 1, name: b"a" }]).unwrap();
            block[at] = byte;
            let found: Vec<_> = entries(&block, 1024).collect();
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
            let mut model = BTreeMap::new();
            for (number, len, add) in steps {
                let name = [number, b'x'].repeat(len);
                let entry = Entry { inode: u32::from(number) + 1, kind: 1, name: &name };
                if add && !model.contains_key(&name) {
                    if insert(&mut block, usable, entry).unwrap() {
                        model.insert(name.clone(), u32::from(number) + 1);
                    }
                } else {
                    prop_assert_eq!(remove(&mut block, usable, &name).unwrap(), model.remove(&name).is_some());
                }
                let total: usize = entries(&block, usable).map(|placed| placed.unwrap().len).sum();
                prop_assert_eq!(total, usable);
            }
            let mut got = names(&block, usable);
            got.sort();
            prop_assert_eq!(got, model.keys().cloned().collect::<Vec<_>>());
        }
    }
}
