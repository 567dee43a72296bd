//! Which blocks groups and inodes claim, held against the block bitmaps.
//!
//! A block that somebody uses and a bitmap calls free will be given away by the next allocation; a block with two
//! owners is lost already. The crate has a check of this kind, but it trusts bitmaps that were never written and
//! does not compare the checksums of extent blocks where the kernel keeps them.
//!
//! [Inodes and their maps](https://docs.kernel.org/filesystems/ext4/dynamic.html).

use std::fmt;

use fs_ext4::Filesystem;
use fs_ext4::bgd::BgdFlags;
use fs_ext4::extent::{Extent, ExtentHeader, ExtentIdx};
use fs_ext4::inode::{Inode, InodeFlags, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};

use super::error::{convert, corrupt};
use super::preflight::attributes_are_sound;
use crate::fs::Result;

/// Bytes of an extent header, of an entry, and of an index entry alike.
const ENTRY: usize = 12;
/// The deepest extent tree that the kernel makes.
const MAX_DEPTH: u16 = 5;
/// Direct pointers in the inode of a file with a block map.
const DIRECT: usize = 12;
/// Inodes below the first free one that own blocks of the usual kind: the root directory and the journal.
const RESERVED_WITH_BLOCKS: [u32; 2] = [2, 8];

/// Checks what an inode that is in use claims.
pub(super) fn inode(fs: &Filesystem, claims: &mut Claims, number: u32, inode: &Inode) -> Result<()> {
    if number < fs.sb.first_inode && !RESERVED_WITH_BLOCKS.contains(&number) {
        return Ok(());
    }
    if inode.file_acl != 0 {
        // Inodes with the same attributes may share their block.
        claims.must_be_used(Owner::Inode(number), inode.file_acl)?;
        if !attributes_are_sound(&fs.csum, inode.file_acl, &read_block(fs, inode.file_acl)?) {
            return Err(corrupt(format!(
                "block {} with extended attributes of inode {number} does not match its checksum",
                inode.file_acl
            )));
        }
    }
    let acl_sectors = if inode.file_acl == 0 { 0 } else { u64::from(fs.sb.block_size() / 512) };
    let fast_link = inode.mode & S_IFMT == S_IFLNK && inode.blocks <= acl_sectors;
    if fast_link || !matches!(inode.mode & S_IFMT, S_IFREG | S_IFDIR | S_IFLNK) {
        return Ok(());
    }
    if inode.flags & InodeFlags::EXTENTS.bits() != 0 {
        let mut tree = ExtentTree { fs, claims, number, generation: inode.generation, free_from: 0 };
        tree.node(&inode.block, None)
    } else {
        block_map(fs, claims, number, inode)
    }
}

/// The extents of an inode, from the left to the right.
struct ExtentTree<'a> {
    fs: &'a Filesystem,
    claims: &'a mut Claims,
    number: u32,
    generation: u32,
    /// The first block of the file that no extent has mapped so far.
    free_from: u64,
}

impl ExtentTree<'_> {
    /// Claims what a node names; `above` is the depth of the node that led here.
    fn node(&mut self, node: &[u8], above: Option<u16>) -> Result<()> {
        let number = self.number;
        let damaged = |error| convert(error, &format!("the extents of inode {number}"));
        let header = ExtentHeader::parse(node).map_err(damaged)?;
        let expected =
            above.map_or(header.depth <= MAX_DEPTH, |above| header.depth.checked_add(1) == Some(above));
        let entries = node.get(ENTRY..).unwrap_or_default().chunks_exact(ENTRY);
        if !expected || entries.len() < usize::from(header.max) {
            return Err(corrupt(format!(
                "the extents of inode {number}: a node of depth {} for {} entries",
                header.depth, header.max
            )));
        }
        for entry in entries.take(usize::from(header.entries)) {
            if header.depth == 0 {
                let extent = Extent::parse(entry).map_err(damaged)?;
                self.begins(extent.logical_block)?;
                self.free_from = self.free_from.saturating_add(u64::from(extent.length));
                let owner = Owner::Inode(number);
                self.claims.claim(owner, extent.physical_block, u64::from(extent.length))?;
                continue;
            }
            let index = ExtentIdx::parse(entry).map_err(damaged)?;
            self.begins(index.logical_block)?;
            self.child(index.leaf_block, header.depth)?;
        }
        Ok(())
    }

    /// Extents lie in the order of the file's blocks, and no two map the same one.
    fn begins(&mut self, logical: u32) -> Result<()> {
        if u64::from(logical) < self.free_from {
            return Err(corrupt(format!("the extents of inode {} overlap at block {logical}", self.number)));
        }
        self.free_from = u64::from(logical);
        Ok(())
    }

    fn child(&mut self, block: u64, depth: u16) -> Result<()> {
        self.claims.claim(Owner::Inode(self.number), block, 1)?;
        let bytes = read_block(self.fs, block)?;
        if !extent_checksum_matches(self.fs, self.number, self.generation, &bytes) {
            return Err(corrupt(format!(
                "the extents of inode {}: the checksum of block {block} does not match",
                self.number
            )));
        }
        self.node(&bytes, Some(depth))
    }
}

/// The checksum follows the last entry that the block has room for, which is not its end in blocks of 2 KiB
/// (`EXT4_EXTENT_TAIL_OFFSET` of the kernel: the header and `eh_max` entries).
fn extent_checksum_matches(fs: &Filesystem, number: u32, generation: u32, block: &[u8]) -> bool {
    let max = block.get(4..6).and_then(|max| max.try_into().ok()).map_or(0, u16::from_le_bytes);
    let tail = usize::from(max).saturating_add(1).saturating_mul(ENTRY);
    let stored = block.get(tail..tail.saturating_add(4)).and_then(|bytes| bytes.try_into().ok());
    let (Some(covered), Some(stored)) = (block.get(..tail), stored) else {
        return false;
    };
    let prefix = [number.to_le_bytes(), generation.to_le_bytes()].concat();
    let seed = fs_ext4::checksum::linux_crc32c(fs.csum.seed, &prefix);
    !fs.csum.enabled || fs_ext4::checksum::linux_crc32c(seed, covered) == u32::from_le_bytes(stored)
}

/// Claims what the twelve direct pointers and the three trees of an older file name.
fn block_map(fs: &Filesystem, claims: &mut Claims, number: u32, inode: &Inode) -> Result<()> {
    for (slot, block) in pointers(&inode.block).enumerate() {
        let levels = slot.saturating_add(1).saturating_sub(DIRECT);
        mapped_block(fs, claims, number, block, levels)?;
    }
    Ok(())
}

fn mapped_block(fs: &Filesystem, claims: &mut Claims, number: u32, block: u64, levels: usize) -> Result<()> {
    if block == 0 {
        return Ok(());
    }
    claims.claim(Owner::Inode(number), block, 1)?;
    let Some(below) = levels.checked_sub(1) else {
        return Ok(());
    };
    for next in pointers(&read_block(fs, block)?) {
        mapped_block(fs, claims, number, next, below)?;
    }
    Ok(())
}

fn pointers(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| u64::from(u32::from_le_bytes(*word)))
}

/// Who needs a block.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner {
    /// The inode of that number.
    Inode(u32),
    /// The tables of the group of that number.
    Group(u64),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inode(number) => write!(f, "inode {number}"),
            Self::Group(number) => write!(f, "the tables of group {number}"),
        }
    }
}

/// Blocks that were claimed, and those that the bitmaps call used: a bit each.
pub(super) struct Claims {
    claimed: Vec<u8>,
    used: Vec<u8>,
    first: u64,
    blocks: u64,
}

impl Claims {
    /// The claims of the groups themselves: superblocks, descriptors, bitmaps and inode tables.
    pub(super) fn new(fs: &Filesystem) -> Result<Self> {
        let mut claims = Self::of_bitmaps(fs)?;
        let table = u64::from(fs.sb.inodes_per_group).saturating_mul(u64::from(fs.sb.inode_size));
        let table = table.div_ceil(u64::from(fs.sb.block_size()));
        for (number, group) in (0..).zip(&fs.groups) {
            let start = u64::from(fs.sb.blocks_per_group).saturating_mul(number);
            let start = start.saturating_add(claims.first);
            let parts = [
                (start, fs.sb.group_head_metadata_blocks(number)),
                (group.block_bitmap, 1),
                (group.inode_bitmap, 1),
                (group.inode_table, table),
            ];
            for (start, len) in parts {
                claims.uninitialised(fs, start, len);
                claims.claim(Owner::Group(number), start, len)?;
            }
        }
        Ok(claims)
    }

    fn of_bitmaps(fs: &Filesystem) -> Result<Self> {
        let group_bytes = usize::try_from(fs.sb.blocks_per_group / 8).unwrap_or(usize::MAX);
        let mut used = Vec::new();
        for (number, group) in fs.groups.iter().enumerate() {
            let mut bitmap = if group.flags().contains(BgdFlags::BLOCK_UNINIT) {
                Vec::new()
            } else {
                read_block(fs, group.block_bitmap)?
            };
            bitmap.resize(group_bytes, 0);
            if used.len() != number.saturating_mul(group_bytes) {
                return Err(corrupt("the groups' bitmaps do not fit together".to_owned()));
            }
            used.append(&mut bitmap);
        }
        let claimed = vec![0; used.len()];
        Ok(Self { claimed, used, first: u64::from(fs.sb.first_data_block), blocks: fs.sb.blocks_count })
    }

    /// Marks metadata as used where the bitmap was never written: nothing else in such a group is.
    fn uninitialised(&mut self, fs: &Filesystem, start: u64, len: u64) {
        for block in start..start.saturating_add(len) {
            let bit = block.saturating_sub(self.first);
            let group = bit.checked_div(u64::from(fs.sb.blocks_per_group));
            let group = group.and_then(|group| fs.groups.get(usize::try_from(group).ok()?));
            if group.is_some_and(|group| group.flags().contains(BgdFlags::BLOCK_UNINIT)) {
                set_bit(&mut self.used, bit);
            }
        }
    }

    /// Notes that somebody owns a run of blocks.
    pub(super) fn claim(&mut self, owner: Owner, start: u64, len: u64) -> Result<()> {
        for block in start..start.saturating_add(len) {
            self.must_be_used(owner, block)?;
            let bit = block.saturating_sub(self.first);
            if bit_of(&self.claimed, bit) {
                return Err(corrupt(format!("block {block} belongs to {owner} and to somebody else")));
            }
            set_bit(&mut self.claimed, bit);
        }
        Ok(())
    }

    fn must_be_used(&self, owner: Owner, block: u64) -> Result<()> {
        let Some(bit) = block.checked_sub(self.first).filter(|_| block < self.blocks) else {
            return Err(corrupt(format!("{owner}: block {block} lies outside of the file system")));
        };
        if bit_of(&self.used, bit) {
            return Ok(());
        }
        Err(corrupt(format!("block {block} belongs to {owner}, but its bitmap calls it free")))
    }
}

pub(super) fn bit_of(bitmap: &[u8], bit: u64) -> bool {
    let byte = usize::try_from(bit / 8).ok().and_then(|at| bitmap.get(at));
    byte.is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}

fn set_bit(bitmap: &mut [u8], bit: u64) {
    if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| bitmap.get_mut(at)) {
        *byte |= 1 << (bit % 8);
    }
}

pub(super) fn read_block(fs: &Filesystem, block: u64) -> Result<Vec<u8>> {
    fs.read_block(block).map_err(|error| convert(error, &format!("reading block {block}")))
}
