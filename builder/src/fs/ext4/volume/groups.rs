//! Block groups: their descriptors, and the two bitmaps of each.

use fs_ext4::block_io::BlockDevice;
use fs_ext4::error::Result;

use super::blocks::Volume;
use crate::fs::ext4::io::changes::InodeTables;
use crate::fs::ext4::layout::bitmap::Bitmap;
use crate::fs::ext4::layout::checksum::Checksums;
use crate::fs::ext4::layout::group_descriptor::{self, BLOCK_UNINIT, Descriptor, INODE_UNINIT, bitmap_sum};

/// A group: its descriptor, and where that lies.
pub(crate) struct Group {
    pub(crate) number: u32,
    pub(crate) descriptor: Descriptor,
    /// The descriptor as it was read, with what its fields do not cover.
    bytes: Vec<u8>,
    /// Where it lies, in bytes.
    place: u64,
}

impl Volume {
    pub(crate) fn group(&self, number: u32) -> Result<Group> {
        let (block, at) = self.sb.descriptor_location(number.into());
        let place = self.place_in(block, at)?;
        let mut bytes = vec![0; self.sb.desc_size.into()];
        self.device.read_at(place, &mut bytes)?;
        let mut descriptor = Descriptor::parse(&bytes)?;
        if !self.checksums.allow_uninitialised() {
            // The kernel looks at the flags only where descriptors have checksums.
            descriptor.flags &= !(BLOCK_UNINIT | INODE_UNINIT);
        }
        Ok(Group { number, descriptor, bytes, place })
    }

    /// Writes a descriptor back, with its checksum.
    pub(crate) fn put_group(&self, group: &mut Group) -> Result<()> {
        group.descriptor.encode(&mut group.bytes, group.number, self.checksums)?;
        self.device.write_at(group.place, &group.bytes)
    }

    /// Free blocks and inodes of all groups.
    pub(crate) fn free_in_groups(&self) -> Result<(u64, u32)> {
        let (mut blocks, mut inodes) = (0_u64, 0_u32);
        for number in 0..self.group_count() {
            let group = self.group(number)?;
            blocks = blocks.saturating_add(group.descriptor.free_blocks.into());
            inodes = inodes.saturating_add(group.descriptor.free_inodes);
        }
        Ok((blocks, inodes))
    }

    /// Sets the counts of the whole file system to the sums of the groups', as the kernel does when it mounts.
    pub(crate) fn count_again(&self) -> Result<()> {
        let (blocks, inodes) = self.free_in_groups()?;
        let mut sb = self.superblock()?;
        if (sb.free_blocks(), sb.free_inodes()) == (blocks, inodes) {
            return Ok(());
        }
        sb.set_free_blocks(blocks);
        sb.set_free_inodes(inodes);
        self.put_superblock(sb)
    }

    pub(crate) fn group_count(&self) -> u32 {
        u32::try_from(self.sb.block_group_count()).unwrap_or(u32::MAX)
    }

    /// The group that holds an inode.
    pub(crate) fn group_of_inode(&self, inode: u32) -> u32 {
        inode.saturating_sub(1) / self.sb.inodes_per_group.max(1)
    }

    /// The first block of a group.
    pub(crate) fn group_start(&self, group: u32) -> u64 {
        let before = u64::from(group).saturating_mul(self.sb.blocks_per_group.into());
        before.saturating_add(self.sb.first_data_block.into())
    }

    /// Blocks of a group; the last one may be shorter.
    pub(crate) fn group_len(&self, group: u32) -> u32 {
        let left = self.sb.blocks_count.saturating_sub(self.group_start(group));
        u32::try_from(left).unwrap_or(u32::MAX).min(self.sb.blocks_per_group)
    }

    /// Where the inode tables of all groups lie.
    pub(crate) fn inode_tables(&self) -> Result<InodeTables> {
        let block = u64::from(self.sb.block_size());
        let place = |group| Ok(self.group(group)?.descriptor.inode_table.saturating_mul(block));
        let tables = (0..self.group_count()).map(place).collect::<Result<_>>()?;
        Ok(InodeTables { inode_size: self.sb.inode_size.into(), per_group: self.sb.inodes_per_group, tables })
    }

    /// The block bitmap of a group: read, or made where it was never written.
    pub(crate) fn block_bitmap(&self, group: &Group) -> Result<Bitmap> {
        let Descriptor { block_bitmap, inode_bitmap, inode_table, .. } = group.descriptor;
        if !group.descriptor.has(BLOCK_UNINIT) {
            return Ok(Bitmap::from_bytes(self.read_block(block_bitmap)?));
        }
        let mut bitmap = Bitmap::free(self.block_size(), self.group_len(group.number));
        let start = self.group_start(group.number);
        bitmap.fill(0..self.head_blocks(group.number), true);
        let table = self.table_blocks().into();
        for (first, len) in [(block_bitmap, 1), (inode_bitmap, 1), (inode_table, table)] {
            // With flex_bg they may lie in another group, whose bitmap was written then.
            for block in first..first.saturating_add(len) {
                let bit = block.checked_sub(start);
                if let Some(bit) = bit.filter(|bit| *bit < self.sb.blocks_per_group.into()) {
                    bitmap.set(bit);
                }
            }
        }
        Ok(bitmap)
    }

    /// Whether the block bitmap of a group has the checksum that it should have.
    pub(crate) fn block_bitmap_is_sound(&self, group: &Group) -> Result<bool> {
        let Descriptor { block_bitmap, block_bitmap_sum, .. } = group.descriptor;
        self.bitmap_is_sound(
            group.descriptor.has(BLOCK_UNINIT),
            block_bitmap,
            self.sb.blocks_per_group,
            block_bitmap_sum,
        )
    }

    /// As [`Volume::block_bitmap_is_sound`], for inodes.
    pub(crate) fn inode_bitmap_is_sound(&self, group: &Group) -> Result<bool> {
        let Descriptor { inode_bitmap, inode_bitmap_sum, .. } = group.descriptor;
        self.bitmap_is_sound(
            group.descriptor.has(INODE_UNINIT),
            inode_bitmap,
            self.sb.inodes_per_group,
            inode_bitmap_sum,
        )
    }

    /// One that was never written is sound.
    fn bitmap_is_sound(&self, unwritten: bool, block: u64, bits: u32, stored: u32) -> Result<bool> {
        if unwritten || !self.csum.enabled {
            return Ok(true);
        }
        let bitmap = Bitmap::from_bytes(self.read_block(block)?);
        Ok(self.bitmap_sum(&bitmap, bits) == Some(stored))
    }

    /// Blocks at the beginning of a group that hold a superblock, descriptors, and room for more of them.
    pub(crate) fn head_blocks(&self, group: u32) -> u32 {
        u32::try_from(self.sb.group_head_metadata_blocks(group.into())).unwrap_or(u32::MAX)
    }

    /// Blocks of the inode table of a group.
    pub(crate) fn table_blocks(&self) -> u32 {
        let bytes = u64::from(self.sb.inodes_per_group).saturating_mul(self.sb.inode_size.into());
        u32::try_from(bytes.div_ceil(self.sb.block_size().into())).unwrap_or(u32::MAX)
    }

    /// How many inodes of a group were ever used; the bytes behind them may be anything.
    pub(crate) fn touched_inodes(&self, group: &Group) -> u32 {
        let all = self.sb.inodes_per_group;
        if !self.checksums.allow_uninitialised() {
            return all;
        }
        if group.descriptor.has(INODE_UNINIT) {
            0
        } else {
            all.saturating_sub(group.descriptor.unused_inodes)
        }
    }

    /// As [`Volume::block_bitmap`], for inodes.
    pub(crate) fn inode_bitmap(&self, group: &Group) -> Result<Bitmap> {
        if group.descriptor.has(INODE_UNINIT) {
            return Ok(Bitmap::free(self.block_size(), self.sb.inodes_per_group));
        }
        Ok(Bitmap::from_bytes(self.read_block(group.descriptor.inode_bitmap)?))
    }

    /// Writes a block bitmap, and sets its checksum in the descriptor, which the caller writes.
    pub(crate) fn put_block_bitmap(&self, group: &mut Group, bitmap: &Bitmap) -> Result<()> {
        if let Some(sum) = self.bitmap_sum(bitmap, self.sb.blocks_per_group) {
            group.descriptor.block_bitmap_sum = sum;
        }
        self.initialise(group, BLOCK_UNINIT);
        self.write_block(group.descriptor.block_bitmap, bitmap.bytes())
    }

    /// As [`Volume::put_block_bitmap`], for inodes.
    pub(crate) fn put_inode_bitmap(&self, group: &mut Group, bitmap: &Bitmap) -> Result<()> {
        if let Some(sum) = self.bitmap_sum(bitmap, self.sb.inodes_per_group) {
            group.descriptor.inode_bitmap_sum = sum;
        }
        self.initialise(group, INODE_UNINIT);
        self.write_block(group.descriptor.inode_bitmap, bitmap.bytes())
    }

    /// The checksum of a bitmap, where one is kept.
    fn bitmap_sum(&self, bitmap: &Bitmap, bits: u32) -> Option<u32> {
        let size = self.sb.desc_size.into();
        self.csum.enabled.then(|| bitmap_sum(self.checksums, size, bitmap.covered(bits)))
    }

    fn initialise(&self, group: &mut Group, flag: u16) {
        if group.descriptor.has(flag) {
            group.descriptor.flags &= !flag;
            self.note_initialised();
        }
    }
}

impl Group {
    /// Whether the descriptor has the checksum that it should have.
    pub(crate) fn is_sound(&self, checksums: Checksums) -> bool {
        group_descriptor::is_sound(&self.bytes, self.number, checksums)
    }

    /// Changes the counts of free blocks, free inodes and directories.
    pub(crate) fn add(&mut self, blocks: i32, inodes: i32, dirs: i32) {
        let Descriptor { free_blocks, free_inodes, dirs: used_dirs, .. } = &mut self.descriptor;
        for (count, delta) in [(free_blocks, blocks), (free_inodes, inodes), (used_dirs, dirs)] {
            *count = count.saturating_add_signed(delta);
        }
    }

    /// Notes that the inode `index` of the group is used: only those behind it may still be unused.
    pub(crate) fn use_table_up_to(&mut self, index: u32, per_group: u32) {
        let behind = per_group.saturating_sub(index.saturating_add(1));
        self.descriptor.unused_inodes = self.descriptor.unused_inodes.min(behind);
    }
}
