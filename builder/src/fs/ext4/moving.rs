//! A name that moves: in its directory or to another one, to a free name or in place of what had it.

use fs_ext4::error::{Error, Result};

use super::Ext4;
use super::dir::entry::Entry;
use super::inode::{DIR, Inode};
use super::names::{NameAt, check_name};
use super::volume::Volume;

impl Ext4 {
    /// As [`Ext4::name_move`], without noting it.
    pub(super) fn move_at(&self, from: NameAt<'_>, to: NameAt<'_>) -> Result<()> {
        match self.try_move(from, to)? {
            true => self.tell_crate(),
            false => self.by_crate(|fs| fs.apply_rename_at(from.dir, from.name, to.dir, to.name, true)),
        }
    }

    /// As [`Ext4::name_move`]; false if the crate must do it.
    fn try_move(&self, from: NameAt<'_>, to: NameAt<'_>) -> Result<bool> {
        let volume = &self.volume;
        check_name(to.name)?;
        let (Some(old), Some(mut new)) = (volume.dir(from.dir)?, volume.dir(to.dir)?) else {
            return Ok(false);
        };
        let (number, kind) = volume.find_name(&old, from.name, &mut self.names())?.ok_or(Error::NotFound)?;
        let mut inode = volume.inode(number)?;
        let replaced = volume.find_name(&new, to.name, &mut self.names())?.map(|(number, _)| number);
        if replaced == Some(number) {
            return Ok(true);
        }
        let replaced = replaced.map(|number| volume.inode(number)).transpose()?;
        let is_dir = inode.format() == DIR;
        if let Some(replaced) = &replaced {
            if !volume.can_release(replaced)? || !volume.is_ours(&inode) {
                return Ok(false);
            }
            match (is_dir, replaced.format() == DIR) {
                (true, false) => return Err(Error::NotADirectory),
                (false, true) => return Err(Error::IsADirectory),
                (true, true) if !volume.is_empty_dir(replaced)? => return Err(Error::DirectoryNotEmpty),
                _ => {}
            }
        }
        if is_dir {
            let outside = match volume.is_outside(&new, number) {
                // A directory above that ext3 made.
                Err(Error::Unsupported(_)) => false,
                outside => outside?,
            };
            if !volume.is_ours(&inode) || !outside {
                // The crate knows all of these, and how to refuse a directory that would go into itself.
                return Ok(false);
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
        Ok(true)
    }
}

impl Volume {
    /// Links, parents and the inode that was replaced, after a name has moved.
    fn settle_move(&self, inode: &mut Inode, from: u32, to: u32, replaced: Option<Inode>) -> Result<()> {
        let is_dir = inode.format() == DIR;
        if is_dir && from != to {
            self.set_parent(inode, to)?;
            self.lose_dir(&mut self.inode(from)?)?;
            self.gain_dir(&mut self.inode(to)?)?;
        }
        self.put_changed(inode)?;
        let Some(mut replaced) = replaced else { return Ok(()) };
        if replaced.format() != DIR {
            return self.drop_link(&mut replaced);
        }
        self.release(&mut replaced)?;
        self.lose_dir(&mut self.inode(to)?)
    }

    /// Whether a directory is not below another one, nor that one itself.
    fn is_outside(&self, dir: &Inode, other: u32) -> Result<bool> {
        let mut at = dir.clone();
        // More steps than inodes would be a circle.
        for _ in 0..self.sb.inodes_count {
            if at.number == other {
                return Ok(false);
            }
            match self.parent_of(&at)? {
                above if above == at.number => return Ok(true),
                above => at = self.inode(above)?,
            }
        }
        Err(Error::Corrupt("directories in a circle"))
    }
}
