//! Directories and files: made, replaced and appended to. Every call leaves a sound file system; one that fails leaves
//! what was there before.

use std::io::Read;

use super::dentry::{Dentry, bad, must_be};
use super::handle::Ext4;
use super::lookup::Node;
use crate::fs::ext4::volume::file_data::FillError;
use crate::fs::resolve::Last;
use crate::fs::{Attributes, FsError, ImagePath, Kind, Result, Source};

/// Bytes that the crate is given at once: it holds them in memory several times.
const PIECE: u64 = 1 << 20;

/// Names tried for a file that is to replace another one.
const INTERIM_NAMES: u32 = 1000;

impl Ext4 {
    /// Makes the directories of `path` that are missing.
    pub(crate) fn make_dirs(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        self.must_be_writable(path)?;
        let place = self.place(path, Last::Follow)?;
        let mut at = ImagePath::root();
        for (name, node) in place.steps() {
            at = at.join(name).map_err(|error| bad(path, &error.to_string()))?;
            match node {
                Some(node) if node.kind == Kind::Dir => {}
                Some(_) => return Err(bad(path, &format!("{at} is not a directory"))),
                None => self.make_dir(&at, attributes)?,
            }
        }
        Ok(())
    }

    fn make_dir(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        let dentry = self.dentry(path)?;
        self.may_add(&dentry, path)?;
        let made = self.name_new_dir(dentry.at(), attributes.mode);
        let inode = made.map_err(|error| self.failed(error, "making directory", path, 1))?;
        self.apply_attributes(Node { inode, kind: Kind::Dir }, path, attributes)
    }

    /// Creates or replaces a regular file. A replaced one keeps nothing of the old: not its inode, so that
    /// other names of the old file keep the old content, nor its extended attributes.
    pub(crate) fn write_file(
        &self,
        path: &ImagePath,
        content: &mut Source<'_>,
        attributes: Attributes,
    ) -> Result<u64> {
        self.must_fit(path, content)?;
        self.put(path, |dentry| {
            let (node, size) = self.new_file(dentry, path, content)?;
            Ok(self.apply_attributes(node, path, attributes).map(|()| size))
        })
    }

    /// Replaces the content of a regular file that exists, as a new inode with the owner, permissions and extended
    /// attributes of the old one and the time `mtime` (seconds since 1970). Other names of the old file keep the
    /// old content. Returns the size in bytes.
    ///
    /// # Errors
    /// As for [`FileSystem::write`](crate::fs::FileSystem::write), and `NotFound` where there is no file; the old
    /// file is then as it was.
    pub fn replace(&self, path: &ImagePath, content: &mut Source<'_>, mtime: i64) -> Result<u64> {
        let (_, old) = self.taken_dentry(path)?;
        must_be(old, Kind::File, path)?;
        let inode = self.inode(old.inode, path.as_str())?;
        let attributes = Attributes { mode: inode.mode & 0o7777, uid: inode.uid, gid: inode.gid, mtime };
        self.must_fit(path, content)?;
        self.put(path, |dentry| {
            let (node, size) = self.new_file(dentry, path, content)?;
            let copied = self.beside(path, dentry).and_then(|at| self.copy_xattrs(old, &at, path));
            Ok(copied.and_then(|()| self.apply_attributes(node, path, attributes)).map(|()| size))
        })
    }

    /// Writes `content` behind the end of a regular file that exists, and returns how many bytes came in. All
    /// names of the file see it; owner, permissions and extended attributes stay; the time of the change is the
    /// one given when opening.
    ///
    /// # Errors
    /// Whatever fails, the file has its old length and time again.
    pub fn append(&self, path: &ImagePath, content: &mut Source<'_>) -> Result<u64> {
        let (_, node) = self.taken_dentry(path)?;
        must_be(node, Kind::File, path)?;
        self.may_append(node.inode, path)?;
        self.must_fit(path, content)?;
        let before = self.inode(node.inode, path.as_str())?;
        let filled = self.fill(node.inode, path, content);
        if filled.is_err() {
            let undone = self.truncate(node.inode, before.size).and_then(|()| {
                let (atime, mtime) = ((before.atime, before.atime_nsec), (before.mtime, before.mtime_nsec));
                self.fs().apply_utimens_ino(node.inode, atime.0, atime.1, mtime.0, mtime.1)
            });
            undone.map_err(|error| self.failed(error, "undoing the append to", path, 0))?;
        }
        filled
    }

    /// Makes something with `make` under the name of `path`: directly where the name is free, else under an interim
    /// name that is then renamed over the old one, so that a failure leaves the old one.
    ///
    /// Where `make` itself fails, it has made nothing; what it returns is whether the rest went well, and if not,
    /// what it made is removed again.
    pub(crate) fn put<T>(
        &self,
        path: &ImagePath,
        make: impl FnOnce(&Dentry) -> Result<Result<T>>,
    ) -> Result<T> {
        let dentry = self.dentry(path)?;
        let Some(old) = dentry.taken else {
            self.may_add(&dentry, path)?;
            return self.made(&dentry, make(&dentry)?);
        };
        if old.kind == Kind::Dir {
            return Err(bad(path, "it is a directory"));
        }
        self.may_remove(&dentry, path)?;
        let interim = self.interim(&dentry, path)?;
        let made = self.made(&interim, make(&interim)?)?;
        let moved = self.name_move(interim.at(), dentry.at());
        self.made(&interim, moved.map_err(|error| self.failed(error, "replacing", path, 1)))?;
        self.removed(old, path)?;
        Ok(made)
    }

    /// Removes the name again if `result` is an error. That error is returned even if the removal fails too; then a
    /// sound, but unwanted file stays.
    fn made<T>(&self, dentry: &Dentry, result: Result<T>) -> Result<T> {
        if result.is_err() {
            let _ = self.name_unlink(dentry.at());
        }
        result
    }

    /// A free name in the same directory.
    fn interim(&self, dentry: &Dentry, path: &ImagePath) -> Result<Dentry> {
        for number in 0..INTERIM_NAMES {
            let interim = dentry.beside(format!(".hcimage-{number}"));
            let found = self.name_lookup(interim.at());
            if found.map_err(|error| self.failed(error, "replacing", path, 1))?.is_none() {
                return Ok(interim);
            }
        }
        Err(bad(path, "its directory has too many names like .hcimage-0; remove them"))
    }

    /// The path of another name in the directory of `path`.
    pub(crate) fn beside(&self, path: &ImagePath, dentry: &Dentry) -> Result<ImagePath> {
        let dir = self.place(path, Last::Keep)?.path()?.parent().unwrap_or_else(ImagePath::root);
        dir.join(&String::from_utf8_lossy(dentry.at().name)).map_err(|error| bad(path, &error.to_string()))
    }

    /// A new file with `content` under a free name; none if it cannot be filled.
    fn new_file(&self, dentry: &Dentry, path: &ImagePath, content: &mut Source<'_>) -> Result<(Node, u64)> {
        let made = self.name_new_file(dentry.at(), 0o600);
        let inode = made.map_err(|error| self.failed(error, "creating", path, 1))?;
        let filled = self.fill(inode, path, content);
        let size = self.made(dentry, filled)?;
        Ok((Node { inode, kind: Kind::File }, size))
    }

    /// An error where an announced length cannot fit. What may fit is tried: how many blocks the extents take is
    /// known only then.
    fn must_fit(&self, path: &ImagePath, content: &Source<'_>) -> Result<()> {
        let Some(len) = content.len() else { return Ok(()) };
        let need = len.checked_next_multiple_of(u64::from(self.volume.sb.block_size())).unwrap_or(u64::MAX);
        let free = self.free()?.bytes;
        if need > free {
            return Err(FsError::NoSpace { what: path.as_str().to_owned(), need, free });
        }
        Ok(())
    }

    /// Streams `content` behind the end of a file, and returns how many bytes that were. If it fails, the file has
    /// some of them.
    fn fill(&self, inode: u32, path: &ImagePath, content: &mut Source<'_>) -> Result<u64> {
        let failed = |error, bytes| self.failed(error, "writing", path, bytes);
        let mut inode = self.volume.inode(inode).map_err(|error| failed(error, 0))?;
        if !self.volume.can_fill(&inode).map_err(|error| failed(error, 0))? {
            return self.fill_by_crate(inode.number, path, inode.size(), content);
        }
        let filled = self.volume.fill(&mut inode, content);
        self.tell_crate().map_err(|error| failed(error, 0))?;
        filled.map_err(|error| match error {
            FillError::Source(source) => {
                FsError::Io { what: format!("reading the content for {path}"), source }
            }
            FillError::Image(error, bytes) => failed(error, bytes),
        })
    }

    /// As [`Ext4::fill`], for files that only the crate can fill, from byte `start` on.
    fn fill_by_crate(
        &self,
        inode: u32,
        path: &ImagePath,
        start: u64,
        content: &mut Source<'_>,
    ) -> Result<u64> {
        let mut piece = Vec::new();
        let mut size: u64 = 0;
        loop {
            piece.clear();
            let source = |source| FsError::Io { what: format!("reading the content for {path}"), source };
            let count = Read::take(&mut *content, PIECE).read_to_end(&mut piece).map_err(source)?;
            if count == 0 {
                return Ok(size);
            }
            let bytes = u64::try_from(count).unwrap_or(u64::MAX);
            let written = self.fs().apply_pwrite_ino(inode, start.saturating_add(size), &piece);
            let written = written.and_then(|_| self.volume.seal_extents(inode));
            written.map_err(|error| self.failed(error, "writing", path, bytes))?;
            size = size.saturating_add(bytes);
        }
    }
}
