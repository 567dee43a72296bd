//! Everything that can be read of a file system, to see that it did not change.

use std::io::{self, Write};

use hcimage::fs::{Entry, FileSystem, ImagePath, Kind};

use crate::operation::Touched;

/// Content up to this size is compared; of larger files the beginning is only read.
const COMPARED: u64 = 64 << 10;
/// Where reading of larger files ends.
const READ: usize = 200 << 10;
/// Names and depth at most: a mutated directory may name another one any number of times.
const NAMES: usize = 1000;
const DEPTH: usize = 8;

/// What a path names; errors are all alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Dir,
    File(Option<Vec<u8>>),
    Link(Option<String>),
    Special,
}

/// What was seen, in the order of the paths; a damaged directory may hold a name twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tree {
    seen: Vec<(String, Seen)>,
    /// Whether there was more than is looked at.
    cut: bool,
}

impl Tree {
    pub(crate) fn of(fs: &dyn FileSystem) -> Self {
        let mut tree = Self::default();
        tree.dir(fs, &ImagePath::root(), 0);
        tree.seen.sort_by(|a, b| a.0.cmp(&b.0));
        tree
    }

    /// Asks all else that can be asked of every path.
    pub(crate) fn explore(&self, fs: &dyn FileSystem) {
        for path in self.seen.iter().filter_map(|(path, _)| ImagePath::parse(path).ok()) {
            let _ = fs.stat(&path);
            let _ = fs.resolve(&path);
        }
        let _ = fs.space();
    }

    fn dir(&mut self, fs: &dyn FileSystem, dir: &ImagePath, depth: usize) {
        for entry in fs.list(dir).unwrap_or_default() {
            if self.seen.len() >= NAMES || depth > DEPTH {
                self.cut = true;
                return;
            }
            // A mutated name may hold a slash; nothing can be reached by it.
            let Ok(path) = dir.join(&entry.name) else { continue };
            if path.name() != Some(&entry.name) || path.parent().as_ref() != Some(dir) {
                continue;
            }
            let seen = look(fs, &path, &entry);
            let is_dir = seen == Seen::Dir;
            self.seen.push((path.as_str().to_owned(), seen));
            if is_dir {
                self.dir(fs, &path, depth + 1);
            }
        }
    }

    /// Panics where anything differs that no operation was about. New names are what operations make.
    pub(crate) fn assert_kept(&self, after: &Self, touched: &[Touched]) {
        if self.cut || after.cut {
            return;
        }
        for (path, seen) in &self.seen {
            let is_touched = touched.iter().any(|touched| touched.covers(path));
            let twice = self.seen.iter().filter(|(other, _)| other == path).count() > 1;
            if is_touched || twice {
                continue;
            }
            let now = after.seen.iter().find(|(other, _)| other == path);
            assert!(
                now.is_some_and(|(_, now)| now == seen),
                "{path} was {} and is {}, though no operation named it",
                seen.text(),
                now.map_or_else(|| "gone".to_owned(), |(_, now)| now.text())
            );
        }
    }
}

impl Seen {
    fn text(&self) -> String {
        match self {
            Self::File(Some(bytes)) => format!("a file of {} bytes", bytes.len()),
            other => format!("{other:?}"),
        }
    }
}

fn look(fs: &dyn FileSystem, path: &ImagePath, entry: &Entry) -> Seen {
    match entry.kind {
        Kind::Dir => Seen::Dir,
        Kind::Special => Seen::Special,
        Kind::Symlink => Seen::Link(fs.read_link(path).ok()),
        Kind::File => {
            let content = fs.read(path, COMPARED).ok();
            if content.is_none() {
                let _ = fs.copy_to(path, &mut Bounded(READ));
            }
            Seen::File(content)
        }
    }
}

/// Takes so many bytes and no more.
struct Bounded(usize);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
