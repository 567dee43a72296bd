//! Which blocks have an owner: a bit for each, in groups of which something is owned.
//!
//! A block with two owners is damaged already. One that has an owner, but is free in its bitmap, would be taken by the next
//! allocation; that is looked for in whole bitmaps, once all owners are known.

use std::collections::HashMap;
use std::fmt;

use crate::fs::Result;
use crate::fs::ext4::error::corrupt;
use crate::fs::ext4::layout::bitmap::Bitmap;
use crate::fs::ext4::layout::extent_node::Run;
use crate::fs::ext4::volume::blocks::Volume;

/// What owns a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The inode of that number.
    Inode(u32),
    /// The tables of the group of that number.
    Group(u32),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inode(number) => write!(f, "inode {number}"),
            Self::Group(number) => write!(f, "the tables of group {number}"),
        }
    }
}

/// A block of extended attributes that says it is shared.
#[derive(Debug, Clone, Copy)]
struct Shared {
    /// The inodes that it says share it.
    said: u32,
    found: u32,
}

/// The blocks with an owner.
pub(crate) struct Claims {
    groups: Vec<Option<Bitmap>>,
    shared: HashMap<u64, Shared>,
    first: u64,
    per_group: u64,
    blocks: u64,
    /// Looked for instead of noted: the owner of this block, for a message.
    wanted: Option<u64>,
    found: Option<Owner>,
}

impl Claims {
    /// No claims yet.
    pub(super) fn new(volume: &Volume) -> Self {
        let groups = usize::try_from(volume.group_count()).unwrap_or(0);
        Self {
            groups: vec![None; groups],
            shared: HashMap::new(),
            first: volume.sb.first_data_block.into(),
            per_group: volume.sb.blocks_per_group.max(1).into(),
            blocks: volume.sb.blocks_count,
            wanted: None,
            found: None,
        }
    }

    /// Notes nothing but the owner of one block, see [`Claims::owner`].
    pub(super) fn looking_for(volume: &Volume, block: u64) -> Self {
        Self { wanted: Some(block), ..Self::new(volume) }
    }

    /// The owner of the block that was looked for.
    pub(super) fn owner(&self) -> Option<Owner> {
        self.found
    }

    /// Notes the owner of a run of blocks.
    pub(super) fn claim(&mut self, owner: Owner, run: Run) -> Result<()> {
        let end = self.end(owner, run)?;
        if let Some(wanted) = self.wanted {
            if (run.start..end).contains(&wanted) {
                self.found.get_or_insert(owner);
            }
            return Ok(());
        }
        for (group, bits) in self.pieces(run.start, end) {
            let len = usize::try_from(self.per_group.div_ceil(8)).unwrap_or(0);
            let Some(place) = self.groups.get_mut(group) else { return Err(outside(owner, run.start)) };
            let claimed = place.get_or_insert_with(|| Bitmap::from_bytes(vec![0; len]));
            if let Some(bit) = claimed.first_used(bits.clone()) {
                let block = self.block(group, bit);
                return Err(corrupt(format!("block {block} belongs to {owner} and to another owner")));
            }
            claimed.fill(bits, true);
        }
        Ok(())
    }

    /// Notes blocks without an owner, which may be noted already.
    pub(super) fn mark(&mut self, owner: Owner, run: Run) -> Result<()> {
        self.release(owner, run)?;
        self.claim(owner, run)
    }

    /// Takes a claim back.
    pub(super) fn release(&mut self, owner: Owner, run: Run) -> Result<()> {
        let end = self.end(owner, run)?;
        for (group, bits) in self.pieces(run.start, end) {
            if let Some(Some(claimed)) = self.groups.get_mut(group) {
                claimed.fill(bits, false);
            }
        }
        Ok(())
    }

    /// Notes one more user of a block of extended attributes, which says that so many inodes share it.
    pub(super) fn claim_attributes(&mut self, owner: Owner, block: u64, said: u32) -> Result<()> {
        if said > 1
            && self.wanted.is_none()
            && let Some(shared) = self.shared.get_mut(&block)
        {
            shared.found = shared.found.saturating_add(1);
            shared.said = said;
            return Ok(());
        }
        self.claim(owner, Run { start: block, len: 1 })?;
        if said > 1 {
            self.shared.insert(block, Shared { said, found: 1 });
        }
        Ok(())
    }

    /// Takes one user of a block of extended attributes back.
    pub(super) fn release_attributes(&mut self, owner: Owner, block: u64) -> Result<()> {
        if let Some(shared) = self.shared.get_mut(&block) {
            shared.found = shared.found.saturating_sub(1);
            if shared.found > 0 {
                return Ok(());
            }
            self.shared.remove(&block);
        }
        self.release(owner, Run { start: block, len: 1 })
    }

    /// Whether a block of extended attributes is one that says it is shared.
    pub(super) fn is_shared(&self, block: u64) -> bool {
        self.shared.contains_key(&block)
    }

    /// Changes how many inodes share a block, as it says now.
    pub(super) fn set_said(&mut self, block: u64, said: u32) {
        if let Some(shared) = self.shared.get_mut(&block) {
            shared.said = said;
        }
    }

    /// Compares what blocks of extended attributes say of their users with those that were found.
    pub(super) fn check_shared(&self) -> Result<()> {
        for (block, Shared { said, found }) in &self.shared {
            if said != found {
                return Err(corrupt(format!(
                    "block {block} of extended attributes says that {said} inodes share it, {found} do"
                )));
            }
        }
        Ok(())
    }

    /// The first block of a group that has an owner, but is free in the group's bitmap.
    pub(super) fn first_free(&self, group: u32, bitmap: &Bitmap) -> Option<u64> {
        let group = usize::try_from(group).ok()?;
        let claimed = self.groups.get(group)?.as_ref()?;
        Some(self.block(group, claimed.first_without(bitmap)?))
    }

    /// Whether a block has an owner.
    pub(super) fn is_claimed(&self, block: u64) -> bool {
        let Some((group, bits)) = self.pieces(block, block.saturating_add(1)).next() else { return false };
        self.groups.get(group).and_then(Option::as_ref).is_some_and(|claimed| claimed.is_used(bits.start))
    }

    /// The groups in which something has an owner.
    pub(super) fn groups(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.groups).filter(|(_, claimed)| claimed.is_some()).map(|(group, _)| group)
    }

    /// Where a run ends; an error where that is outside of the file system.
    fn end(&self, owner: Owner, run: Run) -> Result<u64> {
        let end = run.start.saturating_add(run.len.into());
        if run.start < self.first || end > self.blocks {
            return Err(outside(owner, run.start));
        }
        Ok(end)
    }

    /// A range of blocks by groups: the group's number, and its bits.
    fn pieces(&self, start: u64, end: u64) -> impl Iterator<Item = (usize, std::ops::Range<u32>)> + use<> {
        let (first, per_group) = (self.first, self.per_group);
        let mut at = start.saturating_sub(first);
        let end = end.saturating_sub(first);
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (group, bit) = (at / per_group, at % per_group);
            let stop = per_group.min(bit.saturating_add(end - at));
            at = at.saturating_add(stop - bit);
            let narrow = |bit: u64| u32::try_from(bit).ok();
            Some((usize::try_from(group).ok()?, narrow(bit)?..narrow(stop)?))
        })
    }

    fn block(&self, group: usize, bit: u32) -> u64 {
        let group = u64::try_from(group).unwrap_or(u64::MAX);
        self.first.saturating_add(group.saturating_mul(self.per_group)).saturating_add(bit.into())
    }
}

fn outside(owner: Owner, block: u64) -> crate::fs::FsError {
    corrupt(format!("{owner}: block {block} lies outside of the file system"))
}
