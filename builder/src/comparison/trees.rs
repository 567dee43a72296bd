//! Two images, file by file.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::io::{self, Write};

use super::{Differing, Side, values};
use crate::fs::{Entry, FsError, ImagePath, Kind, Stat};
use crate::interrupt::{Interrupt, Interrupted};
use crate::os::Tree;
use crate::source::digest::{Hasher, Sha256Digest};

/// The most names that are compared: images have a hundred thousand.
const MOST_NAMES: usize = 5_000_000;
/// The deepest directory: a hostile image may name a directory inside of itself.
const DEEPEST: usize = 256;

/// Why two images were not compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// One cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

type Result<T> = std::result::Result<T, CompareError>;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Every path that differs, in order.
    pub paths: Vec<Differing>,
    /// Files that are the same but for their time.
    pub only_time: usize,
    /// Names that were compared.
    pub compared: usize,
}

/// Compares all files, links and directories of two images.
///
/// # Errors
/// When an image cannot be read, and when the user interrupts.
pub fn trees(first: &Tree, second: &Tree, interrupt: &Interrupt) -> Result<Comparison> {
    let mut walk = Walk { first, second, interrupt, found: Comparison::default(), open: VecDeque::new() };
    walk.open.push_back((ImagePath::root(), 0));
    while let Some((dir, depth)) = walk.open.pop_front() {
        walk.dir(&dir, depth)?;
    }
    walk.found.paths.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(walk.found)
}

struct Walk<'a> {
    first: &'a Tree,
    second: &'a Tree,
    interrupt: &'a Interrupt,
    found: Comparison,
    /// Directories that both have.
    open: VecDeque<(ImagePath, usize)>,
}

impl Walk<'_> {
    fn dir(&mut self, dir: &ImagePath, depth: usize) -> Result<()> {
        let (first, second) = (self.first.list(dir)?, self.second.list(dir)?);
        let (mut ours, mut theirs) = (first.iter().peekable(), second.iter().peekable());
        loop {
            self.interrupt.check()?;
            self.found.compared += 1;
            if self.found.compared > MOST_NAMES {
                return Err(too_much(dir, format!("more than {MOST_NAMES} names")));
            }
            let order = match (ours.peek(), theirs.peek()) {
                (None, None) => return Ok(()),
                (Some(one), Some(other)) => one.name.cmp(&other.name),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
            };
            match order {
                Ordering::Less => self.alone(dir, ours.next(), Side::First)?,
                Ordering::Greater => self.alone(dir, theirs.next(), Side::Second)?,
                Ordering::Equal => {
                    theirs.next();
                    if let Some(entry) = ours.next() {
                        self.both(&dir.join(&entry.name).map_err(|_| unnamed(dir))?, depth)?;
                    }
                }
            }
        }
    }

    fn alone(&mut self, dir: &ImagePath, entry: Option<&Entry>, side: Side) -> Result<()> {
        let Some(entry) = entry else { return Ok(()) };
        let path = dir.join(&entry.name).map_err(|_| unnamed(dir))?;
        let tree = match side {
            Side::First => self.first,
            Side::Second => self.second,
        };
        let what = match (entry.kind, tree.stat(&path)?) {
            (Kind::File, Some(stat)) => format!("a file of {} bytes", stat.size),
            (kind, _) => name(kind).to_owned(),
        };
        self.found.paths.push(Differing::only(path.as_str(), side, &what));
        Ok(())
    }

    fn both(&mut self, path: &ImagePath, depth: usize) -> Result<()> {
        let (Some(first), Some(second)) = (self.first.stat(path)?, self.second.stat(path)?) else {
            return Ok(());
        };
        if first.kind != second.kind {
            let how = format!("{} and {}", name(first.kind), name(second.kind));
            self.found.paths.push(Differing { path: path.as_str().to_owned(), how });
            return Ok(());
        }
        let mut parts = self.content(path, &first, &second)?;
        let (one, other) = (first.attributes, second.attributes);
        if one.mode != other.mode {
            parts.push(values("mode", format_args!("{:04o}", one.mode), format_args!("{:04o}", other.mode)));
        }
        if (one.uid, one.gid) != (other.uid, other.gid) {
            let owner = |uid: u32, gid: u32| format!("{uid}:{gid}");
            parts.push(values("owner", owner(one.uid, one.gid), owner(other.uid, other.gid)));
        }
        if parts.is_empty() && first.kind == Kind::File && one.mtime != other.mtime {
            self.found.only_time += 1;
        }
        self.found.paths.extend(Differing::of(path.as_str(), &parts));
        if first.kind == Kind::Dir {
            if depth >= DEEPEST {
                return Err(too_much(path, format!("more than {DEEPEST} directories deep")));
            }
            self.open.push_back((path.clone(), depth + 1));
        }
        Ok(())
    }

    fn content(&self, path: &ImagePath, first: &Stat, second: &Stat) -> Result<Vec<String>> {
        Ok(match first.kind {
            Kind::File if first.size != second.size => vec![values("size", first.size, second.size)],
            Kind::File if self.digest(self.first, path)? != self.digest(self.second, path)? => {
                vec!["content".to_owned()]
            }
            Kind::Symlink => {
                let (one, other) = (self.first.read_link(path)?, self.second.read_link(path)?);
                if one == other { Vec::new() } else { vec![values("target", one, other)] }
            }
            _ => Vec::new(),
        })
    }

    fn digest(&self, tree: &Tree, path: &ImagePath) -> Result<Sha256Digest> {
        let mut hasher = Stoppable { hasher: Hasher::default(), interrupt: self.interrupt };
        let copied = tree.copy_to(path, &mut hasher);
        self.interrupt.check()?;
        copied?;
        Ok(hasher.hasher.digest())
    }
}

/// Hashes until the user interrupts.
struct Stoppable<'a> {
    hasher: Hasher,
    interrupt: &'a Interrupt,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(io::Error::other)?;
        self.hasher.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "a file",
        Kind::Dir => "a directory",
        Kind::Symlink => "a link",
        Kind::Special => "a device, pipe or socket",
    }
}

fn unnamed(dir: &ImagePath) -> CompareError {
    too_much(dir, "a name in it is not valid".to_owned())
}

fn too_much(path: &ImagePath, problem: String) -> CompareError {
    FsError::BadPath { path: path.to_string(), problem }.into()
}
