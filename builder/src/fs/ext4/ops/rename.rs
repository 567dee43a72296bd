//! Renaming: in one directory or between two, to a free name or over an existing one.

use fs_ext4::error::{Error, Result as CrateResult};

use super::dentry::{bad, must_be};
use super::directory_entries::{NameAt, check_name};
use super::handle::Ext4;
use crate::fs::ext4::layout::directory_block::Entry;
use crate::fs::ext4::layout::inode::DIR;
use crate::fs::{ImagePath, Kind, Result};

impl Ext4 {
    /// Moves what `from` names to the name `to`, as `rename(2)` does: a file takes the place of a file or link, a
    /// directory that of an empty directory; two names of one file stay as they are.
    ///
    /// # Errors
    /// `BadPath` where a directory would take a file's place or the other way round, where the directory in the way is
    /// not empty, and for a directory that would go into itself.
    pub fn rename(&self, from: &ImagePath, to: &ImagePath) -> Result<()> {
        let (source, node) = self.taken_dentry(from)?;
        let target = self.dentry(to)?;
        self.may_remove(&source, from)?;
        if let Some(old) = target.taken {
            if old.inode == node.inode {
                return Ok(());
            }
            match (node.kind == Kind::Dir, old.kind == Kind::Dir) {
                (true, false) => return must_be(old, Kind::Dir, to),
                (false, true) => return Err(bad(to, "it is a directory")),
                (true, true) => self.must_be_empty(old.inode, to)?,
                (false, false) => {}
            }
            self.may_remove(&target, to)?;
        } else {
            self.may_add(&target, to)?;
        }
        let moved = self.name_move(source.at(), target.at());
        moved.map_err(|error| self.failed(error, "renaming", from, 1))?;
        if let Some(old) = target.taken {
            self.removed(old, to)?;
        }
        self.stamp(node.inode, to)
    }

    /// As [`Ext4::rename`], for names in directories, without a look at what is allowed.
    pub(crate) fn name_move(&self, from: NameAt<'_>, to: NameAt<'_>) -> CrateResult<()> {
        self.noting(to, self.noting(from, self.move_at(from, to)))
    }

    /// As [`Ext4::name_move`], without noting it.
    fn move_at(&self, from: NameAt<'_>, to: NameAt<'_>) -> CrateResult<()> {
        let volume = &self.volume;
        check_name(to.name)?;
        let (old, mut new) = (volume.dir(from.dir)?, volume.dir(to.dir)?);
        let (number, kind) = volume.find_name(&old, from.name, &mut self.names())?.ok_or(Error::NotFound)?;
        let mut inode = volume.inode(number)?;
        let replaced = volume.find_name(&new, to.name, &mut self.names())?.map(|(number, _)| number);
        if replaced == Some(number) {
            return Ok(());
        }
        let replaced = replaced.map(|number| volume.inode(number)).transpose()?;
        let is_dir = inode.format() == DIR;
        if let Some(replaced) = &replaced {
            match (is_dir, replaced.format() == DIR) {
                (true, false) => return Err(Error::NotADirectory),
                (false, true) => return Err(Error::IsADirectory),
                (true, true) if !volume.is_empty_dir(replaced)? => return Err(Error::DirectoryNotEmpty),
                _ => {}
            }
        }
        if is_dir {
            if !volume.is_outside(&new, number)? {
                return Err(Error::InvalidArgument("a directory cannot be moved into itself"));
            }
            if old.number != new.number && replaced.is_none() {
                volume.may_gain_dir(&new)?;
            }
        }
        let entry = Entry { inode: number, kind, name: to.name };
        match &replaced {
            Some(_) => drop(volume.point_name(&new, entry, &mut self.names())?),
            None => volume.add_name(&mut new, entry, &mut self.names())?,
        }
        let old = volume.inode(from.dir)?;
        volume.remove_name(&old, from.name, &mut self.names())?;
        if is_dir {
            self.names().forget();
        }
        volume.settle_move(&mut inode, from.dir, to.dir, replaced)?;
        self.tell_crate()
    }
}
