//! Reading: what a path names, what a directory holds, what a file contains.

use std::io::Write;

use fs_ext4::dir::{DirEntry, DirEntryType, parse_block_verified};
use fs_ext4::inode::InodeFlags;

use super::handle::Ext4;
use super::lookup::kind_of;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::resolve::Last;
use crate::fs::{Attributes, Entry, FsError, ImagePath, Kind, Result, Stat};

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// The largest directory in bytes that is listed: its names are kept in memory. It has room for a million of them.
const LARGEST_DIR: u64 = 16 << 20;

impl Ext4 {
    pub(crate) fn stat_path(&self, path: &ImagePath) -> Result<Option<Stat>> {
        let Some(node) = self.place(path, Last::Keep)?.node() else {
            return Ok(None);
        };
        let inode = self.inode(node.inode, path.as_str())?;
        let noted = self.is_noted(node.inode).map_err(|error| convert(error, "reading times"))?;
        let mtime = if noted { self.volume.now() } else { inode.mtime };
        let attributes = Attributes { mode: inode.mode & 0o7777, uid: inode.uid, gid: inode.gid, mtime };
        Ok(Some(Stat { kind: node.kind, size: inode.size, attributes }))
    }

    pub(crate) fn list_dir(&self, path: &ImagePath) -> Result<Vec<Entry>> {
        let dir = self.existing(path, Last::Keep, Some(Kind::Dir))?;
        let what = format!("listing {path}");
        let blocks = self.dir_blocks(dir.inode).map_err(|error| convert(error, &what))?;
        if blocks.saturating_mul(u64::from(self.volume.sb.block_size())) > LARGEST_DIR {
            return Err(FsError::Unsupported {
                what: format!("{path}, a directory of more than {LARGEST_DIR} bytes,"),
            });
        }
        let found = self.dir_entries(dir.inode).map_err(|error| convert(error, &what))?;
        let mut entries = Vec::with_capacity(found.len());
        for entry in found.iter().filter(|entry| entry.name != b"." && entry.name != b"..") {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let kind = match kind_of_entry(entry.file_type) {
                Some(kind) => kind,
                None => kind_of(&self.inode(entry.inode, &name)?),
            };
            entries.push(Entry { name, kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// All entries of a directory.
    fn dir_entries(&self, dir: u32) -> fs_ext4::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for logical in 0..self.dir_blocks(dir)? {
            entries.append(&mut self.dir_block(dir, logical)?);
        }
        Ok(entries)
    }

    /// Blocks that a directory has, those of its hash tree among them.
    pub(crate) fn dir_blocks(&self, dir: u32) -> fs_ext4::Result<u64> {
        Ok(self.fs().stat_ino(dir)?.size.div_ceil(u64::from(self.volume.sb.block_size())))
    }

    /// The entries in one block of a directory, its checksum compared, which the crate's own listing does not do.
    pub(crate) fn dir_block(&self, dir: u32, logical: u64) -> fs_ext4::Result<Vec<DirEntry>> {
        let fs = &*self.fs();
        let inode = fs.stat_ino(dir)?;
        let Some(block) = fs.map_inode_logical(&inode, logical)? else { return Ok(Vec::new()) };
        let bytes = fs.read_block(block)?;
        if logical == 0 && inode.flags & InodeFlags::INDEX.bits() != 0 {
            // The root of a hash tree: `.` and `..`, then the tree, with a checksum of another form.
            return fs_ext4::dir::parse_block(&bytes, true);
        }
        parse_block_verified(&bytes, true, dir, inode.generation, &fs.csum)
    }

    pub(crate) fn copy_file(&self, path: &ImagePath, out: &mut dyn Write) -> Result<u64> {
        let node = self.existing(path, Last::Keep, Some(Kind::File))?;
        let what = format!("reading {path}");
        let size = self.inode(node.inode, path.as_str())?.size;
        let mut buffer = vec![0; usize::try_from(size).map_or(PIECE, |size| size.min(PIECE))];
        let mut done: u64 = 0;
        while done < size {
            let count =
                self.fs().read_ino(node.inode, done, &mut buffer).map_err(|error| convert(error, &what))?;
            let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
                return Err(corrupt(format!("{what}: it ends at byte {done} of {size}")));
            };
            out.write_all(piece).map_err(|source| FsError::Io { what: what.clone(), source })?;
            done = done.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(done)
    }

    pub(crate) fn read_file(&self, path: &ImagePath, limit: u64) -> Result<Vec<u8>> {
        let node = self.existing(path, Last::Keep, Some(Kind::File))?;
        let size = self.inode(node.inode, path.as_str())?.size;
        if size > limit {
            return Err(FsError::BadPath {
                path: path.as_str().to_owned(),
                problem: format!("it has {size} bytes, at most {limit} are expected"),
            });
        }
        let mut bytes = Vec::new();
        self.copy_file(path, &mut bytes)?;
        Ok(bytes)
    }
}

fn kind_of_entry(kind: DirEntryType) -> Option<Kind> {
    match kind {
        DirEntryType::Unknown => None,
        DirEntryType::RegFile => Some(Kind::File),
        DirEntryType::Directory => Some(Kind::Dir),
        DirEntryType::Symlink => Some(Kind::Symlink),
        _ => Some(Kind::Special),
    }
}
