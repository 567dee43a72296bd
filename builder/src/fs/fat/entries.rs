//! Checks the entries of one directory: `.` and `..`, the names, and the long names in the slots before them.
//!
//! What fsck.fat would change is refused, and so are names that stand for two files, or that no system but Linux can open. A
//! long name that does not belong to its entry is none, as for Linux.

use std::collections::BTreeSet;

use super::dir::{DOT, DOT_DOT, SHORT, Slot};
use super::layout::{Width, beyond_fsck, corrupt};
use super::names;
use crate::fs::{FsError, Result};

/// Slots of a long name of 255 units.
const MOST_SLOTS: u8 = 20;
/// The bit in the number of a long name's last slot, which comes first.
const LAST: u8 = 0x40;
/// What fills the last slot behind the name's end.
const FILLER: u16 = 0xffff;

/// A file, directory or label, and its name.
pub(super) struct Named<'a> {
    pub(super) slot: &'a Slot,
    pub(super) name: String,
}

/// The first two slots of a directory other than the root, which begins at cluster `own`, below the one at `above` (0 is the
/// root). Linux and fsck.fat want them there; under a long name `fatfs` would follow them anywhere.
pub(super) fn check_dots(slots: &[Slot], width: Width, own: u32, above: u32, path: &str) -> Result<()> {
    for (index, (name, short, leads_to)) in [(".", DOT, own), ("..", DOT_DOT, above)].into_iter().enumerate()
    {
        let Some(slot) = slots.get(index).filter(|slot| slot.raw_name() == short) else {
            return Err(corrupt(format!("{path} does not begin with `.` and `..`: `{name}` is missing")));
        };
        if !slot.is_dir() || slot.cluster(width) != leads_to {
            return Err(corrupt(format!("`{name}` of {path} leads to another directory")));
        }
    }
    Ok(())
}

/// The entries in these slots, if their names are such as the format allows, and no name stands for two of them.
pub(super) fn named<'a>(slots: &'a [Slot], path: &str) -> Result<Vec<Named<'a>>> {
    let (mut entries, mut known, mut raw) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut long: Option<LongName> = None;
    for slot in slots {
        if slot.is_deleted() {
            refuse_orphan(long.as_ref(), path)?;
        } else if slot.is_long() {
            long = LongName::with(long.take(), slot, path)?;
        } else if slot.looks_long() {
            return Err(beyond_fsck(format!("{path} has a long name with attributes that have no meaning")));
        } else {
            let long = long.take().map(|long| long.of(slot, path)).transpose()?.flatten();
            if !slot.is_label() {
                check_short(slot, path)?;
                let twice = keys(slot, long.as_ref()).into_iter().find(|key| !known.insert(key.clone()));
                if twice.is_some() {
                    let name = long.unwrap_or_else(|| shown(slot));
                    let what = format!("{path} has two entries with the name {name}");
                    // Of two short names that are the same, fsck.fat changes one.
                    return Err(if raw.insert(slot.raw_name()) { by_hand(what) } else { corrupt(what) });
                }
            }
            raw.insert(slot.raw_name());
            entries.push(Named { slot, name: long.unwrap_or_else(|| shown(slot)) });
        }
    }
    refuse_orphan(long.as_ref(), path)?;
    Ok(entries)
}

fn refuse_orphan(long: Option<&LongName>, path: &str) -> Result<()> {
    long.map_or(Ok(()), |_| Err(orphan(path)))
}

/// What Linux can change, and fsck.fat does not see.
fn by_hand(what: String) -> FsError {
    FsError::Corrupt { what, hint: Some("mount the partition on Linux, and rename or remove the file") }
}

fn orphan(path: &str) -> FsError {
    corrupt(format!("{path} has a part of a long name that belongs to no file"))
}

fn shown(slot: &Slot) -> String {
    String::from_utf8_lossy(&slot.short_name()).into_owned()
}

/// Whatever is the same for readers that look at no case. What bytes above ASCII stand for in a short name depends on the
/// reader, so that they are kept apart from all that a long name can have.
fn keys(slot: &Slot, long: Option<&String>) -> BTreeSet<String> {
    let letter = |byte: u8| match byte {
        0..0x80 => char::from(byte),
        _ => char::from_u32(0xf_0000_u32.saturating_add(byte.into())).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    let short = slot.short_name().into_iter().map(letter).collect();
    let upper = |name: &String| name.chars().flat_map(char::to_uppercase).collect();
    long.into_iter().chain([&short]).map(upper).collect()
}

fn check_short(slot: &Slot, path: &str) -> Result<()> {
    let raw = slot.raw_name();
    let is_bad = |byte: &u8| *byte < b' ' || *byte == 0x7f || b"*?<>|\"\\/:.".contains(byte);
    // 5 stands for 0xe5, which would mean deleted.
    let (first, rest) = raw.split_first().unwrap_or((&b' ', &[]));
    if *first == b' ' || (is_bad(first) && *first != 5) || rest.iter().any(is_bad) {
        return Err(corrupt(format!(
            "{path} has an entry with the short name {:?}, which no file can have",
            shown(slot)
        )));
    }
    if slot.is_dir() && slot.size() != 0 {
        return Err(corrupt(format!("the directory {} in {path} has a size", shown(slot))));
    }
    Ok(())
}

/// A long name of which some slots have been seen, from its end to its beginning.
struct LongName {
    units: Vec<u16>,
    checksum: u8,
    /// Slots that are still to come.
    left: u8,
    /// Whether all parts have one checksum: else Linux and `fatfs` take none of them.
    is_whole: bool,
}

impl LongName {
    /// `before` with the slot that follows it, or the beginning of another one. Where the slot is in a wrong place there is no
    /// long name, as for Linux: fsck.fat names it, and leaves it.
    fn with(before: Option<Self>, slot: &Slot, path: &str) -> Result<Option<Self>> {
        // The one before is complete, and no entry followed.
        refuse_orphan(before.as_ref().filter(|before| before.left == 0), path)?;
        if !slot.is_only_long() {
            return Err(corrupt(format!("{path} has a long name with a cluster or a kind")));
        }
        let (number, checksum) = (slot.long_number() & !LAST, slot.long_checksum());
        let begins = slot.long_number() & LAST != 0 && (1..=MOST_SLOTS).contains(&number);
        let before = match before {
            _ if begins => Self { units: Vec::new(), checksum, left: number, is_whole: true },
            Some(before) if slot.long_number() == before.left => before,
            _ => return Ok(None),
        };
        let units = slot.long_units().into_iter().chain(before.units).collect();
        let is_whole = before.is_whole && checksum == before.checksum;
        Ok(Some(Self { units, left: before.left.saturating_sub(1), is_whole, ..before }))
    }

    /// The name, if it is that of the entry in `slot`.
    fn of(self, slot: &Slot, path: &str) -> Result<Option<String>> {
        if self.left != 0 || !self.is_whole || self.checksum != checksum(slot.raw_name()) {
            return Ok(None);
        }
        let end = self.units.iter().position(|unit| *unit == 0).unwrap_or(self.units.len());
        let (name, rest) = self.units.split_at_checked(end).unwrap_or_default();
        let name = String::from_utf16(name).unwrap_or_default();
        let is_filled = rest.iter().skip(1).all(|unit| *unit == FILLER);
        if !is_filled || name.is_empty() || name == "." || name == ".." || names::is_illegal(&name) {
            return Err(by_hand(format!(
                "{path} has a file with the long name {name:?}, which none can have"
            )));
        }
        Ok(Some(name))
    }
}

/// The short name's checksum, which a long name carries.
fn checksum(name: &[u8; SHORT]) -> u8 {
    name.iter().fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}
