//! Files of a card, read with bounds.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::fs::ext4::Ext4;
use crate::fs::fat::FatFs;
use crate::fs::{FileSystem, FsError, ImagePath, Kind};
use crate::local_file;

/// The boot partition: as it is on the card, or mounted in a folder of this machine.
pub(super) enum BootFiles {
    Fat(FatFs),
    Folder(PathBuf),
}

impl BootFiles {
    /// A file of its root directory; none where it is not there, is longer, or cannot be read.
    pub(super) fn read(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
        match self {
            Self::Fat(fat) => fat.read(&path(&format!("/{name}"))?, limit).ok(),
            Self::Folder(dir) => local_file::read(&dir.join(name), limit).ok(),
        }
    }

    /// As [`Self::read`], as text.
    pub(super) fn text(&self, name: &str, limit: u64) -> Option<String> {
        self.read(name, limit).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in its root directory.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Fat(fat) => {
                let entries = fat.list(&ImagePath::root()).unwrap_or_default();
                entries.into_iter().map(|entry| entry.name).collect()
            }
            Self::Folder(dir) => {
                let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
                let mut names: Vec<String> = entries
                    .take(4096)
                    .map(|entry| entry.file_name().to_string_lossy().into_owned())
                    .collect();
                names.sort();
                names
            }
        }
    }
}

/// A path of the card; none where it is not one.
pub(super) fn path(text: &str) -> Option<ImagePath> {
    ImagePath::parse(text).ok()
}

/// A file of the root file system, links followed.
pub(super) fn read(root: &Ext4, at: &str, limit: u64) -> Result<Vec<u8>, FsError> {
    let missing = || FsError::NotFound { path: at.to_owned() };
    let at = root.resolve(&path(at).ok_or_else(missing)?)?;
    root.read(&at, limit)
}

/// As [`read`], as text; none where it is not there or cannot be read.
pub(super) fn text(root: &Ext4, at: &str, limit: u64) -> Option<String> {
    read(root, at, limit).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The last `most` bytes of a file of at most `largest` bytes, without the line that is cut.
pub(super) fn tail(root: &Ext4, at: &ImagePath, largest: u64, most: usize) -> Option<String> {
    let stat = root.stat(at).ok()?.filter(|stat| stat.kind == Kind::File && stat.size <= largest)?;
    let mut tail = Tail { bytes: Vec::new(), most };
    root.copy_to(at, &mut tail).ok()?;
    let bytes = tail.bytes.get(tail.bytes.len().saturating_sub(most)..).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes).into_owned();
    let is_cut = stat.size > u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Some(if is_cut { text.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned()) } else { text })
}

/// Keeps the end of what is written.
struct Tail {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        let most = self.most;
        if self.bytes.len() > most.saturating_mul(4).max(1 << 20) {
            self.bytes.drain(..self.bytes.len().saturating_sub(most));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that [`walk`] has found.
pub(super) struct Found {
    pub(super) path: ImagePath,
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) mode: u16,
}

/// What is below a directory, in order, to a depth and up to a number of files.
pub(super) fn walk(root: &Ext4, dir: &str, depth: usize, most: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let start = path(dir).and_then(|dir| root.resolve(&dir).ok());
    let mut waiting: Vec<(ImagePath, usize)> = start.into_iter().map(|dir| (dir, depth)).collect();
    while let Some((dir, depth)) = waiting.pop() {
        for entry in root.list(&dir).unwrap_or_default() {
            if found.len() >= most {
                return found;
            }
            let Ok(path) = dir.join(&entry.name) else { continue };
            let Ok(Some(stat)) = root.stat(&path) else { continue };
            if stat.kind == Kind::Dir && depth > 0 {
                waiting.push((path.clone(), depth.saturating_sub(1)));
            }
            found.push(Found { path, kind: stat.kind, size: stat.size, mode: stat.attributes.mode });
        }
    }
    found
}
