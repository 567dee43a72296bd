//! Names in directories: looked up, added, removed, and pointed to another inode.
//!
//! Where the file system has `dir_index`, a directory that outgrows its first block gets a hash tree, as under the
//! kernel; one that has grown without a tree stays as it is.

use fs_ext4::error::{Error, Result};

use super::linear::LinearIndex;
use crate::fs::ext4::layout::bytes::{get_u16, get_u32};
use crate::fs::ext4::layout::directory_block::{self, Entry};
use crate::fs::ext4::layout::features::DIR_INDEX;
use crate::fs::ext4::layout::inode::{DIR, INDEX, Inode};
use crate::fs::ext4::volume::blocks::Volume;

impl Volume {
    /// The inode of a name, and the kind that its entry says.
    pub(crate) fn find_name(
        &self,
        dir: &Inode,
        name: &[u8],
        names: &mut LinearIndex,
    ) -> Result<Option<(u32, u8)>> {
        let block = if dir.has(INDEX) { self.tree_find(dir, name)? } else { names.find(self, dir, name)? };
        let Some(block) = block else { return Ok(None) };
        let bytes = self.entries_block(dir, block)?;
        Ok(directory_block::find(&bytes, self.usable(), name)?.map(|entry| (entry.inode, entry.kind)))
    }

    /// Adds a name that the directory does not have. The directory's inode is written where it grows.
    pub(crate) fn add_name(&self, dir: &mut Inode, new: Entry<'_>, names: &mut LinearIndex) -> Result<()> {
        if dir.has(INDEX) {
            return self.tree_add(dir, new);
        }
        if names.add(self, dir, new)? {
            return Ok(());
        }
        let indexed = self.features.has_compat(DIR_INDEX) && self.dir_blocks(dir) == 1;
        if indexed {
            names.forget();
            self.tree_make(dir)?;
            return self.tree_add(dir, new);
        }
        let mut block = self.empty_entries()?;
        directory_block::insert(&mut block, self.usable(), new)?;
        let at = self.grow_dir(dir, &mut block)?;
        names.grown(dir, at, new.name);
        Ok(())
    }

    /// Removes a name. False if the directory does not have the name.
    pub(crate) fn remove_name(&self, dir: &Inode, name: &[u8], names: &mut LinearIndex) -> Result<bool> {
        let removed =
            self.edit_name(dir, name, names, |bytes| directory_block::remove(bytes, self.usable(), name))?;
        if removed {
            names.removed(dir, name);
        }
        Ok(removed)
    }

    /// Points a name to another inode. False if the directory does not have the name.
    pub(crate) fn point_name(&self, dir: &Inode, new: Entry<'_>, names: &mut LinearIndex) -> Result<bool> {
        self.edit_name(dir, new.name, names, |bytes| directory_block::replace(bytes, self.usable(), new))
    }

    fn edit_name(
        &self,
        dir: &Inode,
        name: &[u8],
        names: &mut LinearIndex,
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

    /// Points `..` of a directory to another one.
    pub(crate) fn set_parent(&self, dir: &Inode, parent: u32) -> Result<()> {
        if dir.has(INDEX) {
            return self.tree_set_parent(dir, parent);
        }
        let mut bytes = self.entries_block(dir, 0)?;
        let entry = Entry { inode: parent, kind: directory_block::kind(DIR), name: b".." };
        if !directory_block::replace(&mut bytes, self.usable(), entry)? {
            return Err(Error::CorruptDirEntry("a directory without .."));
        }
        self.put_entries(dir, 0, &mut bytes)
    }

    /// The inode of `..`, which is the second entry, also in the root of a hash tree.
    pub(crate) fn parent_of(&self, dir: &Inode) -> Result<u32> {
        let first = self.dir_block(dir, 0)?;
        // Not by walking: the entries of a tree's root run into what the kernel left of an older checksum.
        let (at, name) = (usize::from(get_u16(&first, 4)?), 8);
        match first.get(at..).filter(|entry| entry.get(name..name + 2) == Some(b"..")) {
            Some(entry) => get_u32(entry, 0),
            None => Err(Error::CorruptDirEntry("a directory whose second entry is not ..")),
        }
    }

    /// Whether a directory has no names but `.` and `..`.
    pub(crate) fn is_empty_dir(&self, dir: &Inode) -> Result<bool> {
        // The first block of a tree holds no other names; its nodes look like blocks of unused entries.
        for logical in u32::from(dir.has(INDEX))..self.dir_blocks(dir) {
            let bytes = self.dir_block(dir, logical)?;
            for placed in directory_block::entries(&bytes, self.usable()) {
                let entry = placed?.entry;
                if entry.inode != 0 && entry.name != b"." && entry.name != b".." {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The only block of a new directory: `.` and `..`.
    pub(crate) fn first_entries(&self, dir: &Inode, parent: u32) -> Result<Vec<u8>> {
        let kind = directory_block::kind(DIR);
        let dots = [(dir.number, &b"."[..]), (parent, b"..")];
        let mut block = vec![0; self.block_size()];
        directory_block::fill(
            &mut block,
            self.usable(),
            dots.map(|(inode, name)| Entry { inode, kind, name }),
        )?;
        self.csum.patch_dir_entry_tail(dir.number, dir.generation(), &mut block);
        Ok(block)
    }

    /// Whether a directory is not below another one, nor that one itself.
    pub(crate) fn is_outside(&self, dir: &Inode, other: u32) -> Result<bool> {
        let mut at = dir.clone();
        // More steps than inodes would be a loop.
        for _ in 0..self.sb.inodes_count {
            if at.number == other {
                return Ok(false);
            }
            match self.parent_of(&at)? {
                above if above == at.number => return Ok(true),
                above => at = self.inode(above)?,
            }
        }
        Err(Error::Corrupt("directories in a loop"))
    }
}
