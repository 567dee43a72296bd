//! Inodes: read from and written to their tables, made and deleted.

use fs_ext4::block_io::BlockDevice;
use fs_ext4::error::{Error, Result};
use fs_ext4::runtime::Runtime;

use super::blocks::Volume;
use crate::fs::ext4::layout::features::DIR_INDEX;
use crate::fs::ext4::layout::inode::{DIR, INDEX, Inode};

impl Volume {
    /// An inode in use, its checksum compared.
    ///
    /// Without the feature dir_index, a directory has no hash tree, whatever its flag says: what is there of one looks like
    /// unused entries. As under the kernel, it loses the flag when it changes, since then the tree is out of date.
    pub(crate) fn inode(&self, number: u32) -> Result<Inode> {
        let mut inode = self.raw_inode(number)?;
        if !inode.is_sound(self.checksums) {
            return Err(Error::BadChecksum { what: "inode" });
        }
        if inode.links() == 0 || inode.mode() == 0 {
            return Err(Error::Stale);
        }
        if inode.format() == DIR && !self.features.has_compat(DIR_INDEX) {
            inode.clear_flag(INDEX);
        }
        Ok(inode)
    }

    /// An inode as it is in its table, whatever it holds.
    pub(crate) fn raw_inode(&self, number: u32) -> Result<Inode> {
        let mut bytes = vec![0; self.sb.inode_size.into()];
        self.device.read_at(self.inode_place(number)?, &mut bytes)?;
        Inode::parse(number, &bytes)
    }

    /// Writes an inode back, with its checksum.
    pub(crate) fn put_inode(&self, inode: &mut Inode) -> Result<()> {
        self.edited.borrow_mut().insert(inode.number);
        inode.seal(self.checksums);
        self.device.write_at(self.inode_place(inode.number)?, &inode.bytes())
    }

    /// A new inode, not yet written: empty, with one name, and all its times now.
    pub(crate) fn new_inode(&self, number: u32, mode: u16) -> Result<Inode> {
        let generation = self.runtime.next_inode_generation();
        Inode::new(number, self.sb.inode_size.into(), mode, generation, self.now())
    }

    /// Marks an inode as deleted and frees it. What it owned must have been freed before.
    pub(crate) fn delete_inode(&self, inode: &mut Inode) -> Result<()> {
        let dir = inode.format() == DIR;
        inode.clear(self.now());
        self.put_inode(inode)?;
        self.free_inode(inode.number, dir)
    }

    /// The time of all changes, in seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.runtime.now_unix_seconds()
    }

    /// Where an inode lies, in bytes.
    fn inode_place(&self, number: u32) -> Result<u64> {
        if number == 0 || number > self.sb.inodes_count {
            return Err(Error::Corrupt("an inode number outside of the file system"));
        }
        let index = number.saturating_sub(1) % self.sb.inodes_per_group.max(1);
        let table = self.group(self.group_of_inode(number))?.descriptor.inode_table;
        let at = u64::from(index).saturating_mul(self.sb.inode_size.into());
        let block = u64::from(self.sb.block_size());
        self.place_in(table.saturating_add(at / block), usize::try_from(at % block).unwrap_or(0))
    }
}
