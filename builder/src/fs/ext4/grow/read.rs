//! Reads what growth needs to know of the old file system, and verifies it.

use super::bitmap::Bitmap;
use super::descriptor::{BLOCK_UNINIT, Descriptor, Table};
use super::layout::Layout;
use super::resize_inode::{self, ResizeInode};
use super::superblock::{self, CURE, Superblock};
use crate::disk::Window;
use crate::fs::{FsError, Result};

/// The old file system, as far as growth changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Old {
    pub superblock: Superblock,
    pub table: Table,
    /// Block bitmap of the last group.
    pub last_bitmap: Bitmap,
    /// None where no descriptor block is reserved.
    pub resize_inode: Option<ResizeInode>,
}

/// Reads superblock and descriptors.
pub(super) fn read_table(window: &Window) -> Result<(Superblock, Table)> {
    let mut raw = [0; superblock::SIZE];
    read_into(window, &mut raw, superblock::PLACE, "the ext4 superblock")?;
    let superblock = Superblock::parse(raw)?;
    let size = superblock.blocks * u64::from(superblock.layout.block_size);
    if size > window.len() {
        return Err(FsError::Corrupt {
            what: format!("it has {size} bytes in a partition of {}: the image is truncated", window.len()),
            hint: None,
        });
    }
    let layout = &superblock.layout;
    let place = layout.byte(u64::from(layout.first_data_block) + 1);
    let len = superblock.descriptor_blocks() as usize * layout.block_size as usize;
    let bytes = read(window, place, len, "the group descriptors")?;
    let table = Table::parse(bytes, layout.descriptor_size, superblock.groups(), superblock.checksums)?;
    Ok((superblock, table))
}

/// Reads everything.
pub(super) fn read_old(window: &Window) -> Result<Old> {
    let (superblock, table) = read_table(window)?;
    let last_bitmap = read_last_bitmap(window, &superblock, &table)?;
    let resize_inode = read_resize_inode(window, &superblock, &table)?;
    Ok(Old { superblock, table, last_bitmap, resize_inode })
}

fn read_last_bitmap(window: &Window, superblock: &Superblock, table: &Table) -> Result<Bitmap> {
    let layout = &superblock.layout;
    let group = superblock.groups().saturating_sub(1);
    let descriptor = descriptor(table, group)?;
    let len = layout.len(group, superblock.blocks);
    let block = inside(superblock, descriptor.block_bitmap, "a block bitmap")?;
    let bitmap = if descriptor.flags & BLOCK_UNINIT == 0 {
        Bitmap::from_bytes(read(window, block, layout.block_size as usize, "a block bitmap")?)
    } else {
        never_written(layout, group, len, &descriptor)
    };
    let damaged = |what: &str| FsError::Corrupt {
        what: format!("the block bitmap of group {group} {what}"),
        hint: Some(CURE),
    };
    let sum = table.bitmap_sum(bitmap.meaningful(layout.blocks_per_group));
    if descriptor.flags & BLOCK_UNINIT == 0
        && sum != descriptor.block_bitmap_sum
        && superblock.features.sums_metadata()
    {
        return Err(damaged("has a wrong checksum"));
    }
    if bitmap.count_free(len) != descriptor.free_blocks {
        return Err(damaged("does not agree with the count of free blocks"));
    }
    Ok(bitmap)
}

/// The bitmap that a group marked `BLOCK_UNINIT` stands for: nothing but the group's own structures, as far
/// as they lie in it.
fn never_written(layout: &Layout, group: u32, len: u32, descriptor: &Descriptor) -> Bitmap {
    let mut bitmap = Bitmap::free(layout.block_size, len);
    bitmap.fill(0..layout.head(group), true);
    let start = layout.start(group);
    let structures = [
        (descriptor.block_bitmap, 1),
        (descriptor.inode_bitmap, 1),
        (descriptor.inode_table, u64::from(layout.table_blocks())),
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
    let layout = &superblock.layout;
    let first = descriptor(table, 0)?;
    inside(superblock, first.inode_table, "the inode table of group 0")?;
    let place = resize_inode::place(layout, &first);
    let inode = read(window, place, layout.inode_size as usize, "the resize inode")?;
    let double = u64::from(resize_inode::double_indirect_block(&inode));
    let double = inside(superblock, double, "the resize inode's block")?;
    let double = read(window, double, layout.block_size as usize, "the resize inode's block")?;
    ResizeInode::parse(inode, double, superblock).map(Some)
}

/// Place of a block that must lie behind the superblock and inside the file system.
fn inside(superblock: &Superblock, block: u64, name: &str) -> Result<u64> {
    let first = u64::from(superblock.layout.first_data_block);
    if block > first && block < superblock.blocks {
        return Ok(superblock.layout.byte(block));
    }
    Err(FsError::Corrupt {
        what: format!("{name} at block {block}, outside of the file system"),
        hint: Some(CURE),
    })
}

/// The descriptor of a group that must exist.
pub(super) fn descriptor(table: &Table, group: u32) -> Result<Descriptor> {
    table
        .get(group)
        .ok_or_else(|| FsError::Corrupt { what: format!("no descriptor of group {group}"), hint: Some(CURE) })
}

fn read(window: &Window, place: u64, len: usize, what: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    read_into(window, &mut bytes, place, what)?;
    Ok(bytes)
}

/// Fills `bytes` from a place in the file system; `what` names it in the error.
pub(super) fn read_into(window: &Window, bytes: &mut [u8], place: u64, what: &str) -> Result<()> {
    window
        .read_exact_at(bytes, place)
        .map_err(|source| FsError::Io { what: format!("reading {what} at byte {place}"), source })
}
