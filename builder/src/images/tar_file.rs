//! A tar archive as a table: where the data of each file lies. Nothing is unpacked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType};

use crate::local_file;
use crate::source::SourceContext;
use crate::source::bounded::{Bounded, Gate};

use super::error::{ImageError, Result};

/// The most entries: an archive of images has a few for each layer.
const MOST_ENTRIES: usize = 100_000;

/// The most bytes of headers before a file, since they are read into memory.
const MOST_HEADERS: u64 = 1 << 20;

/// How often a link may lead to a link.
const MOST_LINKS: usize = 8;

/// Where a file's data lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// From the beginning of the archive, in bytes.
    pub(super) offset: u64,
    /// In bytes.
    pub(super) size: u64,
}

/// The files of an archive.
#[derive(Debug)]
pub(super) struct TarFile {
    path: PathBuf,
    files: BTreeMap<String, Range>,
    /// Old versions of Docker write a layer once and links to it.
    links: BTreeMap<String, String>,
}

impl TarFile {
    pub(super) fn open(cx: &SourceContext<'_>, path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| ImageError::of_file(path, format!("invalid archive: {error}"));
        let file = local_file::open(path).map_err(|error| ImageError::of_file(path, error.to_string()))?;
        let gate = Gate::default();
        let mut archive = Archive::new(Bounded::new(BufReader::new(file), &gate));
        let mut found = Self { path: path.into(), files: BTreeMap::new(), links: BTreeMap::new() };
        gate.allow(MOST_HEADERS);
        for entry in archive.entries_with_seek().map_err(failed)? {
            cx.interrupt.check().map_err(crate::source::SourceError::from)?;
            let entry = entry.map_err(failed)?;
            if found.files.len().saturating_add(found.links.len()) >= MOST_ENTRIES {
                return Err(ImageError::of_file(path, format!("more than {MOST_ENTRIES} files")));
            }
            let name = plain(&String::from_utf8_lossy(&entry.path_bytes()));
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let range = Range { offset: entry.raw_file_position(), size: entry.size() };
                    found.files.insert(name, range);
                }
                kind @ (EntryType::Link | EntryType::Symlink) => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    let target = String::from_utf8_lossy(&target).into_owned();
                    let target = if kind == EntryType::Symlink { beside(&name, &target) } else { target };
                    found.links.insert(name, plain(&target));
                }
                _ => {}
            }
            gate.allow(MOST_HEADERS);
        }
        found.check_length(&failed)?;
        Ok(found)
    }

    /// The library seeks over the data of files, so it does not see that the last one is cut off.
    fn check_length(&self, failed: &dyn Fn(std::io::Error) -> ImageError) -> Result<()> {
        let length = File::open(&self.path).and_then(|file| file.metadata()).map_err(failed)?.len();
        let ends = self.files.values().map(|range| range.offset.saturating_add(range.size));
        if ends.max().is_some_and(|end| end > length) {
            return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    /// The archive.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The data of a file of this name; links are followed inside the archive.
    pub(super) fn get(&self, name: &str) -> Option<Range> {
        let mut name = plain(name);
        for _ in 0..MOST_LINKS {
            if let Some(range) = self.files.get(&name) {
                return Some(*range);
            }
            name = self.links.get(&name)?.clone();
        }
        None
    }
}

/// Without `.` and `..`: `./a/../b` is `b`. What would leave the archive stays at its top.
fn plain(name: &str) -> String {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The target of a link as seen from the top of the archive.
fn beside(name: &str, target: &str) -> String {
    match name.rsplit_once('/') {
        Some((dir, _)) if !target.starts_with('/') => format!("{dir}/{target}"),
        _ => target.to_owned(),
    }
}
