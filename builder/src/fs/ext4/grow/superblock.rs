//! The superblock, see <https://docs.kernel.org/filesystems/ext4/super.html>.

use super::bytes::{get_array, get_u8, get_u16, get_u32, get_u64_split, put_u16, put_u32, put_u64_split};
use super::checksum::{Checksums, crc32c};
use super::features::Features;
use super::layout::Layout;
use crate::fs::{FsError, Result};

/// Bytes of a superblock, and its place in the file system.
pub(super) const SIZE: usize = 1024;
pub(super) const PLACE: u64 = 1024;

/// What fixes a damaged or dirty file system.
pub(super) const CURE: &str = "run `e2fsck -f` on the partition, then try again";

const INODES: usize = 0x00;
const BLOCKS: (usize, usize) = (0x04, 0x150);
const RESERVED_BLOCKS: (usize, usize) = (0x08, 0x154);
const FREE_BLOCKS: (usize, usize) = (0x0c, 0x158);
const FREE_INODES: usize = 0x10;
const FIRST_DATA_BLOCK: usize = 0x14;
const BLOCK_SIZE_LOG: usize = 0x18;
const BLOCKS_PER_GROUP: usize = 0x20;
const INODES_PER_GROUP: usize = 0x28;
const MAGIC: usize = 0x38;
const STATE: usize = 0x3a;
const REVISION: usize = 0x4c;
const INODE_SIZE: usize = 0x58;
const GROUP: usize = 0x5a;
const COMPAT: usize = 0x5c;
const INCOMPAT: usize = 0x60;
const RO_COMPAT: usize = 0x64;
const UUID: usize = 0x68;
const RESERVED_DESCRIPTOR_BLOCKS: usize = 0xce;
const LAST_ORPHAN: usize = 0xe8;
const DESCRIPTOR_SIZE: usize = 0xfe;
const CHECKSUM_TYPE: usize = 0x175;
const OVERHEAD: usize = 0x248;
const CHECKSUM_SEED: usize = 0x270;
const CHECKSUM: usize = 0x3fc;

const CLEAN: u16 = 1;
const HAS_ERRORS: u16 = 2;
const CHECKSUM_IS_CRC32C: u8 = 1;
/// Fewest blocks that mke2fs puts into a group; it bounds the number of groups of a hostile image.
const FEWEST_BLOCKS_PER_GROUP: u32 = 256;
/// Inodes below this number are the file system's own.
const FIRST_FREE_INODE: u32 = 11;

/// A superblock that was found to be in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Superblock {
    raw: [u8; SIZE],
    /// What growth does not change.
    pub layout: Layout,
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
pub(super) struct Totals {
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
    pub(super) fn parse(raw: [u8; SIZE]) -> Result<Self> {
        let magic = get_u16(&raw, MAGIC);
        if magic != 0xef53 {
            return Err(FsError::Corrupt {
                what: format!("no ext4 superblock: magic number {magic:#06x} instead of 0xef53"),
                hint: None,
            });
        }
        let features = Features {
            compat: get_u32(&raw, COMPAT),
            incompat: get_u32(&raw, INCOMPAT),
            ro_compat: get_u32(&raw, RO_COMPAT),
        };
        if get_u32(&raw, REVISION) != 1 {
            return Err(FsError::Unsupported {
                what: "growing an ext2 file system of revision 0".to_owned(),
            });
        }
        features.check()?;
        let checksums = checksums(&raw, features)?;
        check_state(&raw, features)?;
        let layout = layout(&raw, features)?;
        let found = Self {
            layout,
            features,
            checksums,
            blocks: blocks(&raw, features),
            root_blocks: get_u64_split(&raw, RESERVED_BLOCKS.0, RESERVED_BLOCKS.1),
            reserve: u32::from(get_u16(&raw, RESERVED_DESCRIPTOR_BLOCKS)),
            overhead: get_u32(&raw, OVERHEAD),
            raw,
        };
        found.check_counts()?;
        Ok(found)
    }

    /// Groups.
    pub(super) fn groups(&self) -> u32 {
        self.layout.groups(self.blocks)
    }

    /// Descriptor blocks in use.
    pub(super) fn descriptor_blocks(&self) -> u32 {
        self.layout.descriptor_blocks(self.groups())
    }

    /// The superblock with new numbers.
    pub(super) fn with(&self, totals: &Totals) -> Self {
        let mut raw = self.raw;
        let high = |place| self.features.is_64bit().then_some(place);
        put_u64_split(&mut raw, BLOCKS.0, high(BLOCKS.1), totals.blocks);
        put_u64_split(&mut raw, FREE_BLOCKS.0, high(FREE_BLOCKS.1), totals.free_blocks);
        put_u64_split(&mut raw, RESERVED_BLOCKS.0, high(RESERVED_BLOCKS.1), totals.root_blocks);
        put_u32(&mut raw, INODES, totals.inodes);
        put_u32(&mut raw, FREE_INODES, u32::try_from(totals.free_inodes).unwrap_or(u32::MAX));
        put_u16(&mut raw, RESERVED_DESCRIPTOR_BLOCKS, u16::try_from(totals.reserve).unwrap_or(u16::MAX));
        put_u32(&mut raw, OVERHEAD, totals.overhead);
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
    pub(super) fn primary(&self) -> [u8; SIZE] {
        self.sealed(self.raw)
    }

    /// The bytes of the copy in a group. It says its group, and is not marked clean, so that whoever has to
    /// use it checks the file system first.
    pub(super) fn copy(&self, group: u32) -> [u8; SIZE] {
        let mut raw = self.raw;
        put_u16(&mut raw, GROUP, super::bytes::low16(group));
        let state = get_u16(&raw, STATE);
        put_u16(&mut raw, STATE, state & !CLEAN);
        self.sealed(raw)
    }

    fn sealed(&self, mut raw: [u8; SIZE]) -> [u8; SIZE] {
        if self.features.sums_metadata() {
            let sum = sum_of(&raw);
            put_u32(&mut raw, CHECKSUM, sum);
        }
        raw
    }

    /// The counts must agree with each other, and fit what the rest of growth computes with.
    fn check_counts(&self) -> Result<()> {
        let (layout, groups) = (&self.layout, self.groups());
        if self.blocks > u64::from(u32::MAX) {
            return Err(FsError::Unsupported {
                what: "growing an ext4 file system of 2^32 blocks and more".to_owned(),
            });
        }
        let inodes = u64::from(groups) * u64::from(layout.inodes_per_group);
        if groups == 0 || inodes != u64::from(get_u32(&self.raw, INODES)) {
            return Err(damaged(format!(
                "{} blocks in {groups} groups do not agree with {} inodes",
                self.blocks,
                get_u32(&self.raw, INODES)
            )));
        }
        if self.reserve > 0 && !self.features.has_resize_inode() {
            return Err(damaged(format!(
                "{} descriptor blocks are reserved without a resize inode",
                self.reserve
            )));
        }
        if self.reserve > layout.numbers_per_block() {
            return Err(damaged(format!("{} reserved descriptor blocks", self.reserve)));
        }
        if layout.overhead(0) >= layout.blocks_per_group {
            return Err(FsError::Unsupported {
                what: format!(
                    "growing an ext4 file system whose groups of {} blocks cannot hold their own tables of {}",
                    layout.blocks_per_group,
                    layout.overhead(0)
                ),
            });
        }
        Ok(())
    }
}

fn damaged(what: String) -> FsError {
    FsError::Corrupt { what: format!("superblock: {what}"), hint: Some(CURE) }
}

fn sum_of(raw: &[u8; SIZE]) -> u32 {
    crc32c(!0, raw.split_at_checked(CHECKSUM).map_or(&[], |(covered, _)| covered))
}

fn blocks(raw: &[u8], features: Features) -> u64 {
    if features.is_64bit() {
        get_u64_split(raw, BLOCKS.0, BLOCKS.1)
    } else {
        u64::from(get_u32(raw, BLOCKS.0))
    }
}

fn checksums(raw: &[u8; SIZE], features: Features) -> Result<Checksums> {
    let uuid: [u8; 16] = get_array(raw, UUID);
    if !features.sums_metadata() {
        return Ok(if features.sums_descriptors() {
            Checksums::Descriptors { uuid }
        } else {
            Checksums::None
        });
    }
    let kind = get_u8(raw, CHECKSUM_TYPE);
    if kind != CHECKSUM_IS_CRC32C {
        return Err(FsError::Unsupported { what: format!("the ext4 checksum algorithm {kind}") });
    }
    if sum_of(raw) != get_u32(raw, CHECKSUM) {
        return Err(damaged("wrong checksum".to_owned()));
    }
    let seed = if features.has_checksum_seed() { get_u32(raw, CHECKSUM_SEED) } else { crc32c(!0, &uuid) };
    Ok(Checksums::Metadata { seed })
}

fn check_state(raw: &[u8], features: Features) -> Result<()> {
    let state = get_u16(raw, STATE);
    let problem = if features.is_to_recover() {
        "its journal holds changes to replay"
    } else if features.has_orphans() || get_u32(raw, LAST_ORPHAN) != 0 {
        "deleted files wait to be freed"
    } else if state & HAS_ERRORS != 0 {
        "it is marked as having errors"
    } else if state & CLEAN == 0 {
        "it is not marked clean"
    } else {
        return Ok(());
    };
    Err(FsError::Dirty { what: problem.to_owned(), hint: CURE })
}

fn layout(raw: &[u8], features: Features) -> Result<Layout> {
    let block_size = match get_u32(raw, BLOCK_SIZE_LOG) {
        log @ 0..=2 => 1024u32 << log,
        log @ 3..=6 => {
            return Err(FsError::Unsupported {
                what: format!("growing an ext4 file system with blocks of {} KiB", 1u32 << log),
            });
        }
        log => return Err(damaged(format!("block size 2^{log} KiB"))),
    };
    let descriptor_size = if features.is_64bit() { u32::from(get_u16(raw, DESCRIPTOR_SIZE)) } else { 32 };
    let mut layout = Layout {
        block_size,
        first_data_block: get_u32(raw, FIRST_DATA_BLOCK),
        blocks_per_group: get_u32(raw, BLOCKS_PER_GROUP),
        inodes_per_group: get_u32(raw, INODES_PER_GROUP),
        inode_size: u32::from(get_u16(raw, INODE_SIZE)),
        descriptor_size,
        sparse: features.is_sparse(),
        descriptor_area: 0,
    };
    check_sizes(&layout, features)?;
    let in_use = layout.descriptor_blocks(layout.groups(blocks(raw, features)));
    layout.descriptor_area = in_use.saturating_add(u32::from(get_u16(raw, RESERVED_DESCRIPTOR_BLOCKS)));
    Ok(layout)
}

/// Every size must be one that mke2fs can make: the arithmetic of growth relies on it.
fn check_sizes(layout: &Layout, features: Features) -> Result<()> {
    let bits = layout.block_size.saturating_mul(8);
    let shortest = if features.is_64bit() { 64 } else { 32 };
    let checks = [
        (
            "first data block",
            layout.first_data_block,
            layout.first_data_block == u32::from(layout.block_size == 1024),
        ),
        (
            "blocks per group",
            layout.blocks_per_group,
            (FEWEST_BLOCKS_PER_GROUP..=bits).contains(&layout.blocks_per_group)
                && layout.blocks_per_group.is_multiple_of(8),
        ),
        (
            "inodes per group",
            layout.inodes_per_group,
            (FIRST_FREE_INODE..=bits).contains(&layout.inodes_per_group)
                && layout.inodes_per_group.is_multiple_of(8),
        ),
        (
            "inode size",
            layout.inode_size,
            (128..=layout.block_size).contains(&layout.inode_size) && layout.inode_size.is_power_of_two(),
        ),
        (
            "descriptor size",
            layout.descriptor_size,
            (shortest..=layout.block_size).contains(&layout.descriptor_size)
                && layout.descriptor_size.is_power_of_two(),
        ),
    ];
    match checks.iter().find(|(_, _, holds)| !holds) {
        Some((name, value, _)) => Err(damaged(format!("{name} {value}"))),
        None => Ok(()),
    }
}
