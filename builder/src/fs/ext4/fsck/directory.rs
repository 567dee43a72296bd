//! One directory: every entry fits its block and is a name that is there once, and its hash tree leads to each name.
//!
//! The blocks are read with `Volume`, as `ops` reads them, so that what was checked is what will be edited.
//!
//! [Directories](https://docs.kernel.org/filesystems/ext4/directory.html): entries fill their block; the first block
//! begins with `.` and `..`. The inner blocks of a hash tree look like blocks with one empty entry.

use std::collections::HashSet;

use super::htree;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::directory_block::{self, DIRECTORY, Entry, UNKNOWN};
use crate::fs::ext4::layout::inode::{INDEX, Inode};
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::ext4::volume::directory::linear::name_hash;
use crate::fs::{FsError, Result};

/// Calls `found` for each name of a directory but `.` and `..`, and returns the inode of `..`.
pub(super) fn check(
    volume: &Volume,
    dir: &Inode,
    found: &mut dyn FnMut(Entry<'_>) -> Result<()>,
) -> Result<u32> {
    let mut hashes = Vec::new();
    let above = entries(volume, dir, &mut |entry| {
        hashes.push(name_hash(entry.name));
        check_name(dir, entry.name)?;
        found(entry)
    })?;
    hashes.sort_unstable();
    let again: HashSet<u64> = hashes
        .windows(2)
        .filter_map(|pair| match pair {
            [first, second] if first == second => Some(*first),
            _ => None,
        })
        .collect();
    if !again.is_empty() {
        // Only now the names themselves are kept: a directory may have a million.
        let mut names = HashSet::new();
        entries(volume, dir, &mut |entry| {
            if again.contains(&name_hash(entry.name)) && !names.insert(entry.name.to_vec()) {
                return Err(damaged(dir, format!("it has the name {} twice", text(entry.name))));
            }
            Ok(())
        })?;
    }
    Ok(above)
}

/// Calls `found` for each entry but those of `.` and `..`, in all blocks, and returns the inode of `..`.
fn entries(volume: &Volume, dir: &Inode, found: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<u32> {
    let converted = |error| convert(error, &format!("directory inode {}", dir.number));
    let indexed = dir.has(INDEX);
    let first = if indexed { volume.dir_block(dir, 0) } else { volume.entries_block(dir, 0) };
    let first = first.map_err(converted)?;
    // The root of a hash tree lies in the space of the second entry.
    let end = if indexed { first.len() } else { volume.usable() };
    let mut above = 0;
    for (index, placed) in directory_block::entries(&first, end).enumerate() {
        let entry = placed.map_err(converted)?.entry;
        match index {
            0 => check_dot(dir, entry, b".", Some(dir.number))?,
            1 => {
                check_dot(dir, entry, b"..", None)?;
                above = entry.inode;
            }
            _ if entry.inode != 0 => found(entry)?,
            _ => {}
        }
    }
    if above == 0 {
        return Err(damaged(dir, "its entry `..` is missing or wrong".to_owned()));
    }
    if indexed {
        htree::for_each_leaf(volume, dir, &mut |leaf| in_block(volume, dir, leaf, found))?;
    } else {
        (1..volume.dir_blocks(dir)).try_for_each(|block| {
            let bytes = volume.entries_block(dir, block).map_err(converted)?;
            in_block(volume, dir, &bytes, found)
        })?;
    }
    Ok(above)
}

fn in_block(
    volume: &Volume,
    dir: &Inode,
    bytes: &[u8],
    found: &mut dyn FnMut(Entry<'_>) -> Result<()>,
) -> Result<()> {
    for placed in directory_block::entries(bytes, volume.usable()) {
        let entry = placed.map_err(|error| convert(error, &format!("directory inode {}", dir.number)))?.entry;
        if entry.inode != 0 {
            found(entry)?;
        }
    }
    Ok(())
}

fn check_dot(dir: &Inode, entry: Entry<'_>, name: &[u8], inode: Option<u32>) -> Result<()> {
    let kind = matches!(entry.kind, UNKNOWN | DIRECTORY);
    if entry.name == name && kind && inode.is_none_or(|inode| inode == entry.inode) {
        return Ok(());
    }
    Err(damaged(dir, format!("its entry `{}` is missing or wrong", String::from_utf8_lossy(name))))
}

fn check_name(dir: &Inode, name: &[u8]) -> Result<()> {
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
        return Err(damaged(dir, format!("{} is not a name", text(name))));
    }
    Ok(())
}

pub(super) fn damaged(dir: &Inode, problem: String) -> FsError {
    corrupt(format!("directory inode {}: {problem}", dir.number))
}

/// A name for a message.
pub(super) fn text(name: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(name))
}
