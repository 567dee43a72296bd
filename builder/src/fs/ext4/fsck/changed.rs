//! What was changed, checked against what was there: at a cost that follows the change, not the file system.
//!
//! Before the first write the file system was sound, and what was there in the places that changed was kept. So it is
//! enough to look at the inodes that changed, once as they were and once as they are: their blocks then and now, their
//! names then and now. Every changed byte must belong to one of them, or to the tables of the groups.

use std::collections::BTreeSet;
use std::ops::Range;

use super::claims::{Claims, Owner};
use super::inode::{self, Visit};
use super::names::{Names, Side};
use super::{groups, inodes, preflight};
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::extent_node::Run;
use crate::fs::ext4::layout::inode::{DIR, Inode};
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::{FsError, Result};

/// Why what was changed is not known to be sound.
#[derive(Debug)]
pub(super) enum Finding {
    /// What was there before cannot be read any more.
    Unknown,
    /// It is not.
    Unsound(FsError),
}

impl From<FsError> for Finding {
    fn from(error: FsError) -> Self {
        Self::Unsound(error)
    }
}

/// The file system as it was and as it is.
pub(super) struct Both<'a> {
    pub(super) before: &'a Volume,
    pub(super) after: &'a Volume,
}

/// An inode as it was and as it is; none where it was or is not in use.
pub(super) struct Changed {
    pub(super) number: u32,
    pub(super) before: Option<Inode>,
    pub(super) after: Option<Inode>,
}

impl Changed {
    /// Whether it is still the same file.
    pub(super) fn is_same(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => {
                before.generation() == after.generation() && before.format() == after.format()
            }
            (None, None) => true,
            _ => false,
        }
    }

    pub(super) fn is_dir(&self, side: Side) -> bool {
        self.on(side).is_some_and(|inode| inode.format() == DIR)
    }

    pub(super) fn on(&self, side: Side) -> Option<&Inode> {
        match side {
            Side::Before => self.before.as_ref(),
            Side::After => self.after.as_ref(),
        }
    }
}

/// Checks the inodes `numbers`, which are all that changed, and that `touched`, all bytes that changed, are theirs.
pub(super) fn check(
    both: &Both<'_>,
    mut claims: Claims,
    mut numbers: BTreeSet<u32>,
    touched: impl Iterator<Item = Range<u64>>,
) -> std::result::Result<(), Finding> {
    check_groups(both, &mut numbers)?;
    let changed = numbers.into_iter().map(|number| changed(both, number)).collect::<Result<Vec<_>>>()?;
    let mut own = Claims::new(both.after);
    check_blocks(both, &mut claims, &mut own, &changed)?;
    check_touched(both.after, &claims, &mut own, touched)?;
    Ok(Names::read(both, &changed)?.check(both, &changed)?)
}

/// Checks the bitmaps of the groups that changed, and adds the inodes that were taken or freed by them.
fn check_groups(both: &Both<'_>, numbers: &mut BTreeSet<u32>) -> Result<()> {
    for number in 0..both.after.group_count() {
        let (before, after) = (groups::group(both.before, number)?, groups::group(both.after, number)?);
        // Without checksums a descriptor does not tell whether its bitmaps have changed.
        if before.descriptor == after.descriptor && both.after.csum.enabled {
            continue;
        }
        groups::check_bitmaps(both.after, &after)?;
        let reading = |error| convert(error, &format!("the inode bitmap of group {number}"));
        let (old, new) = (
            both.before.inode_bitmap(&before).map_err(reading)?,
            both.after.inode_bitmap(&after).map_err(reading)?,
        );
        let differ =
            (0..both.after.sb.inodes_per_group).filter(|index| old.is_used(*index) != new.is_used(*index));
        numbers.extend(differ.map(|index| inodes::inode_number(both.after, number, index)));
    }
    let reading = |error| convert(error, "the superblock");
    let sb = both.after.superblock().map_err(reading)?;
    let (blocks, inodes) = both.after.free_in_groups().map_err(reading)?;
    if (sb.free_blocks(), sb.free_inodes()) == (blocks, inodes) {
        return Ok(());
    }
    Err(corrupt(format!(
        "the superblock says that {} blocks and {} inodes are free, its groups have {blocks} and {inodes}",
        sb.free_blocks(),
        sb.free_inodes()
    )))
}

fn changed(both: &Both<'_>, number: u32) -> Result<Changed> {
    Ok(Changed { number, before: in_use(both.before, number)?, after: in_use(both.after, number)? })
}

/// An inode, if its bitmap says that it is in use.
fn in_use(volume: &Volume, number: u32) -> Result<Option<Inode>> {
    let reading = |error| convert(error, &format!("inode {number}"));
    let group = groups::group(volume, volume.group_of_inode(number))?;
    let index = number.saturating_sub(1) % volume.sb.inodes_per_group.max(1);
    if index >= volume.touched_inodes(&group) {
        return Ok(None);
    }
    let inode = volume.raw_inode(number).map_err(reading)?;
    let marked = volume.inode_bitmap(&group).map_err(reading)?.is_used(index);
    Ok(inodes::is_in_use(volume, &inode, marked)?.then_some(inode))
}

/// Takes back what the inodes owned, and claims what they own.
fn check_blocks(
    both: &Both<'_>,
    claims: &mut Claims,
    own: &mut Claims,
    changed: &[Changed],
) -> std::result::Result<(), Finding> {
    let mut shared = Vec::new();
    for inode in changed.iter().filter_map(|changed| changed.before.as_ref()) {
        for visit in [&mut Visit::Release(claims), &mut Visit::Mark(own)] {
            inode::visit(both.before, inode, visit).map_err(|_| Finding::Unknown)?;
        }
        shared.push(inode.acl_block());
    }
    for inode in changed.iter().filter_map(|changed| changed.after.as_ref()) {
        inode::check(both.after, claims, inode)?;
        inode::visit(both.after, inode, &mut Visit::Mark(own))?;
    }
    for block in shared.into_iter().filter(|block| *block != 0) {
        if claims.is_shared(block) {
            claims.set_said(block, inode::users_of(both.after, block)?);
        }
    }
    claims.check_shared()?;
    let groups: Vec<u32> = claims.groups().collect();
    groups.into_iter().try_for_each(|number| preflight::none_is_free(both.after, claims, number))?;
    Ok(())
}

/// Every block that was written is one of the groups' tables, one of a changed inode, or free.
fn check_touched(
    volume: &Volume,
    claims: &Claims,
    own: &mut Claims,
    touched: impl Iterator<Item = Range<u64>>,
) -> Result<()> {
    let mut mark = |number, start, len| own.mark(Owner::Group(number), Run { start, len });
    for number in 0..volume.group_count() {
        let descriptor = groups::group(volume, number)?.descriptor;
        mark(number, descriptor.block_bitmap, 1)?;
        mark(number, descriptor.inode_bitmap, 1)?;
        mark(number, descriptor.inode_table, volume.table_blocks())?;
    }
    // The first superblock and the descriptors behind it; copies of them are not written.
    mark(0, volume.group_start(0), volume.head_blocks(0))?;
    let size = u64::from(volume.sb.block_size());
    for range in touched {
        for block in range.start / size..range.end.div_ceil(size) {
            if claims.is_claimed(block) && !own.is_claimed(block) {
                return Err(corrupt(format!(
                    "block {block} was written, but belongs to nothing that changed"
                )));
            }
        }
    }
    Ok(())
}
