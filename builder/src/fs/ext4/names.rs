//! Names in folders: looked up, made, moved and removed here and nowhere else.
//!
//! A name is bytes of one component, at most 255, without `/`. The functions know folders by inode and no paths;
//! what they refuse is told by the errors of the crate, which the callers turn into ours with the path.
//!
//! A folder whose names change gets a new time, as under the kernel. The time is always the same, so it is enough to
//! note the folders, and to set it once at the end.
//!
//! The crate walks through the whole folder for each name. So folders are edited by [`super::dir`]; the crate is
//! left with those whose blocks are not found by extents, which were made by ext3.

use std::cell::RefMut;
use std::collections::BTreeSet;
use std::sync::Mutex;

use fs_ext4::error::{Error, Result};
use fs_ext4::fs::TIME_OMIT;

use super::Ext4;
use super::dir::Names;
use super::dir::entry::{Entry, kind};
use super::extents::empty_root;
use super::inode::{BLOCK_LEN, EXTENTS, FOLDER, Inode, REGULAR, SYMLINK};
use super::owning::MOST_LINKS;
use super::volume::Volume;

/// A name in a folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameAt<'a> {
    /// The folder's inode.
    pub(super) folder: u32,
    /// The name.
    pub(super) name: &'a [u8],
}

impl Ext4 {
    /// The inode that has the name; none if the folder has no such name.
    pub(super) fn name_lookup(&self, at: NameAt<'_>) -> Result<Option<u32>> {
        let Some(folder) = self.volume.folder(at.folder)? else {
            return match self.fs().lookup_at(at.folder, at.name) {
                Ok(inode) => Ok(Some(inode)),
                Err(Error::NotFound) => Ok(None),
                Err(error) => Err(error),
            };
        };
        let found = self.volume.find_name(&folder, at.name, &mut self.names())?;
        Ok(found.map(|(inode, _)| inode))
    }

    /// Makes an empty regular file under a free name, and returns its inode.
    pub(super) fn name_new_file(&self, at: NameAt<'_>, mode: u16) -> Result<u32> {
        self.noting(at, self.new_file_at(at, mode))
    }

    /// Makes an empty folder under a free name, and returns its inode.
    pub(super) fn name_new_folder(&self, at: NameAt<'_>, mode: u16) -> Result<u32> {
        self.noting(at, self.new_folder_at(at, mode))
    }

    /// Makes a symbolic link under a free name, and returns its inode.
    pub(super) fn name_new_symlink(&self, at: NameAt<'_>, target: &[u8]) -> Result<u32> {
        self.noting(at, self.new_symlink_at(at, target))
    }

    /// Removes a name of anything but a folder; with its last name goes the inode and all that it owns.
    pub(super) fn name_unlink(&self, at: NameAt<'_>) -> Result<()> {
        self.noting(at, self.unlink_at(at))
    }

    /// Gives an inode that is no folder one more name, which must be free.
    pub(super) fn name_link(&self, inode: u32, at: NameAt<'_>) -> Result<()> {
        self.noting(at, self.link_at(inode, at))
    }

    /// Removes the name of an empty folder, and the folder.
    pub(super) fn name_remove_folder(&self, at: NameAt<'_>) -> Result<()> {
        self.noting(at, self.remove_folder_at(at))
    }

    /// Gives what `from` names the name `to`, in place of what had it, as `rename(2)` does.
    pub(super) fn name_move(&self, from: NameAt<'_>, to: NameAt<'_>) -> Result<()> {
        self.noting(to, self.noting(from, self.move_at(from, to)))
    }

    /// Notes that the names of the folder have changed, if they have.
    fn noting<T>(&self, at: NameAt<'_>, result: Result<T>) -> Result<T> {
        if result.is_ok() {
            self.changed_folders.change(|folders| folders.insert(at.folder))?;
        }
        result
    }

    /// No time is to be set any more: the folder is gone, or was given one.
    pub(super) fn forget(&self, folder: u32) -> Result<()> {
        self.changed_folders.change(|folders| folders.remove(&folder)).map(drop)
    }

    /// Whether the time of the folder is still to be set.
    pub(super) fn is_noted(&self, folder: u32) -> Result<bool> {
        self.changed_folders.change(|folders| folders.contains(&folder))
    }

    /// Sets the time of all folders whose names have changed.
    pub(super) fn stamp_folders(&self) -> Result<()> {
        let noted = self.changed_folders.change(std::mem::take)?;
        let now = self.volume.now();
        noted.into_iter().try_for_each(|folder| self.fs().apply_utimens_ino(folder, TIME_OMIT, 0, now, 0))
    }

    fn new_file_at(&self, at: NameAt<'_>, mode: u16) -> Result<u32> {
        let Some(mut folder) = self.folder_without(at)? else {
            return self.by_crate(|fs| fs.apply_create_at(at.folder, at.name, mode & 0o7777));
        };
        self.new_inode(&mut folder, at, REGULAR | mode & 0o7777, |_, inode| {
            inode.set_flag(EXTENTS);
            inode.set_block(&empty_root());
            Ok(())
        })
    }

    fn new_folder_at(&self, at: NameAt<'_>, mode: u16) -> Result<u32> {
        let Some(mut folder) = self.folder_without(at)? else {
            return self.by_crate(|fs| fs.apply_mkdir_at(at.folder, at.name, mode & 0o7777));
        };
        self.volume.may_gain_folder(&folder)?;
        let parent = folder.number;
        let inode = self.new_inode(&mut folder, at, FOLDER | mode & 0o7777, |volume, inode| {
            inode.set_flag(EXTENTS);
            inode.set_block(&empty_root());
            let entries = volume.first_entries(inode, parent)?;
            volume.append_block(inode, &entries)?;
            inode.set_size(volume.sb.block_size().into());
            inode.set_links(2);
            Ok(())
        })?;
        self.volume.gain_folder(&mut folder)?;
        Ok(inode)
    }

    fn new_symlink_at(&self, at: NameAt<'_>, target: &[u8]) -> Result<u32> {
        let Some(mut folder) = self.folder_without(at)? else {
            return self.by_crate(|fs| fs.apply_symlink_at(at.folder, at.name, target));
        };
        if target.len() >= self.volume.block_size() {
            return Err(Error::NameTooLong);
        }
        self.new_inode(&mut folder, at, SYMLINK | 0o777, |volume, inode| {
            let mut block = vec![0; volume.block_size()];
            for (to, from) in block.iter_mut().zip(target) {
                *to = *from;
            }
            inode.set_size(u64::try_from(target.len()).unwrap_or(u64::MAX));
            // With the byte that ends it, a short target fits in the place of the extents.
            if let Some(short) = block.first_chunk::<BLOCK_LEN>().filter(|_| target.len() < BLOCK_LEN) {
                inode.set_block(short);
                return Ok(());
            }
            inode.set_flag(EXTENTS);
            inode.set_block(&empty_root());
            volume.append_block(inode, &block)
        })
    }

    fn unlink_at(&self, at: NameAt<'_>) -> Result<()> {
        let Some(folder) = self.volume.folder(at.folder)? else {
            return self.by_crate(|fs| fs.apply_unlink_at(at.folder, at.name));
        };
        let (number, _) =
            self.volume.find_name(&folder, at.name, &mut self.names())?.ok_or(Error::NotFound)?;
        let mut inode = self.volume.inode(number)?;
        if inode.format() == FOLDER {
            return Err(Error::IsADirectory);
        }
        if inode.links() == 1 && !self.volume.can_release(&inode)? {
            return self.by_crate(|fs| fs.apply_unlink_at(at.folder, at.name));
        }
        self.volume.remove_name(&folder, at.name, &mut self.names())?;
        self.volume.drop_link(&mut inode)?;
        self.tell_crate()
    }

    fn link_at(&self, inode: u32, at: NameAt<'_>) -> Result<()> {
        let Some(mut folder) = self.folder_without(at)? else {
            return self.by_crate(|fs| fs.apply_link_at(inode, at.folder, at.name));
        };
        let mut inode = self.volume.inode(inode)?;
        if inode.format() == FOLDER {
            return Err(Error::IsADirectory);
        }
        if inode.links() >= MOST_LINKS {
            return Err(Error::TooManyLinks);
        }
        let entry = Entry { inode: inode.number, kind: kind(inode.mode()), name: at.name };
        self.volume.add_name(&mut folder, entry, &mut self.names())?;
        inode.add_link(1);
        self.volume.put_changed(&mut inode)?;
        self.tell_crate()
    }

    fn remove_folder_at(&self, at: NameAt<'_>) -> Result<()> {
        let Some(mut folder) = self.volume.folder(at.folder)? else {
            return self.by_crate(|fs| fs.apply_rmdir_at(at.folder, at.name));
        };
        let (number, _) =
            self.volume.find_name(&folder, at.name, &mut self.names())?.ok_or(Error::NotFound)?;
        let Some(mut inode) = self.volume.folder(number)? else {
            return self.by_crate(|fs| fs.apply_rmdir_at(at.folder, at.name));
        };
        if !self.volume.is_empty_folder(&inode)? {
            return Err(Error::DirectoryNotEmpty);
        }
        self.volume.remove_name(&folder, at.name, &mut self.names())?;
        self.names().forget();
        self.volume.release(&mut inode)?;
        self.volume.lose_folder(&mut folder)?;
        self.tell_crate()
    }

    /// The folder, if it is one that this code edits; an error if it has the name already.
    fn folder_without(&self, at: NameAt<'_>) -> Result<Option<Inode>> {
        check_name(at.name)?;
        let Some(folder) = self.volume.folder(at.folder)? else { return Ok(None) };
        match self.volume.find_name(&folder, at.name, &mut self.names())? {
            Some(_) => Err(Error::AlreadyExists),
            None => Ok(Some(folder)),
        }
    }

    /// Makes an inode, lets `prepare` complete it, and gives it its name. Where one of these fails, nothing stays.
    fn new_inode(
        &self,
        folder: &mut Inode,
        at: NameAt<'_>,
        mode: u16,
        prepare: impl FnOnce(&Volume, &mut Inode) -> Result<()>,
    ) -> Result<u32> {
        let volume = &self.volume;
        let number = volume.take_inode(folder.number, mode & 0xf000 == FOLDER)?;
        let mut inode = volume.new_inode(number, mode);
        let entry = Entry { inode: number, kind: kind(mode), name: at.name };
        let made = prepare(volume, &mut inode)
            .and_then(|()| volume.put_inode(&mut inode))
            .and_then(|()| volume.add_name(folder, entry, &mut self.names()));
        if let Err(error) = made {
            volume.release(&mut inode)?;
            self.tell_crate()?;
            return Err(error);
        }
        self.tell_crate()?;
        Ok(number)
    }

    /// Lets the crate do what this code does not, and forgets what it may have changed.
    pub(super) fn by_crate<T>(&self, act: impl FnOnce(&fs_ext4::Filesystem) -> Result<T>) -> Result<T> {
        self.names().forget();
        act(&self.fs())
    }

    pub(super) fn names(&self) -> RefMut<'_, Names> {
        self.names.borrow_mut()
    }
}

/// Folders whose names have changed, by inode.
#[derive(Debug, Default)]
pub(super) struct ChangedFolders(Mutex<BTreeSet<u32>>);

impl ChangedFolders {
    fn change<T>(&self, with: impl FnOnce(&mut BTreeSet<u32>) -> T) -> Result<T> {
        let mut folders = self.0.lock().map_err(|_| Error::Corrupt("a thread failed while writing"))?;
        Ok(with(&mut folders))
    }
}

/// Refuses what cannot be the name of something new.
pub(super) fn check_name(name: &[u8]) -> Result<()> {
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
        return Err(Error::InvalidArgument("a name that means something else"));
    }
    if name.len() > 255 { Err(Error::NameTooLong) } else { Ok(()) }
}
