//! Folders: names looked up, added and removed, in time that does not grow with the folder where it has a hash tree.
//!
//! A folder is a file of blocks of entries. Where the file system has `dir_index`, a folder that outgrows its
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
use super::inode::{EXTENTS, FOLDER, INDEX, INLINE_DATA, Inode};
use super::volume::Volume;

/// `dir_index` among the compatible features, and `large_dir` among the incompatible ones.
const DIR_INDEX: u32 = 0x20;
const LARGE_DIR: u32 = 0x4000;

impl Volume {
    /// A folder that this code knows: its blocks are found by extents.
    pub(super) fn folder(&self, number: u32) -> Result<Option<Inode>> {
        let inode = self.inode(number)?;
        if inode.format() != FOLDER {
            return Err(Error::NotADirectory);
        }
        // A folder has no holes: one that is larger than the file system would only be walked for ever.
        if inode.size() > self.sb.filesystem_bytes().unwrap_or(u64::MAX) {
            return Err(Error::CorruptDirEntry("a folder larger than the file system"));
        }
        Ok((inode.has(EXTENTS) && !inode.has(INLINE_DATA)).then_some(inode))
    }

    /// The inode that has a name, and the kind that the entry says.
    pub(super) fn find_name(
        &self,
        folder: &Inode,
        name: &[u8],
        names: &mut Names,
    ) -> Result<Option<(u32, u8)>> {
        let block =
            if folder.has(INDEX) { self.tree_find(folder, name)? } else { names.find(self, folder, name)? };
        let Some(block) = block else { return Ok(None) };
        let bytes = self.entries_block(folder, block)?;
        Ok(entry::find(&bytes, name)?.map(|entry| (entry.inode, entry.kind)))
    }

    /// Adds a name that the folder does not have. The folder's inode is written where it grows.
    pub(super) fn add_name(&self, folder: &mut Inode, new: Entry<'_>, names: &mut Names) -> Result<()> {
        if folder.has(INDEX) {
            return self.tree_add(folder, new);
        }
        if names.add(self, folder, new)? {
            return Ok(());
        }
        let indexed = self.sb.feature_compat & DIR_INDEX != 0 && self.folder_blocks(folder) == 1;
        if indexed {
            names.forget();
            self.tree_make(folder)?;
            return self.tree_add(folder, new);
        }
        let mut block = self.empty_entries();
        entry::insert(&mut block, new)?;
        let at = self.grow_folder(folder, &mut block)?;
        names.grown(folder, at, new.name);
        Ok(())
    }

    /// Removes a name. False if the folder does not have it.
    pub(super) fn remove_name(&self, folder: &Inode, name: &[u8], names: &mut Names) -> Result<bool> {
        let removed = self.edit_name(folder, name, names, |bytes| entry::remove(bytes, name))?;
        if removed {
            names.removed(folder, name);
        }
        Ok(removed)
    }

    /// Lets a name stand for another inode. False if the folder does not have it.
    pub(super) fn point_name(&self, folder: &Inode, new: Entry<'_>, names: &mut Names) -> Result<bool> {
        self.edit_name(folder, new.name, names, |bytes| entry::replace(bytes, new))
    }

    fn edit_name(
        &self,
        folder: &Inode,
        name: &[u8],
        names: &mut Names,
        edit: impl FnOnce(&mut [u8]) -> Result<bool>,
    ) -> Result<bool> {
        let block =
            if folder.has(INDEX) { self.tree_find(folder, name)? } else { names.find(self, folder, name)? };
        let Some(block) = block else { return Ok(false) };
        let mut bytes = self.entries_block(folder, block)?;
        let done = edit(&mut bytes)?;
        if done {
            names.has_room(folder, block);
            self.put_entries(folder, block, &mut bytes)?;
        }
        Ok(done)
    }

    /// Lets `..` of a folder stand for another one.
    pub(super) fn set_parent(&self, folder: &Inode, parent: u32) -> Result<()> {
        if folder.has(INDEX) {
            return self.tree_set_parent(folder, parent);
        }
        let mut bytes = self.entries_block(folder, 0)?;
        let entry = Entry { inode: parent, kind: entry::kind(FOLDER), name: b".." };
        if !entry::replace(&mut bytes, entry)? {
            return Err(Error::CorruptDirEntry("a folder without .."));
        }
        self.put_entries(folder, 0, &mut bytes)
    }

    /// What `..` of a folder stands for: the second entry, of a tree's root too.
    pub(super) fn parent_of(&self, folder: &Inode) -> Result<u32> {
        let first = self.folder_block(folder, 0)?;
        // Not by walking: the entries of a tree's root run into what the kernel left of an older checksum.
        let (at, name) = (usize::from(get_u16(&first, 4)), 8);
        match first.get(at..).filter(|entry| entry.get(name..name + 2) == Some(b"..")) {
            Some(entry) => Ok(get_u32(entry, 0)),
            None => Err(Error::CorruptDirEntry("a folder whose second entry is not ..")),
        }
    }

    /// Whether a folder has no names but `.` and `..`.
    pub(super) fn is_empty_folder(&self, folder: &Inode) -> Result<bool> {
        // The first block of a tree holds no other names; its nodes look like blocks of unused entries.
        for logical in u32::from(folder.has(INDEX))..self.folder_blocks(folder) {
            let bytes = self.folder_block(folder, logical)?;
            for placed in entry::entries(&bytes) {
                let entry = placed?.entry;
                if entry.inode != 0 && entry.name != b"." && entry.name != b".." {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The only block of a new folder: `.` and `..`.
    pub(super) fn first_entries(&self, folder: &Inode, parent: u32) -> Result<Vec<u8>> {
        let kind = entry::kind(FOLDER);
        let dots = [(folder.number, &b"."[..]), (parent, b"..")];
        let mut block = vec![0; self.block_size()];
        entry::fill(&mut block, self.usable(), dots.map(|(inode, name)| Entry { inode, kind, name }))?;
        self.csum.patch_dir_entry_tail(folder.number, folder.generation(), &mut block);
        Ok(block)
    }

    /// Blocks of a folder.
    fn folder_blocks(&self, folder: &Inode) -> u32 {
        u32::try_from(folder.size().div_ceil(self.sb.block_size().into())).unwrap_or(u32::MAX)
    }

    /// A block of a folder, whatever is in it.
    fn folder_block(&self, folder: &Inode, logical: u32) -> Result<Vec<u8>> {
        self.read_block(self.folder_place(folder, logical)?)
    }

    fn folder_place(&self, folder: &Inode, logical: u32) -> Result<u64> {
        self.map(folder, logical)?.ok_or(Error::CorruptDirEntry("a folder with a hole"))
    }

    /// A block of entries, its checksum compared.
    fn entries_block(&self, folder: &Inode, logical: u32) -> Result<Vec<u8>> {
        let bytes = self.folder_block(folder, logical)?;
        let sound = has_csum_tail(&bytes)
            && self.csum.verify_dir_entry_tail(folder.number, folder.generation(), &bytes);
        if self.csum.enabled && !sound {
            return Err(Error::BadChecksum { what: "folder block" });
        }
        Ok(bytes)
    }

    /// Writes a block of entries with its checksum.
    fn put_entries(&self, folder: &Inode, logical: u32, bytes: &mut [u8]) -> Result<()> {
        self.csum.patch_dir_entry_tail(folder.number, folder.generation(), bytes);
        self.write_block(self.folder_place(folder, logical)?, bytes)
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

    /// Adds a block to a folder and returns its number in it. A block of entries gets its checksum here.
    fn grow_folder(&self, folder: &mut Inode, entries: &mut [u8]) -> Result<u32> {
        self.csum.patch_dir_entry_tail(folder.number, folder.generation(), entries);
        self.grow_folder_by(folder, entries)
    }

    /// As [`Volume::grow_folder`], for a block that is complete.
    fn grow_folder_by(&self, folder: &mut Inode, block: &[u8]) -> Result<u32> {
        let logical = self.folder_blocks(folder);
        let goal = match logical.checked_sub(1) {
            Some(last) => self.folder_place(folder, last)?.saturating_add(1),
            None => self.group_start(folder.number.saturating_sub(1) / self.sb.inodes_per_group.max(1)),
        };
        let run = self.take_blocks(goal, 1)?;
        if let Err(error) = self.append(folder, logical, run) {
            self.free_blocks(run)?;
            return Err(error);
        }
        folder.set_size(folder.size().saturating_add(self.sb.block_size().into()));
        self.write_block(run.start, block)?;
        self.put_inode(folder)?;
        Ok(logical)
    }
}
