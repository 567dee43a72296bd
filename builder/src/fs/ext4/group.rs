//! A block group: its descriptor and the two bitmaps that it names.
//!
//! [Descriptors](https://docs.kernel.org/filesystems/ext4/group_descr.html),
//! [bitmaps](https://docs.kernel.org/filesystems/ext4/bitmaps.html).

use fs_ext4::block_io::BlockDevice;
use fs_ext4::checksum::group_desc_csum;
use fs_ext4::error::Result;

use super::bits::set;
use super::bytes::{get_u16, get_u32_split, get_u64_split, low16, put_u16, put_u32_split};
use super::volume::Volume;

/// `bg_flags`: nothing of the inode table, or of the blocks, was ever used, and the bitmap was never written.
const INODE_UNINIT: u16 = 1;
const BLOCK_UNINIT: u16 = 2;

/// A number in two halves; the upper one only in descriptors of 64 bytes.
type Halves = (usize, usize);
const BLOCK_BITMAP: Halves = (0x00, 0x20);
const INODE_BITMAP: Halves = (0x04, 0x24);
const INODE_TABLE: Halves = (0x08, 0x28);
const FREE_BLOCKS: Halves = (0x0c, 0x2c);
const FREE_INODES: Halves = (0x0e, 0x2e);
const USED_DIRS: Halves = (0x10, 0x30);
const BLOCK_BITMAP_SUM: Halves = (0x18, 0x38);
const INODE_BITMAP_SUM: Halves = (0x1a, 0x3a);
const UNUSED_INODES: Halves = (0x1c, 0x32);
const FLAGS: usize = 0x12;
const CHECKSUM: usize = 0x1e;

/// A descriptor, and where it belongs.
pub(super) struct Group {
    pub(super) number: u32,
    bytes: Vec<u8>,
    /// Where it lies, in bytes.
    place: u64,
}

impl Volume {
    pub(super) fn group(&self, number: u32) -> Result<Group> {
        let (block, at) = self.sb.descriptor_location(number.into());
        let place = self.place_in(block, at)?;
        let mut bytes = vec![0; self.sb.desc_size.into()];
        self.device.read_at(place, &mut bytes)?;
        Ok(Group { number, bytes, place })
    }

    /// Writes a descriptor back, with its checksum.
    pub(super) fn put_group(&self, group: &mut Group) -> Result<()> {
        if let Some(sum) = group_desc_csum(&self.sb, &self.csum, group.number, &group.bytes) {
            put_u16(&mut group.bytes, CHECKSUM, sum);
        }
        self.device.write_at(group.place, &group.bytes)
    }

    pub(super) fn group_count(&self) -> u32 {
        u32::try_from(self.sb.block_group_count()).unwrap_or(u32::MAX)
    }

    /// The first block of a group.
    pub(super) fn group_start(&self, group: u32) -> u64 {
        let before = u64::from(group).saturating_mul(self.sb.blocks_per_group.into());
        before.saturating_add(self.sb.first_data_block.into())
    }

    /// Blocks of a group; the last one may be shorter.
    pub(super) fn group_len(&self, group: u32) -> u32 {
        let left = self.sb.blocks_count.saturating_sub(self.group_start(group));
        u32::try_from(left).unwrap_or(u32::MAX).min(self.sb.blocks_per_group)
    }

    /// The block bitmap of a group: read, or made where it was never written.
    pub(super) fn block_bitmap(&self, group: &Group) -> Result<Vec<u8>> {
        if !group.has(BLOCK_UNINIT) {
            return self.read_block(group.block_bitmap());
        }
        let mut bitmap = vec![0; self.block_size()];
        let start = self.group_start(group.number);
        let head = u32::try_from(self.sb.group_head_metadata_blocks(group.number.into())).unwrap_or(u32::MAX);
        set(&mut bitmap, 0, head);
        let table = u64::from(self.sb.inodes_per_group).saturating_mul(self.sb.inode_size.into());
        let table = table.div_ceil(self.sb.block_size().into());
        for (first, len) in
            [(group.block_bitmap(), 1), (group.inode_bitmap(), 1), (group.inode_table(), table)]
        {
            // With flex_bg they may lie in another group, whose bitmap was written then.
            for block in first..first.saturating_add(len) {
                let bit = block.checked_sub(start).and_then(|bit| u32::try_from(bit).ok());
                if let Some(bit) = bit.filter(|bit| *bit < self.sb.blocks_per_group) {
                    set(&mut bitmap, bit, 1);
                }
            }
        }
        set(&mut bitmap, self.group_len(group.number), u32::MAX);
        Ok(bitmap)
    }

    /// As [`Volume::block_bitmap`], for inodes.
    pub(super) fn inode_bitmap(&self, group: &Group) -> Result<Vec<u8>> {
        if !group.has(INODE_UNINIT) {
            return self.read_block(group.inode_bitmap());
        }
        let mut bitmap = vec![0; self.block_size()];
        set(&mut bitmap, self.sb.inodes_per_group, u32::MAX);
        Ok(bitmap)
    }

    /// Writes a block bitmap and notes its checksum in the descriptor.
    pub(super) fn put_block_bitmap(&self, group: &mut Group, bitmap: &[u8]) -> Result<()> {
        self.seal_bitmap(group, BLOCK_BITMAP_SUM, bitmap, self.sb.blocks_per_group);
        self.wake_group(group, BLOCK_UNINIT);
        self.write_block(group.block_bitmap(), bitmap)
    }

    /// As [`Volume::put_block_bitmap`], for inodes.
    pub(super) fn put_inode_bitmap(&self, group: &mut Group, bitmap: &[u8]) -> Result<()> {
        self.seal_bitmap(group, INODE_BITMAP_SUM, bitmap, self.sb.inodes_per_group);
        self.wake_group(group, INODE_UNINIT);
        self.write_block(group.inode_bitmap(), bitmap)
    }

    fn seal_bitmap(&self, group: &mut Group, place: Halves, bitmap: &[u8], bits: u32) {
        if !self.csum.enabled {
            return;
        }
        let covered = usize::try_from(bits / 8).ok().and_then(|len| bitmap.get(..len)).unwrap_or(bitmap);
        let sum = self.csum.crc(covered);
        put_u16(&mut group.bytes, place.0, low16(sum));
        if group.is_long() {
            put_u16(&mut group.bytes, place.1, low16(sum >> 16));
        }
    }

    fn wake_group(&self, group: &mut Group, mark: u16) {
        if group.has(mark) {
            let flags = get_u16(&group.bytes, FLAGS) & !mark;
            put_u16(&mut group.bytes, FLAGS, flags);
            self.wake();
        }
    }
}

impl Group {
    pub(super) fn block_bitmap(&self) -> u64 {
        self.block(BLOCK_BITMAP)
    }

    pub(super) fn inode_bitmap(&self) -> u64 {
        self.block(INODE_BITMAP)
    }

    pub(super) fn inode_table(&self) -> u64 {
        self.block(INODE_TABLE)
    }

    pub(super) fn free_blocks(&self) -> u32 {
        self.count(FREE_BLOCKS)
    }

    pub(super) fn free_inodes(&self) -> u32 {
        self.count(FREE_INODES)
    }

    /// Changes the counts of free blocks, free inodes and directories.
    pub(super) fn add(&mut self, blocks: i32, inodes: i32, dirs: i32) {
        for (place, delta) in [(FREE_BLOCKS, blocks), (FREE_INODES, inodes), (USED_DIRS, dirs)] {
            let count = self.count(place).saturating_add_signed(delta);
            self.set_count(place, count);
        }
    }

    /// Whether no block of the group was ever used, so that its bitmap is still to be made.
    pub(super) fn blocks_are_unused(&self) -> bool {
        self.has(BLOCK_UNINIT)
    }

    /// Notes that the inode `index` of the group is used: those behind it may be unused still (`bg_itable_unused`).
    pub(super) fn use_table_up_to(&mut self, index: u32, per_group: u32) {
        let unused = self.count(UNUSED_INODES).min(per_group.saturating_sub(index.saturating_add(1)));
        self.set_count(UNUSED_INODES, unused);
    }

    fn has(&self, mark: u16) -> bool {
        get_u16(&self.bytes, FLAGS) & mark != 0
    }

    fn is_long(&self) -> bool {
        self.bytes.len() >= 64
    }

    fn block(&self, place: Halves) -> u64 {
        if self.is_long() {
            return get_u64_split(&self.bytes, place.0, place.1);
        }
        u64::from(get_u32_split(&self.bytes, place.0, place.0 + 2))
    }

    fn count(&self, place: Halves) -> u32 {
        if self.is_long() {
            return get_u32_split(&self.bytes, place.0, place.1);
        }
        get_u16(&self.bytes, place.0).into()
    }

    fn set_count(&mut self, place: Halves, count: u32) {
        let high = self.is_long().then_some(place.1);
        put_u32_split(&mut self.bytes, place.0, high, count);
    }
}
