//! Allocation of blocks and inodes.

use fs_ext4::error::{Error, Result};

use super::blocks::Volume;
use crate::fs::ext4::layout::extent_node::Run;
use crate::fs::ext4::layout::group_descriptor::BLOCK_UNINIT;

impl Volume {
    /// Takes up to `want` blocks in one run: at `goal` if they are free there, else the first run that is long
    /// enough from there on, else the longest one.
    pub(crate) fn take_blocks(&self, goal: u64, want: u32) -> Result<Run> {
        let groups = self.group_count();
        let goal = goal.saturating_sub(self.sb.first_data_block.into());
        let per_group = u64::from(self.sb.blocks_per_group.max(1));
        let home = u32::try_from(goal / per_group).unwrap_or(0).min(groups.saturating_sub(1));
        let at = u32::try_from(goal % per_group).unwrap_or(0);
        let mut best: Option<(u32, u32, u32)> = None;
        // The group of the goal comes twice: from the goal on, and at last from its beginning.
        for (step, number) in (home..groups).chain(0..=home).enumerate() {
            let group = self.group(number)?;
            let longest = best.map_or(0, |(_, _, len)| len);
            if group.descriptor.free_blocks <= longest {
                continue;
            }
            let bitmap = self.block_bitmap(&group)?;
            let (from, end) = (if step == 0 { at } else { 0 }, self.group_len(number));
            if step == 0 && at > 0 && !bitmap.is_used(at) {
                // A run that continues the file is taken, however short it is.
                best = bitmap.free_run(at, end, want).map(|(start, len)| (number, start, len));
                break;
            }
            match bitmap.best_run(from, end, want) {
                Some((start, len)) if len > longest => best = Some((number, start, len)),
                _ => continue,
            }
            if best.is_some_and(|(_, _, len)| len >= want) {
                break;
            }
        }
        let (group, start, len) = best.ok_or(Error::NoSpaceLeftOnDevice)?;
        self.mark_blocks(group, start, len)
    }

    fn mark_blocks(&self, number: u32, start: u32, len: u32) -> Result<Run> {
        let mut group = self.group(number)?;
        let mut bitmap = self.block_bitmap(&group)?;
        bitmap.fill(start..start.saturating_add(len), true);
        self.put_block_bitmap(&mut group, &bitmap)?;
        let blocks = i32::try_from(len).unwrap_or(i32::MAX);
        group.add(blocks.saturating_neg(), 0, 0);
        self.put_group(&mut group)?;
        self.count_free(-i64::from(len), 0)?;
        Ok(Run { start: self.group_start(number).saturating_add(start.into()), len })
    }

    /// Frees blocks. They must be in use.
    pub(crate) fn free_blocks(&self, run: Run) -> Result<()> {
        let mut at = run.start.saturating_sub(self.sb.first_data_block.into());
        let mut left = run.len;
        let per_group = u64::from(self.sb.blocks_per_group.max(1));
        while left > 0 {
            let number = u32::try_from(at / per_group).map_err(|_| Error::OutOfBounds)?;
            let bit = u32::try_from(at % per_group).map_err(|_| Error::OutOfBounds)?;
            let len = left.min(self.group_len(number).saturating_sub(bit));
            if len == 0 || number >= self.group_count() {
                return Err(Error::Corrupt("a run of blocks that leaves the file system"));
            }
            let mut group = self.group(number)?;
            let mut bitmap = self.block_bitmap(&group)?;
            if (bit..bit.saturating_add(len)).any(|bit| !bitmap.is_used(bit)) {
                return Err(Error::Corrupt("a block that is in use and free at once"));
            }
            bitmap.fill(bit..bit.saturating_add(len), false);
            self.put_block_bitmap(&mut group, &bitmap)?;
            group.add(i32::try_from(len).unwrap_or(i32::MAX), 0, 0);
            self.put_group(&mut group)?;
            self.count_free(len.into(), 0)?;
            at = at.saturating_add(len.into());
            left = left.saturating_sub(len);
        }
        Ok(())
    }

    /// Takes a free inode as near as possible to the directory above it, and returns its number.
    pub(crate) fn take_inode(&self, above: u32, dir: bool) -> Result<u32> {
        let per_group = self.sb.inodes_per_group.max(1);
        let groups = self.group_count();
        let home = self.group_of_inode(above);
        for step in 0..groups {
            let number = home.saturating_add(step).checked_rem(groups).unwrap_or(0);
            let mut group = self.group(number)?;
            if group.descriptor.free_inodes == 0 {
                continue;
            }
            let mut bitmap = self.inode_bitmap(&group)?;
            // The first inodes are reserved for the file system itself; small groups have some in the second one too.
            let first =
                self.sb.first_inode.saturating_sub(1).saturating_sub(number.saturating_mul(per_group));
            let Some((index, _)) = bitmap.free_run(first, per_group, 1) else { continue };
            bitmap.set(index.into());
            self.put_inode_bitmap(&mut group, &bitmap)?;
            group.use_table_up_to(index, per_group);
            if group.descriptor.has(BLOCK_UNINIT) {
                // As the kernel does: the first inode of a group initialises its block bitmap too.
                let blocks = self.block_bitmap(&group)?;
                self.put_block_bitmap(&mut group, &blocks)?;
            }
            group.add(0, -1, dir.into());
            self.put_group(&mut group)?;
            self.count_free(0, -1)?;
            return Ok(number.saturating_mul(per_group).saturating_add(index).saturating_add(1));
        }
        Err(Error::Corrupt("no group has a free inode"))
    }

    /// Frees an inode.
    pub(crate) fn free_inode(&self, inode: u32, dir: bool) -> Result<()> {
        let per_group = self.sb.inodes_per_group.max(1);
        let at = inode.saturating_sub(1);
        let mut group = self.group(at / per_group)?;
        let mut bitmap = self.inode_bitmap(&group)?;
        let index = at % per_group;
        bitmap.fill(index..index.saturating_add(1), false);
        self.put_inode_bitmap(&mut group, &bitmap)?;
        group.add(0, 1, if dir { -1 } else { 0 });
        self.put_group(&mut group)?;
        self.count_free(0, 1)
    }
}
