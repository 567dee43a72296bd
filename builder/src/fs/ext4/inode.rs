//! An inode as it lies in its table.
//!
//! [Inode table](https://docs.kernel.org/filesystems/ext4/inodes.html).

use fs_ext4::block_io::BlockDevice;
use fs_ext4::error::{Error, Result};
use fs_ext4::runtime::Runtime;

use super::bytes::{
    get_array, get_u16, get_u32, get_u64_split, low16, put_u16, put_u32, put_u32_split, put_u64_split,
};
use super::volume::Volume;
use crate::fs::Attributes;

/// Format bits of `i_mode`.
pub(super) const REGULAR: u16 = 0x8000;
pub(super) const DIR: u16 = 0x4000;
pub(super) const SYMLINK: u16 = 0xa000;
const FORMAT: u16 = 0xf000;

/// `i_flags`: the directory has a hash tree; the blocks are found by extents; `i_blocks` counts blocks, not sectors.
pub(super) const INDEX: u32 = 0x1000;
pub(super) const EXTENTS: u32 = 0x8_0000;
pub(super) const HUGE_FILE: u32 = 0x4_0000;
pub(super) const INLINE_DATA: u32 = 0x1000_0000;

const MODE: usize = 0x00;
const UID: (usize, usize) = (0x02, 0x78);
const GID: (usize, usize) = (0x18, 0x7a);
const SIZE: (usize, usize) = (0x04, 0x6c);
const ATIME: usize = 0x08;
const CTIME: usize = 0x0c;
const MTIME: usize = 0x10;
const DTIME: usize = 0x14;
const LINKS: usize = 0x1a;
const SECTORS: (usize, usize) = (0x1c, 0x74);
const FLAGS: usize = 0x20;
const BLOCK: usize = 0x28;
const GENERATION: usize = 0x64;
const ACL: (usize, usize) = (0x68, 0x76);
const SUM: (usize, usize) = (0x7c, 0x82);
const EXTRA_SIZE: usize = 0x80;
const CTIME_EXTRA: usize = 0x84;
const MTIME_EXTRA: usize = 0x88;
const ATIME_EXTRA: usize = 0x8c;
const CRTIME: usize = 0x90;
const CRTIME_EXTRA: usize = 0x94;
/// Bytes of an inode before the part whose size it tells itself, and what that part has in ours.
const FIRST_PART: usize = 0x80;
const OUR_EXTRA_SIZE: u16 = 32;
/// Bytes of `i_block`.
pub(super) const BLOCK_LEN: usize = 60;

/// An inode and its number.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) number: u32,
    bytes: Vec<u8>,
}

impl Volume {
    /// An inode in use, its checksum compared.
    pub(super) fn inode(&self, number: u32) -> Result<Inode> {
        let mut inode = Inode { number, bytes: vec![0; self.sb.inode_size.into()] };
        self.device.read_at(self.inode_place(number)?, &mut inode.bytes)?;
        if !self.csum.verify_inode(number, inode.generation(), &inode.bytes) {
            return Err(Error::BadChecksum { what: "inode" });
        }
        if inode.links() == 0 || inode.mode() == 0 {
            return Err(Error::Stale);
        }
        Ok(inode)
    }

    /// Writes an inode back, with its checksum.
    pub(super) fn put_inode(&self, inode: &mut Inode) -> Result<()> {
        if let Some((low, high)) =
            self.csum.compute_inode_checksum(inode.number, inode.generation(), &inode.bytes)
        {
            put_u16(&mut inode.bytes, SUM.0, low);
            if inode.reaches(SUM.1 + 2) {
                put_u16(&mut inode.bytes, SUM.1, high);
            }
        }
        self.device.write_at(self.inode_place(inode.number)?, &inode.bytes)
    }

    /// A new inode, not yet written: empty, of one name, and its times those of now.
    pub(super) fn new_inode(&self, number: u32, mode: u16) -> Inode {
        let mut inode = Inode { number, bytes: vec![0; self.sb.inode_size.into()] };
        put_u16(&mut inode.bytes, MODE, mode);
        put_u16(&mut inode.bytes, LINKS, 1);
        if inode.bytes.len() > FIRST_PART {
            put_u16(&mut inode.bytes, EXTRA_SIZE, OUR_EXTRA_SIZE);
        }
        put_u32(&mut inode.bytes, GENERATION, self.runtime.next_inode_generation());
        let now = self.now();
        for (place, extra) in [(ATIME, ATIME_EXTRA), (MTIME, MTIME_EXTRA), (CTIME, CTIME_EXTRA)] {
            inode.set_time(place, extra, now);
        }
        if inode.reaches(CRTIME_EXTRA + 4) {
            inode.set_time(CRTIME, CRTIME_EXTRA, now);
        }
        inode
    }

    /// Marks an inode as deleted and gives its number back. What it owned must have been given back before.
    pub(super) fn delete_inode(&self, inode: &mut Inode) -> Result<()> {
        let dir = inode.format() == DIR;
        let generation = inode.generation();
        inode.bytes.fill(0);
        put_u32(&mut inode.bytes, GENERATION, generation);
        // Never 0: that would be an inode that was not deleted.
        let now = u32::try_from(self.now()).unwrap_or(u32::MAX).max(1);
        put_u32(&mut inode.bytes, DTIME, now);
        self.put_inode(inode)?;
        self.free_inode(inode.number, dir)
    }

    /// The time that changes are given, in seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.runtime.now_unix_seconds()
    }

    /// Where an inode lies, in bytes.
    fn inode_place(&self, number: u32) -> Result<u64> {
        let per_group = self.sb.inodes_per_group.max(1);
        if number == 0 || number > self.sb.inodes_count {
            return Err(Error::Corrupt("an inode number outside of the file system"));
        }
        let index = number.saturating_sub(1);
        let table = self.group(index / per_group)?.inode_table();
        let at = u64::from(index % per_group).saturating_mul(self.sb.inode_size.into());
        let block = u64::from(self.sb.block_size());
        self.place_in(table.saturating_add(at / block), usize::try_from(at % block).unwrap_or(0))
    }
}

impl Inode {
    pub(super) fn mode(&self) -> u16 {
        get_u16(&self.bytes, MODE)
    }

    /// One of the formats, [`REGULAR`] and so on.
    pub(super) fn format(&self) -> u16 {
        self.mode() & FORMAT
    }

    pub(super) fn links(&self) -> u16 {
        get_u16(&self.bytes, LINKS)
    }

    pub(super) fn set_links(&mut self, links: u16) {
        put_u16(&mut self.bytes, LINKS, links);
    }

    pub(super) fn size(&self) -> u64 {
        get_u64_split(&self.bytes, SIZE.0, SIZE.1)
    }

    pub(super) fn set_size(&mut self, size: u64) {
        put_u64_split(&mut self.bytes, SIZE.0, Some(SIZE.1), size);
    }

    pub(super) fn generation(&self) -> u32 {
        get_u32(&self.bytes, GENERATION)
    }

    /// Whether a flag of `i_flags` is set.
    pub(super) fn has(&self, flag: u32) -> bool {
        get_u32(&self.bytes, FLAGS) & flag != 0
    }

    pub(super) fn set_flag(&mut self, flag: u32) {
        let flags = get_u32(&self.bytes, FLAGS) | flag;
        put_u32(&mut self.bytes, FLAGS, flags);
    }

    /// `i_block`: the root of the extents, or the target of a short link.
    pub(super) fn block(&self) -> [u8; BLOCK_LEN] {
        get_array(&self.bytes, BLOCK)
    }

    pub(super) fn set_block(&mut self, block: &[u8; BLOCK_LEN]) {
        if let Some(place) = self.bytes.get_mut(BLOCK..BLOCK + BLOCK_LEN) {
            place.copy_from_slice(block);
        }
    }

    /// The block of extended attributes; 0 if there is none.
    pub(super) fn acl_block(&self) -> u64 {
        let low = u64::from(get_u32(&self.bytes, ACL.0));
        u64::from(get_u16(&self.bytes, ACL.1)) << 32 | low
    }

    /// Adds blocks to those that the inode owns, metadata included. Only for inodes without [`HUGE_FILE`].
    pub(super) fn add_blocks(&mut self, blocks: u64, block_size: usize) {
        let high = u64::from(get_u16(&self.bytes, SECTORS.1));
        let sectors = high << 32 | u64::from(get_u32(&self.bytes, SECTORS.0));
        let per_block = u64::try_from(block_size / 512).unwrap_or(1);
        let sectors = sectors.saturating_add(blocks.saturating_mul(per_block));
        let [a, b, c, d, e, f, ..] = sectors.to_le_bytes();
        put_u32(&mut self.bytes, SECTORS.0, u32::from_le_bytes([a, b, c, d]));
        put_u16(&mut self.bytes, SECTORS.1, u16::from_le_bytes([e, f]));
    }

    /// Sets the time of the last change of the inode itself.
    pub(super) fn touch(&mut self, now: i64) {
        self.set_time(CTIME, CTIME_EXTRA, now);
    }

    /// Sets owner, permissions and times; the permissions of a link stay as they are.
    pub(super) fn set_attributes(&mut self, attributes: Attributes, now: i64) -> Result<()> {
        let Attributes { mode, uid, gid, mtime } = attributes;
        if !self.reaches(MTIME_EXTRA + 4) && i32::try_from(mtime).is_err() {
            return Err(Error::InvalidArgument(
                "a time past 2038 (or before 1902), which inodes of 128 bytes have no room for",
            ));
        }
        if self.format() != SYMLINK {
            let mode = self.format() | mode & 0o7777;
            put_u16(&mut self.bytes, MODE, mode);
        }
        put_u32_split(&mut self.bytes, UID.0, Some(UID.1), uid);
        put_u32_split(&mut self.bytes, GID.0, Some(GID.1), gid);
        self.set_time(ATIME, ATIME_EXTRA, mtime);
        self.set_time(MTIME, MTIME_EXTRA, mtime);
        self.touch(now);
        Ok(())
    }

    /// Sets the time of the last change of the content.
    pub(super) fn set_modified(&mut self, now: i64) {
        self.set_time(MTIME, MTIME_EXTRA, now);
        self.touch(now);
    }

    /// Sets a time to whole seconds. Two more bits for the seconds lie in the second part, where there is one;
    /// without it, what does not fit is the nearest that does.
    fn set_time(&mut self, place: usize, extra: usize, seconds: i64) {
        if self.reaches(extra + 4) {
            let seconds = seconds.clamp(i32::MIN.into(), i64::from(i32::MIN) + (1 << 34) - 1);
            let [a, b, c, d, ..] = seconds.to_le_bytes();
            let low = i32::from_le_bytes([a, b, c, d]);
            let epoch = u32::try_from((seconds - i64::from(low)) >> 32).unwrap_or(0);
            put_u32(&mut self.bytes, place, u32::from_le_bytes([a, b, c, d]));
            put_u32(&mut self.bytes, extra, epoch & 3);
        } else {
            let seconds = seconds.clamp(i32::MIN.into(), i32::MAX.into());
            let [a, b, c, d, ..] = seconds.to_le_bytes();
            put_u32(&mut self.bytes, place, u32::from_le_bytes([a, b, c, d]));
        }
    }

    /// Whether the inode has the fields of its second part that end at `end`.
    fn reaches(&self, end: usize) -> bool {
        self.bytes.len() > FIRST_PART
            && FIRST_PART.saturating_add(get_u16(&self.bytes, EXTRA_SIZE).into()) >= end
    }

    /// Changes the number of names.
    pub(super) fn add_link(&mut self, delta: i32) {
        let links = i32::from(self.links()).saturating_add(delta).clamp(0, i32::from(u16::MAX));
        self.set_links(low16(u32::try_from(links).unwrap_or(0)));
    }
}
