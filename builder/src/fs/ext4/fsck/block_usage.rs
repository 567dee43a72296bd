//! The blocks of groups and inodes, compared with the block bitmaps.
//!
//! A block that is used, but free in its bitmap, would be taken by the next allocation; one with two owners is damaged
//! already. The crate's own check trusts bitmaps that were never written, and does not compare the checksums of extent
//! nodes where the kernel keeps them.
//!
//! [Inodes and their maps](https://docs.kernel.org/filesystems/ext4/dynamic.html).

use std::fmt;

use fs_ext4::Filesystem;
use fs_ext4::bgd::BgdFlags;
use fs_ext4::extent::{Extent, ExtentHeader, ExtentIdx};
use fs_ext4::inode::{Inode, InodeFlags, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};

use super::blocks::read_block;
use crate::fs::Result;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::bitmap::Bitmap;
use crate::fs::ext4::layout::checksum::Checksums;
use crate::fs::ext4::layout::extent_node::{MAX_DEPTH, Node};
use crate::fs::ext4::layout::xattr_block;

/// Bytes of an extent header, of an entry, and of an index entry alike.
const ENTRY: usize = 12;
/// Direct pointers in the inode of a file with a block map.
const DIRECT: usize = 12;
/// Inodes below the first free one that own blocks of the usual kind: the root directory and the journal.
const RESERVED_WITH_BLOCKS: [u32; 2] = [2, 8];

/// Checks what an inode that is in use claims.
pub(crate) fn inode(fs: &Filesystem, claims: &mut Claims, number: u32, inode: &Inode) -> Result<()> {
    if number < fs.sb.first_inode && !RESERVED_WITH_BLOCKS.contains(&number) {
        return Ok(());
    }
    if inode.file_acl != 0 {
        // Inodes with the same attributes may share their block.
        claims.must_be_used(Owner::Inode(number), inode.file_acl)?;
        if !xattr_block::is_sound(&fs.csum, inode.file_acl, &read_block(fs, inode.file_acl)?) {
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
        if !node_is_sound(self.fs, self.number, self.generation, block, &bytes) {
            return Err(corrupt(format!(
                "the extents of inode {}: the checksum of block {block} does not match",
                self.number
            )));
        }
        self.node(&bytes, Some(depth))
    }
}

/// The crate looks for the checksum of a node at the end of its block, which is the wrong place in blocks of 2 KiB.
fn node_is_sound(fs: &Filesystem, number: u32, generation: u32, place: u64, block: &[u8]) -> bool {
    if !fs.csum.enabled {
        return true;
    }
    let checksums = Checksums::Metadata { seed: fs.csum.seed };
    let node = Node::parse(Some(place), block.to_vec());
    node.and_then(|node| node.is_sound(number, generation, checksums)).unwrap_or(false)
}

/// Claims the blocks of a file with a block map: twelve direct pointers and three trees.
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

/// What owns a block.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner {
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

/// Blocks that have an owner, and those that are used in the bitmaps: a bit each.
pub(crate) struct Claims {
    claimed: Bitmap,
    used: Bitmap,
    first: u64,
    blocks: u64,
}

impl Claims {
    /// The claims of the groups themselves: superblocks, descriptors, bitmaps and inode tables.
    pub(crate) fn new(fs: &Filesystem) -> Result<Self> {
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
        let claimed = Bitmap::from_bytes(vec![0; used.len()]);
        let used = Bitmap::from_bytes(used);
        Ok(Self { claimed, used, first: u64::from(fs.sb.first_data_block), blocks: fs.sb.blocks_count })
    }

    /// Marks metadata as used where the bitmap was never written: nothing else in such a group is.
    fn uninitialised(&mut self, fs: &Filesystem, start: u64, len: u64) {
        for block in start..start.saturating_add(len) {
            let bit = block.saturating_sub(self.first);
            let group = bit.checked_div(u64::from(fs.sb.blocks_per_group));
            let group = group.and_then(|group| fs.groups.get(usize::try_from(group).ok()?));
            if group.is_some_and(|group| group.flags().contains(BgdFlags::BLOCK_UNINIT)) {
                self.used.set(bit);
            }
        }
    }

    /// Notes the owner of a run of blocks.
    pub(crate) fn claim(&mut self, owner: Owner, start: u64, len: u64) -> Result<()> {
        for block in start..start.saturating_add(len) {
            self.must_be_used(owner, block)?;
            let bit = block.saturating_sub(self.first);
            if self.claimed.get(bit) == Some(true) {
                return Err(corrupt(format!("block {block} belongs to {owner} and to another owner")));
            }
            self.claimed.set(bit);
        }
        Ok(())
    }

    fn must_be_used(&self, owner: Owner, block: u64) -> Result<()> {
        let Some(bit) = block.checked_sub(self.first).filter(|_| block < self.blocks) else {
            return Err(corrupt(format!("{owner}: block {block} lies outside of the file system")));
        };
        if self.used.get(bit) == Some(true) {
            return Ok(());
        }
        Err(corrupt(format!("block {block} belongs to {owner}, but is free in its bitmap")))
    }
}
