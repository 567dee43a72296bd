//! Finds what a path names, through `fatfs`.

use fatfs::DirEntry;

use super::clock;
use super::layout::io;
use super::view::View;
use crate::fs::{Attributes, ImagePath, Kind, Result, Stat};

/// A mounted volume.
pub(super) type Volume = fatfs::FileSystem<View>;

/// The entries from the root down to what `path` names; empty for the root, none if there is nothing.
pub(super) fn trail<'a>(volume: &'a Volume, path: &ImagePath) -> Result<Option<Vec<DirEntry<'a, View>>>> {
    let mut trail: Vec<DirEntry<'a, View>> = Vec::new();
    for component in path.components() {
        let dir = match trail.last() {
            None => volume.root_dir(),
            Some(entry) if entry.is_dir() => entry.to_dir(),
            Some(_) => return Ok(None),
        };
        let mut found = None;
        for entry in dir.iter() {
            let entry = entry.map_err(io("reading a FAT directory"))?;
            if is_named(&entry, component) {
                found = Some(entry);
                break;
            }
        }
        let Some(entry) = found else { return Ok(None) };
        trail.push(entry);
    }
    Ok(Some(trail))
}

/// Compares as `fatfs` does when it writes: the long name or the short one, without regard to case.
fn is_named(entry: &DirEntry<'_, View>, name: &str) -> bool {
    let upper = |text: &str| text.chars().flat_map(char::to_uppercase).collect::<String>();
    let name = upper(name);
    upper(&entry.file_name()) == name || upper(&entry.short_file_name()) == name
}

pub(super) fn kind(entry: &DirEntry<'_, View>) -> Kind {
    if entry.is_dir() { Kind::Dir } else { Kind::File }
}

pub(super) fn stat(entry: &DirEntry<'_, View>) -> Stat {
    let mode = if entry.is_dir() { 0o755 } else { 0o644 };
    let mtime = clock::to_unix(entry.modified());
    Stat { kind: kind(entry), size: entry.len(), attributes: Attributes { mode, uid: 0, gid: 0, mtime } }
}

pub(super) fn root_stat(mtime: i64) -> Stat {
    Stat { kind: Kind::Dir, size: 0, attributes: Attributes { mode: 0o755, uid: 0, gid: 0, mtime } }
}

/// A path for `fatfs`: from the root, without the first slash.
pub(super) fn relative(path: &ImagePath) -> &str {
    path.as_str().trim_start_matches('/')
}
