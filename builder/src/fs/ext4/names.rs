//! Names in folders: looked up, made and removed here and nowhere else.
//!
//! A name is bytes of one component, at most 255, without `/`. The functions know folders by inode and no paths;
//! what they refuse is told by the errors of the crate, which the callers turn into ours with the path.
//!
//! A folder whose names change gets a new time, as under the kernel; the crate does not do that. The time is always
//! the same, so it is enough to note the folders, and to set it once at the end.

use std::collections::BTreeSet;
use std::sync::Mutex;

use fs_ext4::error::{Error, Result};
use fs_ext4::fs::TIME_OMIT;

use super::Ext4;

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
        match self.fs.lookup_at(at.folder, at.name) {
            Ok(inode) => Ok(Some(inode)),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an empty regular file under a free name, and returns its inode.
    pub(super) fn name_new_file(&self, at: NameAt<'_>, mode: u16) -> Result<u32> {
        self.noting(at, self.fs.apply_create_at(at.folder, at.name, mode & 0o7777))
    }

    /// Makes an empty folder under a free name, and returns its inode.
    pub(super) fn name_new_folder(&self, at: NameAt<'_>, mode: u16) -> Result<u32> {
        self.noting(at, self.fs.apply_mkdir_at(at.folder, at.name, mode & 0o7777))
    }

    /// Makes a symbolic link under a free name, and returns its inode.
    pub(super) fn name_new_symlink(&self, at: NameAt<'_>, target: &[u8]) -> Result<u32> {
        self.noting(at, self.fs.apply_symlink_at(at.folder, at.name, target))
    }

    /// Removes a name of anything but a folder; with its last name goes the inode and all that it owns.
    pub(super) fn name_unlink(&self, at: NameAt<'_>) -> Result<()> {
        self.noting(at, self.fs.apply_unlink_at(at.folder, at.name))
    }

    /// Gives an inode that is no folder one more name, which must be free.
    pub(super) fn name_link(&self, inode: u32, at: NameAt<'_>) -> Result<()> {
        self.noting(at, self.fs.apply_link_at(inode, at.folder, at.name))
    }

    /// Removes the name of an empty folder, and the folder.
    pub(super) fn name_remove_folder(&self, at: NameAt<'_>) -> Result<()> {
        self.noting(at, self.fs.apply_rmdir_at(at.folder, at.name))
    }

    /// Gives what `from` names the name `to`, in place of what had it, as `rename(2)` does.
    pub(super) fn name_move(&self, from: NameAt<'_>, to: NameAt<'_>) -> Result<()> {
        let moved = self.fs.apply_rename_at(from.folder, from.name, to.folder, to.name, true);
        self.noting(to, self.noting(from, moved))
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
        noted.into_iter().try_for_each(|folder| self.fs.apply_utimens_ino(folder, TIME_OMIT, 0, self.now, 0))
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
