//! Directories and files: made, replaced and appended to. Every call leaves a sound file system behind, and one that
//! fails leaves what was there before.

use std::io::Read;

use super::Ext4;
use super::content::FillError;
use super::resolve::{Last, Node};
use super::slot::{Slot, bad, must_be};
use crate::fs::{Attributes, FsError, ImagePath, Kind, Result, Source};

/// Bytes that the crate is given at once: it keeps them in memory several times.
const PIECE: u64 = 1 << 20;

/// Names tried for a file that is to take another one's place.
const INTERIM_NAMES: u32 = 1000;

impl Ext4 {
    /// Makes the directories of `path` that are missing.
    pub(super) fn make_dirs(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
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
        let slot = self.slot(path)?;
        self.may_add(&slot, path)?;
        let made = self.name_new_dir(slot.at(), attributes.mode);
        let inode = made.map_err(|error| self.failed(error, "making directory", path, 1))?;
        self.apply_attributes(Node { inode, kind: Kind::Dir }, path, attributes)
    }

    /// Creates or replaces a regular file. A replaced one keeps nothing of the old: not its inode, so that
    /// other names of the old file keep the old content, nor its extended attributes.
    pub(super) fn write_file(
        &self,
        path: &ImagePath,
        content: &mut Source<'_>,
        attributes: Attributes,
    ) -> Result<u64> {
        self.must_fit(path, content)?;
        self.put(path, |slot| {
            let (node, size) = self.new_file(slot, path, content)?;
            Ok(self.apply_attributes(node, path, attributes).map(|()| size))
        })
    }

    /// Gives a regular file that exists another content, as a new inode with the owner, permissions and extended
    /// attributes of the old one and the time `mtime` (seconds since 1970). Other names of the old file keep the
    /// old content. Returns the size in bytes.
    ///
    /// # Errors
    /// As for [`FileSystem::write`](crate::fs::FileSystem::write), and `NotFound` where there is no file; the old
    /// file is then as it was.
    pub fn replace(&self, path: &ImagePath, content: &mut Source<'_>, mtime: i64) -> Result<u64> {
        let (_, old) = self.taken_slot(path)?;
        must_be(old, Kind::File, path)?;
        let inode = self.inode(old.inode, path.as_str())?;
        let attributes = Attributes { mode: inode.mode & 0o7777, uid: inode.uid, gid: inode.gid, mtime };
        self.must_fit(path, content)?;
        self.put(path, |slot| {
            let (node, size) = self.new_file(slot, path, content)?;
            let copied = self.beside(path, slot).and_then(|at| self.copy_xattrs(old, &at, path));
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
        let (_, node) = self.taken_slot(path)?;
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
            undone.map_err(|error| self.failed(error, "taking back what was appended to", path, 0))?;
        }
        filled
    }

    /// Puts what `make` makes under the name of `path`. Where the name is free it is made there, else under an
    /// interim name that then takes the old one's place, so that a failure leaves the old one.
    ///
    /// Where `make` itself fails, it has made nothing; what it returns is whether the rest went well, and if not,
    /// what it made is removed again.
    pub(super) fn put<T>(
        &self,
        path: &ImagePath,
        make: impl FnOnce(&Slot) -> Result<Result<T>>,
    ) -> Result<T> {
        let slot = self.slot(path)?;
        let Some(old) = slot.taken else {
            self.may_add(&slot, path)?;
            return self.made(&slot, make(&slot)?);
        };
        if old.kind == Kind::Dir {
            return Err(bad(path, "it is a directory"));
        }
        self.may_remove(&slot, path)?;
        let interim = self.interim(&slot, path)?;
        let made = self.made(&interim, make(&interim)?)?;
        let moved = self.name_move(interim.at(), slot.at());
        self.made(&interim, moved.map_err(|error| self.failed(error, "replacing", path, 1)))?;
        self.removed(old, path)?;
        Ok(made)
    }

    /// Takes the name away again if `result` is an error, which is the one to tell: should this fail too, a
    /// sound file stays that nobody asked for.
    fn made<T>(&self, slot: &Slot, result: Result<T>) -> Result<T> {
        if result.is_err() {
            let _ = self.name_unlink(slot.at());
        }
        result
    }

    /// A free name in the same directory.
    fn interim(&self, slot: &Slot, path: &ImagePath) -> Result<Slot> {
        for number in 0..INTERIM_NAMES {
            let interim = slot.beside(format!(".hcimage-{number}"));
            let found = self.name_lookup(interim.at());
            if found.map_err(|error| self.failed(error, "replacing", path, 1))?.is_none() {
                return Ok(interim);
            }
        }
        Err(bad(path, "its directory is full of names like .hcimage-0; remove them"))
    }

    /// The path of another name in the directory of `path`.
    pub(super) fn beside(&self, path: &ImagePath, slot: &Slot) -> Result<ImagePath> {
        let dir = self.place(path, Last::Keep)?.path()?.parent().unwrap_or_else(ImagePath::root);
        dir.join(&String::from_utf8_lossy(slot.at().name)).map_err(|error| bad(path, &error.to_string()))
    }

    /// A new file with `content` under a free name; none if it cannot be filled.
    fn new_file(&self, slot: &Slot, path: &ImagePath, content: &mut Source<'_>) -> Result<(Node, u64)> {
        let made = self.name_new_file(slot.at(), 0o600);
        let inode = made.map_err(|error| self.failed(error, "creating", path, 1))?;
        let filled = self.fill(inode, path, content);
        let size = self.made(slot, filled)?;
        Ok((Node { inode, kind: Kind::File }, size))
    }

    /// Refuses an announced length that cannot fit. What may fit is tried: only then is it known how many blocks
    /// the extents take.
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
            FillError::Source(source) => FsError::Io { what: format!("reading what goes to {path}"), source },
            FillError::Image(error, bytes) => failed(error, bytes),
        })
    }

    /// As [`Ext4::fill`], for files that only the crate knows, from byte `start` on.
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
            let source = |source| FsError::Io { what: format!("reading what goes to {path}"), source };
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
