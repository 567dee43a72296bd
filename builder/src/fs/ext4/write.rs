//! Writing: every call leaves a sound file system behind, also when it fails.

use std::io::{self, Read};

use fs_ext4::error::Error;
use fs_ext4::superblock::Superblock;

use super::Ext4;
use super::content::FillError;
use super::error::{Exhausted, convert, exhausted};
use super::names::NameAt;
use super::resolve::{Last, Node, Place};
use crate::fs::{Attributes, FsError, ImagePath, Kind, Result, Space};

/// A name in an existing folder, free or taken.
struct Slot<'a> {
    at: NameAt<'a>,
    taken: Option<Node>,
}

impl Ext4 {
    /// Makes the folders of `path` that are missing.
    pub(super) fn make_folders(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        self.must_be_writable(path)?;
        let place = self.place(path, Last::Follow)?;
        let mut folder = self.existing(&ImagePath::root(), Last::Keep, None)?;
        for (name, node) in place.steps() {
            folder = match node {
                Some(node) if node.kind == Kind::Folder => node,
                Some(_) => return Err(bad(path, format!("{name} is not a folder"))),
                None => {
                    let at = NameAt { folder: folder.inode, name: name.as_bytes() };
                    let made = self.name_new_folder(at, attributes.mode);
                    let inode = made.map_err(|error| self.failed(error, "making folder", path, 1))?;
                    let node = Node { inode, kind: Kind::Folder };
                    self.apply_attributes(node, path, attributes)?;
                    node
                }
            };
        }
        Ok(())
    }

    /// Creates or replaces a regular file. A replaced one keeps nothing of the old: not its inode, so that
    /// other names of the old file keep the old content, nor its extended attributes. Where this fails, nothing
    /// has the name: neither half of the new file nor the old one.
    pub(super) fn write_file(
        &self,
        path: &ImagePath,
        content: &mut dyn Read,
        attributes: Attributes,
    ) -> Result<u64> {
        let place = self.place_for(path)?;
        let slot = self.slot(path, &place)?;
        self.vacate(&slot, path)?;
        let made = self.name_new_file(slot.at, attributes.mode);
        let inode = made.map_err(|error| self.failed(error, "creating", path, 1))?;
        let filled = self.fill(inode, path, content);
        let size = match filled {
            Ok(size) => size,
            Err(error) => {
                // The first error is the one to tell. If this fails too, a sound file that is too short stays.
                let _ = self.name_unlink(slot.at);
                return Err(error);
            }
        };
        self.apply_attributes(Node { inode, kind: Kind::File }, path, attributes)?;
        Ok(size)
    }

    /// Streams `content` into an empty file.
    fn fill(&self, inode: u32, path: &ImagePath, content: &mut dyn Read) -> Result<u64> {
        let failed = |error, bytes| self.failed(error, "writing", path, bytes);
        let mut inode = self.volume.inode(inode).map_err(|error| failed(error, 0))?;
        let filled = self.volume.fill(&mut inode, content);
        self.tell_crate().map_err(|error| failed(error, 0))?;
        filled.map_err(|error| match error {
            FillError::Source(source) => FsError::Io { what: format!("reading what goes to {path}"), source },
            FillError::Image(error, bytes) => failed(error, bytes),
        })
    }

    /// Creates or replaces a symbolic link.
    pub(super) fn make_symlink(&self, path: &ImagePath, target: &str, attributes: Attributes) -> Result<()> {
        if target.is_empty() || target.contains('\0') {
            return Err(bad(path, "a link needs a target without NUL".to_owned()));
        }
        let place = self.place_for(path)?;
        let slot = self.slot(path, &place)?;
        self.vacate(&slot, path)?;
        let made = self.name_new_symlink(slot.at, target.as_bytes());
        let inode = made.map_err(|error| self.failed(error, "linking", path, 1))?;
        self.apply_attributes(Node { inode, kind: Kind::Symlink }, path, attributes)
    }

    /// Removes a name that must exist and must not be a folder.
    pub(super) fn remove_name(&self, path: &ImagePath) -> Result<()> {
        let place = self.place_for(path)?;
        let slot = self.slot(path, &place)?;
        if slot.taken.is_none() {
            return Err(FsError::NotFound { path: path.as_str().to_owned() });
        }
        self.vacate(&slot, path)
    }

    /// Sets owner, permissions and times. The time of the last change of the inode itself (`ctime`) is
    /// the one given when opening; a link's permissions stay 0777, as everywhere.
    fn apply_attributes(&self, node: Node, path: &ImagePath, attributes: Attributes) -> Result<()> {
        let volume = &self.volume;
        let set = volume.inode(node.inode).and_then(|mut inode| {
            inode.set_attributes(attributes, volume.now());
            volume.put_inode(&mut inode)
        });
        set.map_err(|error| self.failed(error, "setting owner, mode and time of", path, 1))
    }

    /// As [`Ext4::apply_attributes`], for a path, whose last component is not followed.
    pub(super) fn set_path_attributes(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        self.must_be_writable(path)?;
        let node = self.existing(path, Last::Keep, None)?;
        self.apply_attributes(node, path, attributes)
    }

    /// What is free now; the numbers of the opened file system are those of the beginning.
    pub(super) fn free(&self) -> Result<Space> {
        let sb = Superblock::read(self.fs().dev.as_ref())
            .map_err(|error| convert(error, "reading the superblock"))?;
        let bytes = sb.free_blocks_count.saturating_mul(u64::from(sb.block_size()));
        Ok(Space { bytes, inodes: u64::from(sb.free_inodes_count) })
    }

    fn place_for(&self, path: &ImagePath) -> Result<Place> {
        self.must_be_writable(path)?;
        self.place(path, Last::Keep)
    }

    fn slot<'a>(&self, path: &ImagePath, place: &'a Place) -> Result<Slot<'a>> {
        match place.parent() {
            None => Err(bad(path, "it is the root folder".to_owned())),
            Some((None, _)) => {
                let folder = path.parent().unwrap_or_else(ImagePath::root);
                Err(FsError::NotFound { path: folder.as_str().to_owned() })
            }
            Some((Some(folder), name)) => {
                let at = NameAt { folder: folder.inode, name: name.as_bytes() };
                Ok(Slot { at, taken: place.node() })
            }
        }
    }

    /// Frees a name. Only the name goes where the file has others.
    fn vacate(&self, slot: &Slot<'_>, path: &ImagePath) -> Result<()> {
        match slot.taken {
            None => Ok(()),
            Some(node) if node.kind == Kind::Folder => Err(bad(path, "it is a folder".to_owned())),
            Some(_) => {
                let removed = self.name_unlink(slot.at);
                removed.map_err(|error| self.failed(error, "removing", path, 0))
            }
        }
    }

    fn must_be_writable(&self, path: &ImagePath) -> Result<()> {
        if self.writable {
            return Ok(());
        }
        let source = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        Err(FsError::Io { what: format!("writing {path} in an image that was opened for reading"), source })
    }

    /// An error of the crate while it did `what` to `path` with `bytes` more to place.
    fn failed(&self, error: Error, what: &str, path: &ImagePath, bytes: u64) -> FsError {
        let free = |of: fn(Space) -> u64| self.free().map_or(0, of);
        let block = u64::from(self.volume.sb.block_size());
        let subject = path.as_str().to_owned();
        match exhausted(&error) {
            Some(Exhausted::Blocks) => {
                let need = bytes.max(1).next_multiple_of(block);
                FsError::NoSpace { what: subject, need, free: free(|space| space.bytes) }
            }
            Some(Exhausted::Inodes) => {
                FsError::NoInodes { what: subject, need: 1, free: free(|space| space.inodes) }
            }
            None => convert(error, &format!("{what} {path}")),
        }
    }
}

fn bad(path: &ImagePath, problem: String) -> FsError {
    FsError::BadPath { path: path.as_str().to_owned(), problem }
}
