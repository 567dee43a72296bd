//! Reading: what is there, what a directory holds, what a file contains.

use std::io::Write;

use fs_ext4::dir::{DirEntry, DirEntryType, parse_block_verified};
use fs_ext4::inode::{Inode, InodeFlags, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};

use super::Ext4;
use super::error::{convert, corrupt};
use super::names::NameAt;
use super::resolve::{Last, Node, Place, Tree, resolve};
use crate::fs::{Attributes, Entry, FsError, ImagePath, Kind, Result, Stat};

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// The inode of the root directory, fixed by the format.
const ROOT: u32 = 2;

/// The file system as path resolution sees it.
pub(super) struct Ext4Tree<'a>(&'a Ext4);

impl Tree for Ext4Tree<'_> {
    fn root(&self) -> Node {
        Node { inode: ROOT, kind: Kind::Dir }
    }

    fn child(&self, dir: u32, name: &str) -> Result<Option<Node>> {
        let found = self.0.name_lookup(NameAt { dir, name: name.as_bytes() });
        let found =
            found.map_err(|error| convert(error, &format!("looking up {name:?} in directory inode {dir}")));
        let Some(inode) = found? else { return Ok(None) };
        let kind = kind_of(&self.0.inode(inode, name)?);
        Ok(Some(Node { inode, kind }))
    }

    fn target(&self, link: u32) -> Result<String> {
        let bytes = self.0.fs().read_link_ino(link);
        let bytes = bytes.map_err(|error| convert(error, &format!("reading the link in inode {link}")))?;
        String::from_utf8(bytes).map_err(|error| FsError::BadPath {
            path: String::from_utf8_lossy(error.as_bytes()).into_owned(),
            problem: "a link's target that is not UTF-8 cannot be followed".to_owned(),
        })
    }
}

impl Ext4 {
    pub(super) fn tree(&self) -> Ext4Tree<'_> {
        Ext4Tree(self)
    }

    pub(super) fn place(&self, path: &ImagePath, last: Last) -> Result<Place> {
        resolve(&self.tree(), path, last)
    }

    /// What is at `path`, which must exist and be of `kind`, unless any kind will do.
    pub(super) fn existing(&self, path: &ImagePath, last: Last, kind: Option<Kind>) -> Result<Node> {
        let Some(node) = self.place(path, last)?.node() else {
            return Err(FsError::NotFound { path: path.as_str().to_owned() });
        };
        match kind {
            Some(kind) if kind != node.kind => Err(FsError::BadPath {
                path: path.as_str().to_owned(),
                problem: format!("{} is needed, {} is there", name_of(kind), name_of(node.kind)),
            }),
            _ => Ok(node),
        }
    }

    pub(super) fn inode(&self, number: u32, name: &str) -> Result<Inode> {
        self.fs()
            .stat_ino(number)
            .map_err(|error| convert(error, &format!("reading inode {number} of {name}")))
    }

    pub(super) fn stat_path(&self, path: &ImagePath) -> Result<Option<Stat>> {
        let Some(node) = self.place(path, Last::Keep)?.node() else {
            return Ok(None);
        };
        let inode = self.inode(node.inode, path.as_str())?;
        let noted = self.is_noted(node.inode).map_err(|error| convert(error, "reading times"))?;
        let mtime = if noted { self.volume.now() } else { inode.mtime };
        let attributes = Attributes { mode: inode.mode & 0o7777, uid: inode.uid, gid: inode.gid, mtime };
        Ok(Some(Stat { kind: node.kind, size: inode.size, attributes }))
    }

    pub(super) fn list_dir(&self, path: &ImagePath) -> Result<Vec<Entry>> {
        let dir = self.existing(path, Last::Keep, Some(Kind::Dir))?;
        let what = format!("listing {path}");
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
    pub(super) fn dir_blocks(&self, dir: u32) -> fs_ext4::Result<u64> {
        Ok(self.fs().stat_ino(dir)?.size.div_ceil(u64::from(self.volume.sb.block_size())))
    }

    /// The entries in one block of a directory, compared with its checksum, which the crate's own listing does not do.
    pub(super) fn dir_block(&self, dir: u32, logical: u64) -> fs_ext4::Result<Vec<DirEntry>> {
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

    /// What an inode is.
    pub(super) fn kind(&self, inode: u32, name: &str) -> Result<Kind> {
        Ok(kind_of(&self.inode(inode, name)?))
    }

    pub(super) fn copy_file(&self, path: &ImagePath, out: &mut dyn Write) -> Result<u64> {
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

    pub(super) fn read_file(&self, path: &ImagePath, limit: u64) -> Result<Vec<u8>> {
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

pub(super) fn kind_of(inode: &Inode) -> Kind {
    match inode.mode & S_IFMT {
        S_IFREG => Kind::File,
        S_IFDIR => Kind::Dir,
        S_IFLNK => Kind::Symlink,
        _ => Kind::Special,
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

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "a regular file",
        Kind::Dir => "a directory",
        Kind::Symlink => "a symbolic link",
        Kind::Special => "a device, socket or FIFO",
    }
}
