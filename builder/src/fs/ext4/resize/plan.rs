//! What growing writes, as a pure function of what was read.

use std::ops::Range;
use std::sync::Arc;

use super::descriptor_table::Table;
use super::new_group::GroupBuilder;
use super::read::Old;
use super::resize_inode::{self, Reserve};
use super::size_limit::SizeLimit;
use super::superblock::{Superblock, Totals};
use super::write::Write;
use crate::fs::Result;
use crate::fs::ext4::layout::group_descriptor::BLOCK_UNINIT;
use crate::fs::ext4::layout::superblock;

/// The writes that grow a file system, in their order.
///
/// First comes what lies behind the old file system, then the copies of superblock and descriptors, then what
/// the old file system uses itself, at last its first superblock. Interrupted in the first part, the old file
/// system has not changed; later, e2fsck can fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The grown file system's superblock.
    pub superblock: Superblock,
    pub writes: Vec<Write>,
}

/// Plans growth to at most `wanted` blocks. None where the file system has that size already.
pub(crate) fn plan(old: &Old, wanted: u64) -> Result<Option<Plan>> {
    let geometry = &old.superblock.geometry;
    let blocks = geometry.usable(wanted, old.superblock.blocks);
    if blocks <= old.superblock.blocks {
        return Ok(None);
    }
    SizeLimit::of(&old.superblock).check(&old.superblock, blocks)?;
    let (old_groups, groups) = (old.superblock.groups(), geometry.groups(blocks));

    let mut table = old.table.clone();
    let last_bitmap = lengthen_last_group(old, blocks, &mut table)?;
    let uninitialised = old.superblock.checksums.allow_uninitialised();
    let mut builder = GroupBuilder::new(geometry, blocks, &table, uninitialised);
    let mut writes = Vec::new();
    for group in old_groups..groups {
        writes.extend(builder.make(group, &mut table)?);
    }

    let grown = old.superblock.with(&totals(old, blocks, &table));
    let descriptors: Arc<[u8]> = table.blocks(geometry.block_size).into();
    let tree = resize_inode(old, &grown)?;
    writes.extend(copies(&grown, &descriptors, old_groups..groups));
    writes.extend(copies(&grown, &descriptors, 1..old_groups));
    writes.extend(last_bitmap);
    writes.extend(tree);
    writes.push(Write::bytes(geometry.byte(geometry.start(0) + 1), descriptors));
    writes.push(Write::bytes(superblock::PLACE, grown.primary()));
    Ok(Some(Plan { superblock: grown, writes }))
}

/// Frees the blocks that the old last group gains; none if it was complete.
fn lengthen_last_group(old: &Old, blocks: u64, table: &mut Table) -> Result<Option<Write>> {
    let geometry = &old.superblock.geometry;
    let group = old.superblock.groups().saturating_sub(1);
    let (before, after) = (geometry.len(group, old.superblock.blocks), geometry.len(group, blocks));
    if after <= before {
        return Ok(None);
    }
    let mut bitmap = old.last_bitmap.clone();
    bitmap.fill(before..after, false);
    let mut last = table.get(group)?;
    last.free_blocks = last.free_blocks.saturating_add(after - before);
    last.flags &= !BLOCK_UNINIT;
    last.block_bitmap_sum = table.bitmap_sum(bitmap.covered(geometry.blocks_per_group));
    table.set(group, last)?;
    Ok(Some(Write::bytes(geometry.byte(last.block_bitmap), bitmap.bytes())))
}

fn totals(old: &Old, blocks: u64, table: &Table) -> Totals {
    let (superblock, geometry) = (&old.superblock, &old.superblock.geometry);
    let groups = geometry.groups(blocks);
    let (free_blocks, free_inodes) = table.free();
    let added: u32 =
        (superblock.groups()..groups).map(|group| geometry.overhead(group)).fold(0, u32::saturating_add);
    Totals {
        blocks,
        free_blocks,
        root_blocks: scaled(superblock.root_blocks, blocks, superblock.blocks),
        inodes: groups.saturating_mul(geometry.inodes_per_group),
        free_inodes,
        reserve: geometry
            .descriptor_area
            .saturating_sub(geometry.descriptor_blocks(groups))
            .min(superblock.reserve),
        overhead: if superblock.overhead == 0 { 0 } else { superblock.overhead.saturating_add(added) },
    }
}

/// The same share of a new whole, rounded down.
fn scaled(part: u64, new: u64, old: u64) -> u64 {
    let share = (u128::from(part) * u128::from(new)).checked_div(u128::from(old)).unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Superblock and descriptors into every group of `groups` that holds copies.
fn copies(grown: &Superblock, descriptors: &Arc<[u8]>, groups: Range<u32>) -> Vec<Write> {
    let geometry = &grown.geometry;
    geometry
        .copies(groups.end)
        .filter(|group| groups.contains(group))
        .flat_map(|group| {
            let start = geometry.start(group);
            [
                Write::bytes(geometry.byte(start), grown.copy(group)),
                Write::bytes(geometry.byte(start + 1), descriptors.clone()),
            ]
        })
        .collect()
}

/// What the resize inode owns, where the reserve or the groups with copies have changed.
fn resize_inode(old: &Old, grown: &Superblock) -> Result<Vec<Write>> {
    let geometry = &grown.geometry;
    let (before, after) = (Reserve::of(&old.superblock), Reserve::of(grown));
    let Some(tree) = old.resize_inode.as_ref().filter(|_| before != after) else {
        return Ok(Vec::new());
    };
    let first = old.table.get(0)?;
    let (double_block, double) = tree.double(geometry, before, after)?;
    let mut writes: Vec<Write> = resize_inode::indirect_blocks(geometry, after)
        .map(|(block, content)| Write::bytes(geometry.byte(u64::from(block)), content))
        .collect();
    writes.push(Write::bytes(geometry.byte(u64::from(double_block)), double));
    let inode = tree.inode(geometry, after, grown.checksums);
    writes.push(Write::bytes(resize_inode::place(geometry, &first), inode));
    Ok(writes)
}
