//! How far a file system can grow, and how far it must grow to have space for something.

use super::descriptor_table::Table;
use super::superblock::Superblock;
use crate::disk::ByteSize;
use crate::fs::{FsError, Result};

/// Block numbers of the resize inode, and of everything without the feature 64bit, have 32 bits.
const MOST_BLOCKS: u64 = u32::MAX as u64;

/// The largest size of a file system, and what sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SizeLimit {
    /// The largest size in blocks.
    pub blocks: u64,
    /// What sets it, and the fix.
    because: &'static str,
}

impl SizeLimit {
    /// How far a file system can grow.
    pub(crate) fn of(superblock: &Superblock) -> Self {
        let geometry = &superblock.geometry;
        let described = geometry.descriptor_area.saturating_mul(geometry.descriptors_per_block());
        let numbered = u32::MAX / geometry.inodes_per_group;
        let ends = [
            (
                geometry.start(described),
                "the blocks reserved for group descriptors end there; for more, grow the file system with \
                 `resize2fs` first, or make it with a larger `mke2fs -E resize=`",
            ),
            (
                geometry.start(numbered),
                "inode numbers end there; for more, make the file system with fewer inodes (`mke2fs -i`)",
            ),
            (MOST_BLOCKS, "block numbers end there; for more, make the file system with larger blocks"),
        ];
        let nearest = ends.into_iter().min_by_key(|(blocks, _)| *blocks);
        let (blocks, because) = nearest.unwrap_or((superblock.blocks, "nothing can be added"));
        Self { blocks: geometry.usable(blocks, superblock.blocks).max(superblock.blocks), because }
    }

    /// An error for a larger size.
    pub(crate) fn check(self, superblock: &Superblock, blocks: u64) -> Result<()> {
        if blocks <= self.blocks {
            return Ok(());
        }
        let (to, end) = (bytes(superblock, blocks), bytes(superblock, self.blocks));
        Err(FsError::Unsupported {
            what: format!(
                "growing ext4 to {to} ({} bytes), beyond {end} ({} bytes: {}),",
                to.0, end.0, self.because
            ),
        })
    }
}

/// Size of so many blocks.
pub(crate) fn bytes(superblock: &Superblock, blocks: u64) -> ByteSize {
    ByteSize(blocks.saturating_mul(u64::from(superblock.geometry.block_size)))
}

/// The smallest size, in blocks, in which at least so many blocks and inodes are free.
pub(crate) fn blocks_for(superblock: &Superblock, table: &Table, blocks: u64, inodes: u64) -> Result<u64> {
    let (geometry, groups) = (&superblock.geometry, superblock.groups());
    let (mut free, mut free_inodes) = table.free();
    let mut size = superblock.blocks;
    // The last group first: it may be a part of one. A whole group that is missing nothing adds nothing.
    let filled = geometry.start(groups);
    if free_inodes >= inodes && free + (filled - size) >= blocks {
        return Ok(size + blocks.saturating_sub(free));
    }
    free += filled - size;
    size = filled;
    let limit = SizeLimit::of(superblock);
    for group in groups.. {
        limit.check(superblock, size.saturating_add(1))?;
        free_inodes += u64::from(geometry.inodes_per_group);
        let overhead = u64::from(geometry.overhead(group));
        let length = blocks
            .saturating_sub(free)
            .saturating_add(overhead)
            .max(u64::from(geometry.smallest_new_group(group)));
        if free_inodes >= inodes && length <= u64::from(geometry.blocks_per_group) {
            size += length;
            break;
        }
        size += u64::from(geometry.blocks_per_group);
        free += u64::from(geometry.blocks_per_group) - overhead;
    }
    limit.check(superblock, size)?;
    Ok(size)
}
