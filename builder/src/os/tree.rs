//! The file systems of an image as the running system will see them: the FAT partition at its mount point.

use std::io::{Read, Write};

use crate::fs::{Attributes, Entry, FileSystem, FsError, ImagePath, Kind, Result, Stat};

/// The root file system, and the boot file system mounted on one of its folders.
pub struct Tree {
    root: Box<dyn FileSystem>,
    boot: Option<Mounted>,
}

struct Mounted {
    at: ImagePath,
    fs: Box<dyn FileSystem>,
}

impl Tree {
    /// The root alone.
    pub fn new(root: Box<dyn FileSystem>) -> Self {
        Self { root, boot: None }
    }

    /// The same tree with `fs` mounted at `at`.
    pub fn mount(self, at: ImagePath, fs: Box<dyn FileSystem>) -> Self {
        Self { boot: Some(Mounted { at, fs }), ..self }
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

    /// The path with every link followed.
    pub fn resolve(&self, path: &ImagePath) -> Result<ImagePath> {
        let path = self.root.resolve(path)?;
        match &self.boot {
            Some(boot) if path.below(&boot.at).is_some() => {
                let (_, inner) = self.locate(&path)?;
                rejoin(&boot.at, &boot.fs.resolve(&inner)?)
            }
            _ => Ok(path),
        }
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

    /// Whether the path lies on the boot file system.
    pub fn on_boot(&self, path: &ImagePath) -> Result<bool> {
        let Some(boot) = &self.boot else { return Ok(false) };
        Ok(self.canonical(path)?.below(&boot.at).is_some())
    }

    /// Writes everything out and checks it.
    pub fn finish(self) -> Result<()> {
        if let Some(boot) = self.boot {
            boot.fs.finish()?;
        }
        self.root.finish()
    }

    /// The file system that holds the path, and the path inside of it.
    fn locate(&self, path: &ImagePath) -> Result<(&dyn FileSystem, ImagePath)> {
        let path = self.canonical(path)?;
        if let Some(boot) = &self.boot {
            if path == boot.at {
                return Ok((boot.fs.as_ref(), ImagePath::root()));
            }
            if let Some(inner) = path.below(&boot.at) {
                return Ok((boot.fs.as_ref(), parse(&format!("/{inner}"))?));
            }
        }
        Ok((self.root.as_ref(), path))
    }

    /// Links in the folders above are followed, as they might lead across the mount; the last component is kept.
    fn canonical(&self, path: &ImagePath) -> Result<ImagePath> {
        match (path.parent(), path.name()) {
            (Some(folder), Some(name)) => {
                let folder = self.root.resolve(&folder)?;
                parse(&format!("{folder}/{name}"))
            }
            _ => Ok(path.clone()),
        }
    }
}

fn rejoin(at: &ImagePath, inner: &ImagePath) -> Result<ImagePath> {
    parse(&format!("{at}{inner}"))
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
