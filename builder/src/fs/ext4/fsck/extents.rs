//! The blocks of an inode: its extents or its block map, against its size and its kind.
//!
//! What is refused of an extent tree is what the kernel refuses when it reads one (`ext4_ext_check`), and more by e2fsck: a
//! folder has no holes and no blocks that were never written, a file has no written ones behind its end.
//!
//! [Extent tree](https://docs.kernel.org/filesystems/ext4/ifork.html#extent-tree).

use super::claims::Owner;
use super::inode::Visit;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::extent_node::{Node, Run};
use crate::fs::ext4::layout::inode::{EXTENTS, Inode};
use crate::fs::ext4::volume::block_map::{DIRECT, SLOTS};
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::ext4::volume::extents::root;
use crate::fs::{FsError, Result};

/// What an inode maps.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    /// Blocks that it owns, those of its tree among them.
    pub(super) owned: u64,
    /// Blocks of the file that are mapped.
    pub(super) blocks: u64,
    /// The block of the file behind the last one that is mapped.
    pub(super) end: u64,
    /// The same for those that were written.
    pub(super) written_end: u64,
}

/// Visits all blocks of an inode.
pub(super) fn walk(volume: &Volume, inode: &Inode, visit: &mut Visit<'_>) -> Result<Mapped> {
    let mut walk = Walk { volume, inode, visit, mapped: Mapped::default() };
    if inode.has(EXTENTS) {
        let root = root(inode).map_err(|error| walk.converted(error))?;
        walk.node(&root, None)?;
    } else {
        let words = inode.block();
        let mut logical = 0;
        for (slot, word) in words.as_chunks::<4>().0.iter().enumerate().take(SLOTS) {
            let levels = slot.saturating_add(1).saturating_sub(DIRECT);
            walk.pointer(u32::from_le_bytes(*word), levels, &mut logical)?;
        }
    }
    Ok(walk.mapped)
}

struct Walk<'a, 'b> {
    volume: &'a Volume,
    inode: &'a Inode,
    visit: &'a mut Visit<'b>,
    mapped: Mapped,
}

impl Walk<'_, '_> {
    /// Visits what a node leads to. `first` is the block of the file with which the entry above says that it begins.
    fn node(&mut self, node: &Node, first: Option<u32>) -> Result<()> {
        let count = node.entries().map_err(|error| self.converted(error))?;
        let depth = node.depth().map_err(|error| self.converted(error))?;
        // The root of a file without blocks has no entries; a node that was added has one from the beginning.
        if count == 0 && (depth > 0 || first.is_some()) {
            return Err(self.damaged("a node without entries".to_owned()));
        }
        for index in 0..count {
            let logical = node.logical(index).map_err(|error| self.converted(error))?;
            if index == 0 && first.is_some_and(|first| first != logical) {
                return Err(self
                    .damaged(format!("a node that begins with block {logical}, not where its index says")));
            }
            if u64::from(logical) < self.mapped.end {
                return Err(self.damaged(format!("they overlap at block {logical}")));
            }
            if depth == 0 {
                self.extent(node, index)?;
            } else {
                self.child(node, index, logical)?;
            }
        }
        Ok(())
    }

    fn extent(&mut self, leaf: &Node, index: u16) -> Result<()> {
        let extent = leaf.extent(index).map_err(|error| self.converted(error))?;
        let end = u64::from(extent.logical).saturating_add(extent.run.len.into());
        if extent.run.len == 0 || end > u64::from(u32::MAX) {
            return Err(self.damaged(format!("one of {} blocks at block {}", extent.run.len, extent.logical)));
        }
        self.claim(extent.run)?;
        self.mapped.blocks = self.mapped.blocks.saturating_add(extent.run.len.into());
        self.mapped.end = end;
        if !extent.unwritten {
            self.mapped.written_end = end;
        }
        Ok(())
    }

    fn child(&mut self, node: &Node, index: u16, logical: u32) -> Result<()> {
        let place = node.child(index).map_err(|error| self.converted(error))?;
        self.claim(Run { start: place, len: 1 })?;
        let child = self.volume.child_node(self.inode, node, index).map_err(|error| self.converted(error))?;
        self.node(&child, Some(logical))
    }

    /// Visits what a pointer of a block map leads to, so many levels above the data.
    fn pointer(&mut self, block: u32, levels: usize, logical: &mut u64) -> Result<()> {
        let per_block = u64::try_from(self.volume.block_size() / 4).unwrap_or(1);
        if block == 0 {
            let levels = u32::try_from(levels).unwrap_or(0);
            *logical = logical.saturating_add(per_block.saturating_pow(levels));
            return Ok(());
        }
        self.claim(Run { start: block.into(), len: 1 })?;
        let Some(below) = levels.checked_sub(1) else {
            *logical = logical.saturating_add(1);
            self.mapped.blocks = self.mapped.blocks.saturating_add(1);
            self.mapped.end = *logical;
            self.mapped.written_end = *logical;
            return Ok(());
        };
        let bytes = self.volume.read_block(block.into()).map_err(|error| self.converted(error))?;
        bytes
            .as_chunks::<4>()
            .0
            .iter()
            .try_for_each(|word| self.pointer(u32::from_le_bytes(*word), below, logical))
    }

    fn claim(&mut self, run: Run) -> Result<()> {
        self.mapped.owned = self.mapped.owned.saturating_add(run.len.into());
        self.visit.blocks(Owner::Inode(self.inode.number), run)
    }

    fn converted(&self, error: fs_ext4::error::Error) -> FsError {
        convert(error, &format!("the blocks of inode {}", self.inode.number))
    }

    fn damaged(&self, what: String) -> FsError {
        corrupt(format!("the extents of inode {}: {what}", self.inode.number))
    }
}
