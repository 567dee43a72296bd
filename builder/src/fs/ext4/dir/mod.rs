//! Directories: names looked up, added and removed, in time that does not grow with the directory where it has a hash tree.
//!
//! A directory is a file of blocks of entries. Where the file system has `dir_index`, a directory that outgrows its
//! first block gets a hash tree, as the kernel makes it; one that has grown without a tree stays as it is.

mod check;
pub(super) mod entry;
mod index;
mod linear;
mod tree;

use fs_ext4::dir::has_csum_tail;
use fs_ext4::error::{Error, Result};

use self::entry::{Entry, TAIL};
pub(super) use self::linear::Names;
use super::bytes::{get_u16, get_u32};
use super::inode::{DIR, EXTENTS, INDEX, INLINE_DATA, Inode};
use super::volume::Volume;

/// `dir_index` among the compatible features, and `large_dir` among the incompatible ones.
const DIR_INDEX: u32 = 0x20;
const LARGE_DIR: u32 = 0x4000;

impl Volume {
    /// A directory that this code knows: its blocks are found by extents.
    pub(super) fn dir(&self, number: u32) -> Result<Option<Inode>> {
        let inode = self.inode(number)?;
        if inode.format() != DIR {
            return Err(Error::NotADirectory);
        }
        // A directory has no holes: one that is larger than the file system would only be walked for ever.
        if inode.size() > self.sb.filesystem_bytes().unwrap_or(u64::MAX) {
            return Err(Error::CorruptDirEntry("a directory larger than the file system"));
        }
        Ok((inode.has(EXTENTS) && !inode.has(INLINE_DATA)).then_some(inode))
    }

    /// The inode that has a name, and the kind that the entry says.
    pub(super) fn find_name(&self, dir: &Inode, name: &[u8], names: &mut Names) -> Result<Option<(u32, u8)>> {
        let block = if dir.has(INDEX) { self.tree_find(dir, name)? } else { names.find(self, dir, name)? };
        let Some(block) = block else { return Ok(None) };
        let bytes = self.entries_block(dir, block)?;
        Ok(entry::find(&bytes, name)?.map(|entry| (entry.inode, entry.kind)))
    }

    /// Adds a name that the directory does not have. The directory's inode is written where it grows.
    pub(super) fn add_name(&self, dir: &mut Inode, new: Entry<'_>, names: &mut Names) -> Result<()> {
        if dir.has(INDEX) {
            return self.tree_add(dir, new);
        }
        if names.add(self, dir, new)? {
            return Ok(());
        }
        let indexed = self.sb.feature_compat & DIR_INDEX != 0 && self.dir_blocks(dir) == 1;
        if indexed {
            names.forget();
            self.tree_make(dir)?;
            return self.tree_add(dir, new);
        }
        let mut block = self.empty_entries();
        entry::insert(&mut block, new)?;
        let at = self.grow_dir(dir, &mut block)?;
        names.grown(dir, at, new.name);
        Ok(())
    }

    /// Removes a name. False if the directory does not have it.
    pub(super) fn remove_name(&self, dir: &Inode, name: &[u8], names: &mut Names) -> Result<bool> {
        let removed = self.edit_name(dir, name, names, |bytes| entry::remove(bytes, name))?;
        if removed {
            names.removed(dir, name);
        }
        Ok(removed)
    }

    /// Lets a name stand for another inode. False if the directory does not have it.
    pub(super) fn point_name(&self, dir: &Inode, new: Entry<'_>, names: &mut Names) -> Result<bool> {
        self.edit_name(dir, new.name, names, |bytes| entry::replace(bytes, new))
    }

    fn edit_name(
        &self,
        dir: &Inode,
        name: &[u8],
        names: &mut Names,
        edit: impl FnOnce(&mut [u8]) -> Result<bool>,
    ) -> Result<bool> {
        let block = if dir.has(INDEX) { self.tree_find(dir, name)? } else { names.find(self, dir, name)? };
        let Some(block) = block else { return Ok(false) };
        let mut bytes = self.entries_block(dir, block)?;
        let done = edit(&mut bytes)?;
        if done {
            names.has_room(dir, block);
            self.put_entries(dir, block, &mut bytes)?;
        }
        Ok(done)
    }

    /// Lets `..` of a directory stand for another one.
    pub(super) fn set_parent(&self, dir: &Inode, parent: u32) -> Result<()> {
        if dir.has(INDEX) {
            return self.tree_set_parent(dir, parent);
        }
        let mut bytes = self.entries_block(dir, 0)?;
        let entry = Entry { inode: parent, kind: entry::kind(DIR), name: b".." };
        if !entry::replace(&mut bytes, entry)? {
            return Err(Error::CorruptDirEntry("a directory without .."));
        }
        self.put_entries(dir, 0, &mut bytes)
    }

    /// What `..` of a directory stands for: the second entry, of a tree's root too.
    pub(super) fn parent_of(&self, dir: &Inode) -> Result<u32> {
        let first = self.dir_block(dir, 0)?;
        // Not by walking: the entries of a tree's root run into what the kernel left of an older checksum.
        let (at, name) = (usize::from(get_u16(&first, 4)), 8);
        match first.get(at..).filter(|entry| entry.get(name..name + 2) == Some(b"..")) {
            Some(entry) => Ok(get_u32(entry, 0)),
            None => Err(Error::CorruptDirEntry("a directory whose second entry is not ..")),
        }
    }

    /// Whether a directory has no names but `.` and `..`.
    pub(super) fn is_empty_dir(&self, dir: &Inode) -> Result<bool> {
        // The first block of a tree holds no other names; its nodes look like blocks of unused entries.
        for logical in u32::from(dir.has(INDEX))..self.dir_blocks(dir) {
            let bytes = self.dir_block(dir, logical)?;
            for placed in entry::entries(&bytes) {
                let entry = placed?.entry;
                if entry.inode != 0 && entry.name != b"." && entry.name != b".." {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The only block of a new directory: `.` and `..`.
    pub(super) fn first_entries(&self, dir: &Inode, parent: u32) -> Result<Vec<u8>> {
        let kind = entry::kind(DIR);
        let dots = [(dir.number, &b"."[..]), (parent, b"..")];
        let mut block = vec![0; self.block_size()];
        entry::fill(&mut block, self.usable(), dots.map(|(inode, name)| Entry { inode, kind, name }))?;
        self.csum.patch_dir_entry_tail(dir.number, dir.generation(), &mut block);
        Ok(block)
    }

    /// Blocks of a directory.
    fn dir_blocks(&self, dir: &Inode) -> u32 {
        u32::try_from(dir.size().div_ceil(self.sb.block_size().into())).unwrap_or(u32::MAX)
    }

    /// A block of a directory, whatever is in it.
    fn dir_block(&self, dir: &Inode, logical: u32) -> Result<Vec<u8>> {
        self.read_block(self.dir_place(dir, logical)?)
    }

    fn dir_place(&self, dir: &Inode, logical: u32) -> Result<u64> {
        self.map(dir, logical)?.ok_or(Error::CorruptDirEntry("a directory with a hole"))
    }

    /// A block of entries, its checksum compared.
    fn entries_block(&self, dir: &Inode, logical: u32) -> Result<Vec<u8>> {
        let bytes = self.dir_block(dir, logical)?;
        let sound =
            has_csum_tail(&bytes) && self.csum.verify_dir_entry_tail(dir.number, dir.generation(), &bytes);
        if self.csum.enabled && !sound {
            return Err(Error::BadChecksum { what: "directory block" });
        }
        Ok(bytes)
    }

    /// Writes a block of entries with its checksum.
    fn put_entries(&self, dir: &Inode, logical: u32, bytes: &mut [u8]) -> Result<()> {
        self.csum.patch_dir_entry_tail(dir.number, dir.generation(), bytes);
        self.write_block(self.dir_place(dir, logical)?, bytes)
    }

    /// A block with room for entries only.
    fn empty_entries(&self) -> Vec<u8> {
        let mut block = vec![0; self.block_size()];
        // An empty block always has room for nothing.
        let _ = entry::fill(&mut block, self.usable(), []);
        block
    }

    /// Bytes for entries in a new block.
    pub(super) fn usable(&self) -> usize {
        self.block_size().saturating_sub(if self.csum.enabled { TAIL } else { 0 })
    }

    /// Adds a block to a directory and returns its number in it. A block of entries gets its checksum here.
    fn grow_dir(&self, dir: &mut Inode, entries: &mut [u8]) -> Result<u32> {
        self.csum.patch_dir_entry_tail(dir.number, dir.generation(), entries);
        self.grow_dir_by(dir, entries)
    }

    /// As [`Volume::grow_dir`], for a block that is complete.
    fn grow_dir_by(&self, dir: &mut Inode, block: &[u8]) -> Result<u32> {
        let logical = self.dir_blocks(dir);
        let goal = match logical.checked_sub(1) {
            Some(last) => self.dir_place(dir, last)?.saturating_add(1),
            None => self.group_start(dir.number.saturating_sub(1) / self.sb.inodes_per_group.max(1)),
        };
        let run = self.take_blocks(goal, 1)?;
        if let Err(error) = self.append(dir, logical, run) {
            self.free_blocks(run)?;
            return Err(error);
        }
        dir.set_size(dir.size().saturating_add(self.sb.block_size().into()));
        self.write_block(run.start, block)?;
        self.put_inode(dir)?;
        Ok(logical)
    }
}
