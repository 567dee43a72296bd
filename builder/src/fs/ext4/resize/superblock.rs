//! The superblock, as growth needs it: checked, with the sizes that growth computes with.

use super::damage::{RUN_E2FSCK, corrupt};
use super::geometry::Geometry;
use crate::fs::ext4::layout::bytes::low16;
use crate::fs::ext4::layout::checksum::Checksums;
use crate::fs::ext4::layout::features::{
    BIT64, Features, METADATA_CSUM, NEEDS_RECOVERY, ORPHAN_PRESENT, RESIZE_INODE, SPARSE_SUPER,
};
use crate::fs::ext4::layout::superblock::{CLEAN, HAS_ERRORS, RawSuperblock, SIZE};
use crate::fs::{FsError, Result};

const MAGIC: u16 = 0xef53;
const CHECKSUM_IS_CRC32C: u8 = 1;
/// Fewest blocks that mke2fs puts into a group; it bounds the number of groups of a hostile image.
const FEWEST_BLOCKS_PER_GROUP: u32 = 256;
/// Inodes below this number are the file system's own.
const FIRST_FREE_INODE: u32 = 11;

/// A superblock that was found to be in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Superblock {
    raw: RawSuperblock,
    /// What growth does not change.
    pub geometry: Geometry,
    /// Feature bits.
    pub features: Features,
    /// Which checksums are kept.
    pub checksums: Checksums,
    /// All blocks.
    pub blocks: u64,
    /// Blocks that only root may use.
    pub root_blocks: u64,
    /// Descriptor blocks still reserved.
    pub reserve: u32,
    /// Blocks that can hold no data, as mke2fs counted; 0 where it did not.
    pub overhead: u32,
}

/// The numbers that growth changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub blocks: u64,
    pub free_blocks: u64,
    pub root_blocks: u64,
    pub inodes: u32,
    pub free_inodes: u64,
    pub reserve: u32,
    pub overhead: u32,
}

impl Superblock {
    /// Reads a superblock and refuses one that is damaged, not clean, or of a kind that growth does not know.
    pub(crate) fn parse(raw: RawSuperblock) -> Result<Self> {
        let magic = raw.magic();
        if magic != MAGIC {
            return Err(FsError::Corrupt {
                what: format!("no ext4 superblock: magic number {magic:#06x} instead of 0xef53"),
                hint: None,
            });
        }
        let features = raw.features();
        if raw.revision() != 1 {
            return Err(FsError::Unsupported {
                what: "growing an ext2 file system of revision 0".to_owned(),
            });
        }
        features.check_growable()?;
        let checksums = checksums(&raw)?;
        check_state(&raw)?;
        let geometry = geometry(&raw)?;
        let found = Self {
            geometry,
            features,
            checksums,
            blocks: raw.blocks(),
            root_blocks: raw.root_blocks(),
            reserve: raw.reserved_descriptor_blocks().into(),
            overhead: raw.overhead(),
            raw,
        };
        found.check_counts()?;
        Ok(found)
    }

    /// Groups.
    pub(crate) fn groups(&self) -> u32 {
        self.geometry.groups(self.blocks)
    }

    /// Descriptor blocks in use.
    pub(crate) fn descriptor_blocks(&self) -> u32 {
        self.geometry.descriptor_blocks(self.groups())
    }

    /// The superblock with new numbers.
    pub(crate) fn with(&self, totals: &Totals) -> Self {
        let mut raw = self.raw.clone();
        raw.set_blocks(totals.blocks);
        raw.set_free_blocks(totals.free_blocks);
        raw.set_root_blocks(totals.root_blocks);
        raw.set_inodes(totals.inodes);
        raw.set_free_inodes(u32::try_from(totals.free_inodes).unwrap_or(u32::MAX));
        raw.set_reserved_descriptor_blocks(u16::try_from(totals.reserve).unwrap_or(u16::MAX));
        raw.set_overhead(totals.overhead);
        Self {
            raw,
            blocks: totals.blocks,
            root_blocks: totals.root_blocks,
            reserve: totals.reserve,
            overhead: totals.overhead,
            ..self.clone()
        }
    }

    /// The bytes of the first superblock.
    pub(crate) fn primary(&self) -> [u8; SIZE] {
        let mut raw = self.raw.clone();
        raw.seal();
        raw.0
    }

    /// The bytes of the copy in a group. It says its group, and is not marked clean, so that the file system is
    /// checked before it is used from the copy.
    pub(crate) fn copy(&self, group: u32) -> [u8; SIZE] {
        let mut raw = self.raw.clone();
        raw.set_group(low16(group));
        raw.set_state(raw.state() & !CLEAN);
        raw.seal();
        raw.0
    }

    /// The counts must agree with each other, and fit what the rest of growth computes with.
    fn check_counts(&self) -> Result<()> {
        let (geometry, groups) = (&self.geometry, self.groups());
        if self.blocks > u64::from(u32::MAX) {
            return Err(FsError::Unsupported {
                what: "growing an ext4 file system of 2^32 blocks and more".to_owned(),
            });
        }
        let inodes = u64::from(groups) * u64::from(geometry.inodes_per_group);
        if groups == 0 || inodes != u64::from(self.raw.inodes()) {
            return Err(damaged(format!(
                "{} blocks in {groups} groups do not match {} inodes",
                self.blocks,
                self.raw.inodes()
            )));
        }
        if self.reserve > 0 && !self.features.has_compat(RESIZE_INODE) {
            return Err(damaged(format!(
                "{} descriptor blocks are reserved without a resize inode",
                self.reserve
            )));
        }
        if self.reserve > geometry.numbers_per_block() {
            return Err(damaged(format!("{} reserved descriptor blocks", self.reserve)));
        }
        if geometry.overhead(0) >= geometry.blocks_per_group {
            return Err(FsError::Unsupported {
                what: format!(
                    "growing an ext4 file system whose groups of {} blocks cannot hold their own tables of {}",
                    geometry.blocks_per_group,
                    geometry.overhead(0)
                ),
            });
        }
        Ok(())
    }
}

fn damaged(what: String) -> FsError {
    corrupt(format!("superblock: {what}"))
}

fn checksums(raw: &RawSuperblock) -> Result<Checksums> {
    if raw.features().has_ro_compat(METADATA_CSUM) {
        let kind = raw.checksum_type();
        if kind != CHECKSUM_IS_CRC32C {
            return Err(FsError::Unsupported { what: format!("the ext4 checksum algorithm {kind}") });
        }
        if !raw.is_sound() {
            return Err(damaged("wrong checksum".to_owned()));
        }
    }
    Ok(Checksums::new(raw.features(), raw.uuid(), raw.checksum_seed()))
}

fn check_state(raw: &RawSuperblock) -> Result<()> {
    let (state, features) = (raw.state(), raw.features());
    let problem = if features.has_incompat(NEEDS_RECOVERY) {
        "its journal holds changes to replay"
    } else if features.has_ro_compat(ORPHAN_PRESENT) || raw.last_orphan() != 0 {
        "deleted files are not yet freed"
    } else if state & HAS_ERRORS != 0 {
        "it is marked as having errors"
    } else if state & CLEAN == 0 {
        "it is not marked clean"
    } else {
        return Ok(());
    };
    Err(FsError::Dirty { what: problem.to_owned(), hint: RUN_E2FSCK })
}

fn geometry(raw: &RawSuperblock) -> Result<Geometry> {
    let features = raw.features();
    let block_size = match raw.block_size_log() {
        log @ 0..=2 => 1024u32 << log,
        log @ 3..=6 => {
            return Err(FsError::Unsupported {
                what: format!("growing an ext4 file system with blocks of {} KiB", 1u32 << log),
            });
        }
        log => return Err(damaged(format!("block size 2^{log} KiB"))),
    };
    let descriptor_size = if features.has_incompat(BIT64) { raw.descriptor_size().into() } else { 32 };
    let mut geometry = Geometry {
        block_size,
        first_data_block: raw.first_data_block(),
        blocks_per_group: raw.blocks_per_group(),
        inodes_per_group: raw.inodes_per_group(),
        inode_size: raw.inode_size().into(),
        descriptor_size,
        sparse: features.has_ro_compat(SPARSE_SUPER),
        descriptor_area: 0,
    };
    check_sizes(&geometry, features)?;
    let in_use = geometry.descriptor_blocks(geometry.groups(raw.blocks()));
    geometry.descriptor_area = in_use.saturating_add(raw.reserved_descriptor_blocks().into());
    Ok(geometry)
}

/// Every size must be one that mke2fs can make: the arithmetic of growth relies on it.
fn check_sizes(geometry: &Geometry, features: Features) -> Result<()> {
    let bits = geometry.block_size.saturating_mul(8);
    let shortest = if features.has_incompat(BIT64) { 64 } else { 32 };
    let checks = [
        (
            "first data block",
            geometry.first_data_block,
            geometry.first_data_block == u32::from(geometry.block_size == 1024),
        ),
        (
            "blocks per group",
            geometry.blocks_per_group,
            (FEWEST_BLOCKS_PER_GROUP..=bits).contains(&geometry.blocks_per_group)
                && geometry.blocks_per_group.is_multiple_of(8),
        ),
        (
            "inodes per group",
            geometry.inodes_per_group,
            (FIRST_FREE_INODE..=bits).contains(&geometry.inodes_per_group)
                && geometry.inodes_per_group.is_multiple_of(8),
        ),
        (
            "inode size",
            geometry.inode_size,
            (128..=geometry.block_size).contains(&geometry.inode_size)
                && geometry.inode_size.is_power_of_two(),
        ),
        (
            "descriptor size",
            geometry.descriptor_size,
            (shortest..=geometry.block_size).contains(&geometry.descriptor_size)
                && geometry.descriptor_size.is_power_of_two(),
        ),
    ];
    match checks.iter().find(|(_, _, holds)| !holds) {
        Some((name, value, _)) => Err(damaged(format!("{name} {value}"))),
        None => Ok(()),
    }
}
