//! The file systems of an image as the running system will see them: each partition at its mount point.

use std::collections::VecDeque;
use std::io::{Read, Write};

use crate::fs::{Attributes, Entry, FileSystem, FsError, ImagePath, Kind, Result, Stat};

use super::image::Role;

/// Links that one path may pass, as in the kernel (`MAXSYMLINKS`); more is a loop.
const MAX_LINKS: u32 = 40;

/// The root file system, and those mounted on its folders.
pub struct Tree {
    root: Box<dyn FileSystem>,
    /// Each before what is mounted inside of it.
    mounts: Vec<Mounted>,
}

struct Mounted {
    role: Role,
    at: ImagePath,
    fs: Box<dyn FileSystem>,
}

/// Whether a link in the last component is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Follow,
    Keep,
}

impl Tree {
    /// The root alone.
    pub fn new(root: Box<dyn FileSystem>) -> Self {
        Self { root, mounts: Vec::new() }
    }

    /// The same tree with `fs` mounted at `at`, a path without links; what lies above it is mounted already.
    pub fn mount(mut self, role: Role, at: ImagePath, fs: Box<dyn FileSystem>) -> Self {
        self.mounts.push(Mounted { role, at, fs });
        self
    }

    /// The root file system itself.
    pub fn root(&self) -> &dyn FileSystem {
        self.root.as_ref()
    }

    /// What the path names; `None` if nothing does. The last component is not followed.
    pub fn stat(&self, path: &ImagePath) -> Result<Option<Stat>> {
        let (fs, path) = self.locate(path)?;
        fs.stat(&path)
    }

    /// Whether something has that name, links at the end followed.
    pub fn exists(&self, path: &ImagePath) -> Result<bool> {
        let path = self.resolve(path)?;
        Ok(self.stat(&path)?.is_some())
    }

    /// The path with every link followed. Components that do not exist are kept as they are.
    pub fn resolve(&self, path: &ImagePath) -> Result<ImagePath> {
        self.walk(path, Last::Follow)
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, path: &ImagePath) -> Result<String> {
        let (fs, path) = self.locate(path)?;
        fs.read_link(&path)
    }

    /// The names in a folder, sorted.
    pub fn list(&self, path: &ImagePath) -> Result<Vec<Entry>> {
        let (fs, path) = self.locate(path)?;
        fs.list(&path)
    }

    /// The content of a regular file of at most `limit` bytes.
    pub fn read(&self, path: &ImagePath, limit: u64) -> Result<Vec<u8>> {
        let (fs, path) = self.locate(path)?;
        fs.read(&path, limit)
    }

    /// Writes the content of a regular file to `out`.
    pub fn copy_to(&self, path: &ImagePath, out: &mut dyn Write) -> Result<u64> {
        let (fs, path) = self.locate(path)?;
        fs.copy_to(&path, out)
    }

    /// Makes a folder and those above it.
    pub fn create_folders(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        let (fs, path) = self.locate(path)?;
        fs.create_folders(&path, attributes)
    }

    /// Creates or replaces a regular file.
    pub fn write(&self, path: &ImagePath, content: &mut dyn Read, attributes: Attributes) -> Result<u64> {
        let (fs, path) = self.locate(path)?;
        fs.write(&path, content, attributes)
    }

    /// Creates or replaces a symbolic link.
    pub fn symlink(&self, path: &ImagePath, target: &str, attributes: Attributes) -> Result<()> {
        let (fs, path) = self.locate(path)?;
        fs.symlink(&path, target, attributes)
    }

    /// Removes a file or link.
    pub fn remove(&self, path: &ImagePath) -> Result<()> {
        let (fs, path) = self.locate(path)?;
        fs.remove(&path)
    }

    /// Whether the path lies on the FAT partition, which knows neither owners nor modes.
    pub fn on_boot(&self, path: &ImagePath) -> Result<bool> {
        let path = self.walk(path, Last::Keep)?;
        Ok(self.innermost(&path).is_some_and(|mounted| mounted.role == Role::Boot && path != mounted.at))
    }

    /// Writes everything out and checks it, what is mounted inside first.
    pub fn finish(self) -> Result<()> {
        for mounted in self.mounts.into_iter().rev() {
            mounted.fs.finish()?;
        }
        self.root.finish()
    }

    /// The file system that holds the path, and the path inside of it.
    fn locate(&self, path: &ImagePath) -> Result<(&dyn FileSystem, ImagePath)> {
        self.inside(&self.walk(path, Last::Keep)?)
    }

    /// As [`Tree::locate`] for a path without links in the folders above.
    fn inside(&self, path: &ImagePath) -> Result<(&dyn FileSystem, ImagePath)> {
        match self.innermost(path) {
            Some(mounted) => {
                let inner = path.below(&mounted.at).unwrap_or_default();
                Ok((mounted.fs.as_ref(), parse(&format!("/{inner}"))?))
            }
            None => Ok((self.root.as_ref(), path.clone())),
        }
    }

    /// The last one mounted of those that hold the path or are mounted there.
    fn innermost(&self, path: &ImagePath) -> Option<&Mounted> {
        let holds = |mounted: &&Mounted| *path == mounted.at || path.below(&mounted.at).is_some();
        self.mounts.iter().rev().find(holds)
    }

    /// Follows the links in the folders above, and in the last component if asked to: they may lead across mounts, in
    /// either direction. A link that climbs above the root is refused, as following it would be a guess.
    fn walk(&self, path: &ImagePath, last: Last) -> Result<ImagePath> {
        let mut done = ImagePath::root();
        let mut ahead: VecDeque<String> = path.components().map(str::to_owned).collect();
        let mut links = 0;
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                done = done.parent().ok_or_else(|| bad(path, "a symbolic link leads out of the root"))?;
                continue;
            }
            let next = parse(&format!("{done}/{name}"))?;
            let followed = if last == Last::Follow || !ahead.is_empty() { self.link(&next)? } else { None };
            let Some(target) = followed else {
                done = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(bad(path, "too many symbolic links, probably a loop"));
            }
            if target.starts_with('/') {
                done = ImagePath::root();
            }
            let components = target.split('/').filter(|name| !name.is_empty() && *name != ".");
            components.rev().for_each(|name| ahead.push_front(name.to_owned()));
        }
        Ok(done)
    }

    /// The target of the link that a path names, which has no links in the folders above.
    fn link(&self, path: &ImagePath) -> Result<Option<String>> {
        let (fs, inner) = self.inside(path)?;
        match fs.stat(&inner)? {
            Some(Stat { kind: Kind::Symlink, .. }) => fs.read_link(&inner).map(Some),
            _ => Ok(None),
        }
    }
}

fn bad(path: &ImagePath, problem: &str) -> FsError {
    FsError::BadPath { path: path.to_string(), problem: problem.to_owned() }
}

fn parse(path: &str) -> Result<ImagePath> {
    ImagePath::parse(path).map_err(|bad| FsError::BadPath { path: path.to_owned(), problem: bad.to_string() })
}

impl Tree {
    /// The kind of what the path names, links at the end followed.
    pub fn kind(&self, path: &ImagePath) -> Result<Option<Kind>> {
        let path = self.resolve(path)?;
        Ok(self.stat(&path)?.map(|stat| stat.kind))
    }
}
