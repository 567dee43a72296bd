//! Reads and checks what growth needs of the old file system.

use super::damage::corrupt;
use super::descriptor_table::Table;
use super::geometry::Geometry;
use super::resize_inode::{self, ResizeInode};
use super::superblock::Superblock;
use crate::disk::Window;
use crate::fs::ext4::layout::bitmap::Bitmap;
use crate::fs::ext4::layout::features::METADATA_CSUM;
use crate::fs::ext4::layout::group_descriptor::{BLOCK_UNINIT, Descriptor};
use crate::fs::ext4::layout::superblock::{self, RawSuperblock};
use crate::fs::{FsError, Result};

/// The old file system, as far as growth changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Old {
    pub superblock: Superblock,
    pub table: Table,
    /// Block bitmap of the last group.
    pub last_bitmap: Bitmap,
    /// None where no descriptor block is reserved.
    pub resize_inode: Option<ResizeInode>,
}

/// Reads superblock and descriptors.
pub(crate) fn read_table(window: &Window) -> Result<(Superblock, Table)> {
    let mut raw = [0; superblock::SIZE];
    read_into(window, &mut raw, superblock::PLACE, "the ext4 superblock")?;
    let superblock = Superblock::parse(RawSuperblock(raw))?;
    let size = superblock.blocks * u64::from(superblock.geometry.block_size);
    if size > window.len() {
        return Err(FsError::Corrupt {
            what: format!("it has {size} bytes in a partition of {}: the image is truncated", window.len()),
            hint: None,
        });
    }
    let geometry = &superblock.geometry;
    let place = geometry.byte(u64::from(geometry.first_data_block) + 1);
    let len = superblock.descriptor_blocks() as usize * geometry.block_size as usize;
    let bytes = read(window, place, len, "the group descriptors")?;
    let table = Table::parse(bytes, geometry.descriptor_size, superblock.groups(), superblock.checksums)?;
    Ok((superblock, table))
}

/// Reads everything.
pub(crate) fn read_old(window: &Window) -> Result<Old> {
    let (superblock, table) = read_table(window)?;
    let last_bitmap = read_last_bitmap(window, &superblock, &table)?;
    let resize_inode = read_resize_inode(window, &superblock, &table)?;
    Ok(Old { superblock, table, last_bitmap, resize_inode })
}

fn read_last_bitmap(window: &Window, superblock: &Superblock, table: &Table) -> Result<Bitmap> {
    let geometry = &superblock.geometry;
    let group = superblock.groups().saturating_sub(1);
    let descriptor = table.get(group)?;
    let len = geometry.len(group, superblock.blocks);
    let block = inside(superblock, descriptor.block_bitmap, "a block bitmap")?;
    let bitmap = if !descriptor.has(BLOCK_UNINIT) {
        Bitmap::from_bytes(read(window, block, geometry.block_size as usize, "a block bitmap")?)
    } else {
        never_written(geometry, group, len, &descriptor)
    };
    let damaged = |what: &str| corrupt(format!("the block bitmap of group {group} {what}"));
    let sum = table.bitmap_sum(bitmap.covered(geometry.blocks_per_group));
    if !descriptor.has(BLOCK_UNINIT)
        && sum != descriptor.block_bitmap_sum
        && superblock.features.has_ro_compat(METADATA_CSUM)
    {
        return Err(damaged("has a wrong checksum"));
    }
    if bitmap.count_free(len) != descriptor.free_blocks {
        return Err(damaged("does not match the count of free blocks"));
    }
    Ok(bitmap)
}

/// The bitmap that a group marked `BLOCK_UNINIT` stands for: nothing but the group's own structures, as far
/// as they lie in it.
fn never_written(geometry: &Geometry, group: u32, len: u32, descriptor: &Descriptor) -> Bitmap {
    let mut bitmap = Bitmap::free(geometry.block_size as usize, len);
    bitmap.fill(0..geometry.head(group), true);
    let start = geometry.start(group);
    let structures = [
        (descriptor.block_bitmap, 1),
        (descriptor.inode_bitmap, 1),
        (descriptor.inode_table, u64::from(geometry.table_blocks())),
    ];
    for (first, count) in structures {
        let bit = |block: u64| u32::try_from(block.saturating_sub(start)).map_or(len, |bit| bit.min(len));
        bitmap.fill(bit(first)..bit(first.saturating_add(count)), true);
    }
    bitmap
}

fn read_resize_inode(window: &Window, superblock: &Superblock, table: &Table) -> Result<Option<ResizeInode>> {
    if superblock.reserve == 0 {
        return Ok(None);
    }
    let geometry = &superblock.geometry;
    let first = table.get(0)?;
    inside(superblock, first.inode_table, "the inode table of group 0")?;
    let place = resize_inode::place(geometry, &first);
    let inode = read(window, place, geometry.inode_size as usize, "the resize inode")?;
    let inode = ResizeInode::inode_of(&inode)?;
    let double = u64::from(resize_inode::double_indirect_block(&inode));
    let double = inside(superblock, double, "the resize inode's block")?;
    let double = read(window, double, geometry.block_size as usize, "the resize inode's block")?;
    ResizeInode::parse(inode, double, superblock).map(Some)
}

/// Place of a block that must lie behind the superblock and inside the file system.
fn inside(superblock: &Superblock, block: u64, name: &str) -> Result<u64> {
    let first = u64::from(superblock.geometry.first_data_block);
    if block > first && block < superblock.blocks {
        return Ok(superblock.geometry.byte(block));
    }
    Err(corrupt(format!("{name} at block {block}, outside of the file system")))
}

fn read(window: &Window, place: u64, len: usize, what: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    read_into(window, &mut bytes, place, what)?;
    Ok(bytes)
}

/// Fills `bytes` from a place in the file system; `what` names it in the error.
pub(crate) fn read_into(window: &Window, bytes: &mut [u8], place: u64, what: &str) -> Result<()> {
    window
        .read_exact_at(bytes, place)
        .map_err(|source| FsError::Io { what: format!("reading {what} at byte {place}"), source })
}
