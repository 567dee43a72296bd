//! How far a file system can grow, and how far it must to hold something.

use super::descriptor::Table;
use super::superblock::Superblock;
use crate::disk::ByteSize;
use crate::fs::{FsError, Result};

/// Block numbers of the resize inode, and of everything without the feature 64bit, have 32 bits.
const MOST_BLOCKS: u64 = u32::MAX as u64;

/// The end of growth, and what sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GrowthPlan {
    /// The largest size in blocks.
    pub blocks: u64,
    /// What sets it, and how to get beyond.
    because: &'static str,
}

impl GrowthPlan {
    /// How far a file system can grow.
    pub(super) fn of(superblock: &Superblock) -> Self {
        let layout = &superblock.layout;
        let described = layout.descriptor_area.saturating_mul(layout.descriptors_per_block());
        let numbered = u32::MAX / layout.inodes_per_group;
        let ends = [
            (
                layout.start(described),
                "the blocks reserved for group descriptors end there; for more, grow the file system with \
                 `resize2fs` first, or make it with a larger `mke2fs -E resize=`",
            ),
            (
                layout.start(numbered),
                "inode numbers end there; for more, make the file system with fewer inodes (`mke2fs -i`)",
            ),
            (MOST_BLOCKS, "block numbers end there; for more, make the file system with larger blocks"),
        ];
        let nearest = ends.into_iter().min_by_key(|(blocks, _)| *blocks);
        let (blocks, because) = nearest.unwrap_or((superblock.blocks, "nothing can be added"));
        Self { blocks: layout.usable(blocks, superblock.blocks).max(superblock.blocks), because }
    }

    /// Refuses a size beyond.
    pub(super) fn check(self, superblock: &Superblock, blocks: u64) -> Result<()> {
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
pub(super) fn bytes(superblock: &Superblock, blocks: u64) -> ByteSize {
    ByteSize(blocks.saturating_mul(u64::from(superblock.layout.block_size)))
}

/// The smallest size, in blocks, in which at least so many blocks and inodes are free.
pub(super) fn blocks_for(superblock: &Superblock, table: &Table, blocks: u64, inodes: u64) -> Result<u64> {
    let (layout, groups) = (&superblock.layout, superblock.groups());
    let (mut free, mut free_inodes) = table.free();
    let mut size = superblock.blocks;
    // The last group first: it may be a part of one. A whole group that is missing nothing adds nothing.
    let filled = layout.start(groups);
    if free_inodes >= inodes && free + (filled - size) >= blocks {
        return Ok(size + blocks.saturating_sub(free));
    }
    free += filled - size;
    size = filled;
    let growth_plan = GrowthPlan::of(superblock);
    for group in groups.. {
        growth_plan.check(superblock, size.saturating_add(1))?;
        free_inodes += u64::from(layout.inodes_per_group);
        let overhead = u64::from(layout.overhead(group));
        let length = blocks
            .saturating_sub(free)
            .saturating_add(overhead)
            .max(u64::from(layout.smallest_new_group(group)));
        if free_inodes >= inodes && length <= u64::from(layout.blocks_per_group) {
            size += length;
            break;
        }
        size += u64::from(layout.blocks_per_group);
        free += u64::from(layout.blocks_per_group) - overhead;
    }
    growth_plan.check(superblock, size)?;
    Ok(size)
}
