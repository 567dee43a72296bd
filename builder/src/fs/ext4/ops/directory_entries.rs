//! Directory operations: names looked up, made and removed here and nowhere else.
//!
//! A name is bytes of one component, at most 255, without `/`. The functions know directories by inode, not by path, and
//! return errors of the crate, to which the callers add the path.
//!
//! A directory whose names change gets a new time, as under the kernel. The time is the same for all, so the directories
//! are noted, and their time is set once at the end.
//!
//! The crate walks through the whole directory for each name, so `volume::directory` edits directories.

use std::cell::RefMut;

use fs_ext4::error::{Error, Result};

use super::handle::Ext4;
use crate::fs::ext4::layout::directory_block::{Entry, kind};
use crate::fs::ext4::layout::extent_node::Node;
use crate::fs::ext4::layout::inode::{BLOCK_LEN, DIR, EXTENTS, Inode, REGULAR, SYMLINK};
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::ext4::volume::directory::linear::LinearIndex;
use crate::fs::ext4::volume::inode_links::MAX_LINKS;

/// A name in a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameAt<'a> {
    /// The directory's inode.
    pub(crate) dir: u32,
    /// The name.
    pub(crate) name: &'a [u8],
}

impl Ext4 {
    /// The inode that has the name; none if the directory has no such name.
    pub(crate) fn name_lookup(&self, at: NameAt<'_>) -> Result<Option<u32>> {
        let dir = self.volume.dir(at.dir)?;
        let found = self.volume.find_name(&dir, at.name, &mut self.names())?;
        Ok(found.map(|(inode, _)| inode))
    }

    /// Makes an empty regular file under a free name, and returns its inode.
    pub(crate) fn name_new_file(&self, at: NameAt<'_>, mode: u16) -> Result<u32> {
        self.noting(at, self.new_file_at(at, mode))
    }

    /// Makes an empty directory under a free name, and returns its inode.
    pub(crate) fn name_new_dir(&self, at: NameAt<'_>, mode: u16) -> Result<u32> {
        self.noting(at, self.new_dir_at(at, mode))
    }

    /// Makes a symbolic link under a free name, and returns its inode.
    pub(crate) fn name_new_symlink(&self, at: NameAt<'_>, target: &[u8]) -> Result<u32> {
        self.noting(at, self.new_symlink_at(at, target))
    }

    /// Removes a name of anything but a directory. With its last name the inode is freed, and all that it owns.
    pub(crate) fn name_unlink(&self, at: NameAt<'_>) -> Result<()> {
        self.noting(at, self.unlink_at(at))
    }

    /// Adds a name, which must be free, to an inode that is not a directory.
    pub(crate) fn name_link(&self, inode: u32, at: NameAt<'_>) -> Result<()> {
        self.noting(at, self.link_at(inode, at))
    }

    /// Removes the name of an empty directory, and the directory.
    pub(crate) fn name_remove_dir(&self, at: NameAt<'_>) -> Result<()> {
        self.noting(at, self.remove_dir_at(at))
    }

    /// Notes that the names of the directory have changed, if `result` is no error.
    pub(crate) fn noting<T>(&self, at: NameAt<'_>, result: Result<T>) -> Result<T> {
        if result.is_ok() {
            self.volume.edited.borrow_mut().insert(at.dir);
            self.changed_dirs.change(|dirs| dirs.insert(at.dir))?;
        }
        result
    }

    /// The time of the directory is not to be set any more: the directory is gone, or has been given a time.
    pub(crate) fn forget(&self, dir: u32) -> Result<()> {
        self.changed_dirs.change(|dirs| dirs.remove(&dir)).map(drop)
    }

    /// Whether the time of the directory is still to be set.
    pub(crate) fn is_noted(&self, dir: u32) -> Result<bool> {
        self.changed_dirs.change(|dirs| dirs.contains(&dir))
    }

    /// Sets the time of all directories whose names have changed.
    pub(crate) fn stamp_dirs(&self) -> Result<()> {
        let noted = self.changed_dirs.change(std::mem::take)?;
        noted.into_iter().try_for_each(|dir| {
            let mut dir = self.volume.dir(dir)?;
            dir.set_modified(self.volume.now())?;
            self.volume.put_inode(&mut dir)
        })
    }

    fn new_file_at(&self, at: NameAt<'_>, mode: u16) -> Result<u32> {
        let mut dir = self.dir_without(at)?;
        self.new_inode(&mut dir, at, REGULAR | mode & 0o7777, |_, inode| {
            inode.set_flag(EXTENTS);
            inode.set_block(&Node::empty_root());
            Ok(())
        })
    }

    fn new_dir_at(&self, at: NameAt<'_>, mode: u16) -> Result<u32> {
        let mut dir = self.dir_without(at)?;
        self.volume.may_gain_dir(&dir)?;
        let parent = dir.number;
        let inode = self.new_inode(&mut dir, at, DIR | mode & 0o7777, |volume, inode| {
            inode.set_flag(EXTENTS);
            inode.set_block(&Node::empty_root());
            let entries = volume.first_entries(inode, parent)?;
            volume.append_block(inode, &entries)?;
            inode.set_size(volume.sb.block_size().into());
            inode.set_links(2);
            Ok(())
        })?;
        self.volume.gain_dir(&mut dir)?;
        Ok(inode)
    }

    fn new_symlink_at(&self, at: NameAt<'_>, target: &[u8]) -> Result<u32> {
        let mut dir = self.dir_without(at)?;
        if target.len() >= self.volume.block_size() {
            return Err(Error::NameTooLong);
        }
        self.new_inode(&mut dir, at, SYMLINK | 0o777, |volume, inode| {
            let mut block = vec![0; volume.block_size()];
            for (to, from) in block.iter_mut().zip(target) {
                *to = *from;
            }
            inode.set_size(u64::try_from(target.len()).unwrap_or(u64::MAX));
            // With its final NUL, a short target fits in the place of the extents.
            if let Some(short) = block.first_chunk::<BLOCK_LEN>().filter(|_| target.len() < BLOCK_LEN) {
                inode.set_block(short);
                return Ok(());
            }
            inode.set_flag(EXTENTS);
            inode.set_block(&Node::empty_root());
            volume.append_block(inode, &block)
        })
    }

    fn unlink_at(&self, at: NameAt<'_>) -> Result<()> {
        let dir = self.volume.dir(at.dir)?;
        let (number, _) = self.volume.find_name(&dir, at.name, &mut self.names())?.ok_or(Error::NotFound)?;
        let mut inode = self.volume.inode(number)?;
        if inode.format() == DIR {
            return Err(Error::IsADirectory);
        }
        self.volume.remove_name(&dir, at.name, &mut self.names())?;
        self.volume.drop_link(&mut inode)?;
        self.tell_crate()
    }

    fn link_at(&self, inode: u32, at: NameAt<'_>) -> Result<()> {
        let mut dir = self.dir_without(at)?;
        let mut inode = self.volume.inode(inode)?;
        if inode.format() == DIR {
            return Err(Error::IsADirectory);
        }
        if inode.links() >= MAX_LINKS {
            return Err(Error::TooManyLinks);
        }
        let entry = Entry { inode: inode.number, kind: kind(inode.mode()), name: at.name };
        self.volume.add_name(&mut dir, entry, &mut self.names())?;
        inode.add_link(1);
        self.volume.put_changed(&mut inode)?;
        self.tell_crate()
    }

    fn remove_dir_at(&self, at: NameAt<'_>) -> Result<()> {
        let mut dir = self.volume.dir(at.dir)?;
        let (number, _) = self.volume.find_name(&dir, at.name, &mut self.names())?.ok_or(Error::NotFound)?;
        let mut inode = self.volume.dir(number)?;
        if !self.volume.is_empty_dir(&inode)? {
            return Err(Error::DirectoryNotEmpty);
        }
        self.volume.remove_name(&dir, at.name, &mut self.names())?;
        self.names().forget();
        self.volume.release(&mut inode)?;
        self.volume.lose_dir(&mut dir)?;
        self.tell_crate()
    }

    /// The directory; an error if it has the name already.
    fn dir_without(&self, at: NameAt<'_>) -> Result<Inode> {
        check_name(at.name)?;
        let dir = self.volume.dir(at.dir)?;
        match self.volume.find_name(&dir, at.name, &mut self.names())? {
            Some(_) => Err(Error::AlreadyExists),
            None => Ok(dir),
        }
    }

    /// Makes an inode, lets `prepare` complete it, and adds its name. Where one of these fails, nothing stays.
    fn new_inode(
        &self,
        dir: &mut Inode,
        at: NameAt<'_>,
        mode: u16,
        prepare: impl FnOnce(&Volume, &mut Inode) -> Result<()>,
    ) -> Result<u32> {
        let volume = &self.volume;
        let number = volume.take_inode(dir.number, mode & 0xf000 == DIR)?;
        let mut inode = volume.new_inode(number, mode)?;
        let entry = Entry { inode: number, kind: kind(mode), name: at.name };
        let made = prepare(volume, &mut inode)
            .and_then(|()| volume.put_inode(&mut inode))
            .and_then(|()| volume.add_name(dir, entry, &mut self.names()));
        if let Err(error) = made {
            volume.release(&mut inode)?;
            self.tell_crate()?;
            return Err(error);
        }
        self.tell_crate()?;
        Ok(number)
    }

    pub(crate) fn names(&self) -> RefMut<'_, LinearIndex> {
        self.names.borrow_mut()
    }
}

/// An error for what cannot be the name of something new.
pub(crate) fn check_name(name: &[u8]) -> Result<()> {
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
        return Err(Error::InvalidArgument("a reserved or empty name, or one with a slash"));
    }
    if name.len() > 255 { Err(Error::NameTooLong) } else { Ok(()) }
}
