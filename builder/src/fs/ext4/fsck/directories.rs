//! The tree of directories: every entry is valid, names an inode in use, and is there once.
//!
//! The crate's own check accepts a directory without `.`, and does not look at inodes without names.
//!
//! [Directories](https://docs.kernel.org/filesystems/ext4/directory.html): entries fill their block; the first block
//! begins with `.` and `..`. The inner blocks of a hash tree look like blocks with one empty entry.

use std::collections::HashSet;

use fs_ext4::Filesystem;
use fs_ext4::dir::has_csum_tail;
use fs_ext4::inode::{Inode, InodeFlags, S_IFDIR};

use super::blocks::read_block;
use super::htree;
use super::inodes::Inodes;
use crate::fs::Result;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::directory_block::{DIRECTORY, TAIL, kind};
use crate::fs::ext4::layout::inode::ROOT;
use crate::fs::ext4::volume::blocks::Volume;

/// Bytes of an entry before its name.
const HEAD: usize = 8;

/// Walks through all directories, and notes in `inodes` what they name.
pub(crate) fn check(fs: &Filesystem, volume: &Volume, inodes: &mut Inodes) -> Result<()> {
    let mut waiting = vec![Dir { number: ROOT, above: ROOT }];
    // `..` of the root, which leads to itself; every other directory is named where it is.
    inodes.named(ROOT);
    while let Some(dir) = waiting.pop() {
        dir.check(fs, volume, inodes, &mut waiting)?;
    }
    inodes.check_links(fs)
}

/// A directory that was found.
struct Dir {
    number: u32,
    above: u32,
}

/// An entry of a block.
struct Entry<'a> {
    inode: u32,
    kind: u8,
    name: &'a [u8],
}

impl Dir {
    fn check(
        &self,
        fs: &Filesystem,
        volume: &Volume,
        inodes: &mut Inodes,
        waiting: &mut Vec<Self>,
    ) -> Result<()> {
        let what = format!("directory inode {}", self.number);
        let (inode, _) = fs.read_inode_verified(self.number).map_err(|error| convert(error, &what))?;
        let block_size = u64::from(fs.sb.block_size());
        if !inode.is_dir() || inode.size == 0 || !inode.size.is_multiple_of(block_size) {
            return Err(self.damaged(format!("it has {} bytes", inode.size)));
        }
        let mut names = HashSet::new();
        for logical in 0..inode.size / block_size {
            let bytes = self.block(fs, &inode, logical)?;
            let mut entries = self.entries(&bytes, self.end(fs, &inode, logical, &bytes)?)?.into_iter();
            if logical == 0 {
                self.check_dots(inodes, [entries.next(), entries.next()])?;
            }
            for entry in entries.filter(|entry| entry.inode != 0) {
                if !names.insert(entry.name.to_vec()) {
                    return Err(self.damaged(format!("it has the name {} twice", entry.text())));
                }
                self.check_entry(inodes, &entry, waiting)?;
            }
        }
        self.check_tree(volume)
    }

    /// Checks the directory's hash tree and checksums. Directories that ext3 made, without extents, have the crate's audit.
    fn check_tree(&self, volume: &Volume) -> Result<()> {
        let checked = match volume.dir(self.number) {
            Ok(Some(dir)) => htree::check(volume, &dir),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        checked.map_err(|error| convert(error, &format!("directory inode {}", self.number)))
    }

    fn block(&self, fs: &Filesystem, inode: &Inode, logical: u64) -> Result<Vec<u8>> {
        let what = || format!("block {logical} of directory inode {}", self.number);
        let place = fs.map_inode_logical(inode, logical).map_err(|error| convert(error, &what()))?;
        let place = place.ok_or_else(|| self.damaged(format!("its block {logical} is a hole")))?;
        read_block(fs, place)
    }

    /// Where the entries of a block end: before its checksum. A block of a hash tree keeps its own elsewhere.
    fn end(&self, fs: &Filesystem, inode: &Inode, logical: u64, bytes: &[u8]) -> Result<usize> {
        let indexed = inode.flags & InodeFlags::INDEX.bits() != 0;
        let empty = split(bytes).is_some_and(|(entry, behind)| entry.inode == 0 && behind.is_empty());
        if !fs.csum.enabled || (indexed && (logical == 0 || empty)) {
            return Ok(bytes.len());
        }
        if !has_csum_tail(bytes) {
            return Err(self.damaged(format!("its block {logical} has no checksum")));
        }
        Ok(bytes.len().saturating_sub(TAIL))
    }

    /// The entries of a block, unused ones too.
    fn entries<'a>(&self, bytes: &'a [u8], end: usize) -> Result<Vec<Entry<'a>>> {
        let mut rest = bytes.get(..end).unwrap_or_default();
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let (entry, behind) =
                split(rest).ok_or_else(|| self.damaged("an entry does not fit".to_owned()))?;
            entries.push(entry);
            rest = behind;
        }
        Ok(entries)
    }

    fn check_dots(&self, inodes: &mut Inodes, dots: [Option<Entry<'_>>; 2]) -> Result<()> {
        for (entry, (name, inode)) in dots.into_iter().zip([(&b"."[..], self.number), (b"..", self.above)]) {
            let right =
                |entry: &Entry<'_>| entry.name == name && entry.inode == inode && entry.kind == DIRECTORY;
            if !entry.is_some_and(|entry| right(&entry)) {
                let name = String::from_utf8_lossy(name);
                return Err(self.damaged(format!("its entry `{name}` is missing or wrong")));
            }
        }
        inodes.named(self.number);
        if self.number != ROOT {
            inodes.named(self.above);
        }
        Ok(())
    }

    fn check_entry(&self, inodes: &mut Inodes, entry: &Entry<'_>, waiting: &mut Vec<Self>) -> Result<()> {
        let name = entry.name;
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
            return Err(self.damaged(format!("{} is not a name", entry.text())));
        }
        let Some(used) = inodes.named(entry.inode) else {
            let (text, inode) = (entry.text(), entry.inode);
            return Err(self.damaged(format!("{text} names inode {inode}, which is not in use")));
        };
        if kind(used.format) != entry.kind || entry.kind == 0 {
            return Err(self.damaged(format!("{} has another kind than its inode", entry.text())));
        }
        if used.format == S_IFDIR {
            if !inodes.enter(entry.inode) {
                return Err(self.damaged(format!("{} is a directory with a second name", entry.text())));
            }
            waiting.push(Self { number: entry.inode, above: self.number });
        }
        Ok(())
    }

    fn damaged(&self, problem: String) -> crate::fs::FsError {
        corrupt(format!("directory inode {}: {problem}", self.number))
    }
}

impl Entry<'_> {
    fn text(&self) -> String {
        format!("{:?}", String::from_utf8_lossy(self.name))
    }
}

/// The first entry of some bytes, and what is behind it.
fn split(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (inode, rest) = bytes.split_first_chunk::<4>()?;
    let ([low, high, name_len, kind], rest) = rest.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_le_bytes([*low, *high]));
    let name_len = usize::from(*name_len);
    let inode = u32::from_le_bytes(*inode);
    let room = len.checked_sub(HEAD).filter(|room| *room > 0 && len.is_multiple_of(4))?;
    let (own, behind) = rest.split_at_checked(room)?;
    let name = if inode == 0 { &[] } else { own.get(..name_len)? };
    Some((Entry { inode, kind: *kind, name }, behind))
}
