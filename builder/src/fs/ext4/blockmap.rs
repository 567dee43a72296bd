//! Which blocks the inodes claim, held against the block bitmaps.
//!
//! A block that an inode uses and a bitmap calls free will be given away by the next allocation; a block with two
//! owners is lost already. The crate has a check of this kind, but it trusts bitmaps that were never written and
//! does not compare the checksums of extent blocks where the kernel keeps them.
//!
//! [Inodes and their maps](https://docs.kernel.org/filesystems/ext4/dynamic.html).

use fs_ext4::Filesystem;
use fs_ext4::bgd::BgdFlags;
use fs_ext4::error::Error;
use fs_ext4::extent::{Extent, ExtentHeader, ExtentIdx};
use fs_ext4::inode::{Inode, InodeFlags, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};

use super::error::{convert, corrupt};
use super::preflight::attributes_are_sound;
use super::volume::Volume;
use crate::fs::Result;

/// Bytes of an extent header, of an entry, and of an index entry alike.
const ENTRY: usize = 12;
/// The deepest extent tree that the kernel makes.
const MAX_DEPTH: u16 = 5;
/// Direct pointers in the inode of a file with a block map.
const DIRECT: usize = 12;
/// Inodes below the first free one that own blocks of the usual kind: the root folder and the journal.
const RESERVED_WITH_BLOCKS: [u32; 2] = [ROOT, 8];
/// The inode of the root folder.
const ROOT: u32 = 2;

/// Checks every inode that is in use.
pub(super) fn check(fs: &Filesystem, volume: &Volume) -> Result<()> {
    let mut claims = Claims::new(fs)?;
    let per_group = fs.sb.inodes_per_group;
    let mut first = 1;
    for group in &fs.groups {
        if !group.flags().contains(BgdFlags::INODE_UNINIT) {
            let bitmap = read_block(fs, group.inode_bitmap)?;
            for bit in (0..per_group).filter(|bit| bit_of(&bitmap, u64::from(*bit))) {
                let number = u32::saturating_add(first, bit);
                inode(fs, &mut claims, number)?;
                folder(volume, number)?;
            }
        }
        first = first.saturating_add(per_group);
    }
    Ok(())
}

fn inode(fs: &Filesystem, claims: &mut Claims, number: u32) -> Result<()> {
    if number < fs.sb.first_inode && !RESERVED_WITH_BLOCKS.contains(&number) {
        return Ok(());
    }
    let what = format!("inode {number}");
    let (inode, _) = fs.read_inode_verified(number).map_err(|error| convert(error, &what))?;
    if inode.file_acl != 0 {
        // Inodes with the same attributes may share their block.
        claims.must_be_used(number, inode.file_acl)?;
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
        extent_node(fs, claims, number, &inode, &inode.block, None)
    } else {
        block_map(fs, claims, number, &inode)
    }
}

/// Checks a folder. Those that ext3 made, without extents, are left to the crate's audit.
fn folder(volume: &Volume, number: u32) -> Result<()> {
    if number != ROOT && number < volume.sb.first_inode {
        return Ok(());
    }
    let checked = match volume.folder(number) {
        Ok(None) | Err(Error::NotADirectory) => Ok(()),
        Ok(Some(folder)) => volume.check_folder(&folder),
        Err(error) => Err(error),
    };
    checked.map_err(|error| convert(error, &format!("folder inode {number}")))
}

/// Claims what a node of an extent tree names; `above` is the depth of the node that led here.
fn extent_node(
    fs: &Filesystem,
    claims: &mut Claims,
    number: u32,
    inode: &Inode,
    node: &[u8],
    above: Option<u16>,
) -> Result<()> {
    let damaged = |error| convert(error, &format!("the extents of inode {number}"));
    let header = ExtentHeader::parse(node).map_err(damaged)?;
    let expected =
        above.map_or(header.depth <= MAX_DEPTH, |above| header.depth.checked_add(1) == Some(above));
    let entries = node.get(ENTRY..).unwrap_or_default().chunks_exact(ENTRY).take(usize::from(header.entries));
    if !expected || entries.len() != usize::from(header.entries) {
        return Err(corrupt(format!("the extents of inode {number}: a node of depth {}", header.depth)));
    }
    for entry in entries {
        if header.depth == 0 {
            let extent = Extent::parse(entry).map_err(damaged)?;
            claims.claim(number, extent.physical_block, u64::from(extent.length))?;
            continue;
        }
        let child = ExtentIdx::parse(entry).map_err(damaged)?.leaf_block;
        claims.claim(number, child, 1)?;
        let bytes = read_block(fs, child)?;
        if !extent_checksum_matches(fs, number, inode.generation, &bytes) {
            return Err(corrupt(format!(
                "the extents of inode {number}: the checksum of block {child} does not match"
            )));
        }
        extent_node(fs, claims, number, inode, &bytes, Some(header.depth))?;
    }
    Ok(())
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
    claims.claim(number, block, 1)?;
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

/// Blocks that were claimed, and those that the bitmaps call used: a bit each.
struct Claims {
    claimed: Vec<u8>,
    used: Vec<u8>,
    first: u64,
    blocks: u64,
}

impl Claims {
    fn new(fs: &Filesystem) -> Result<Self> {
        let group_bytes = usize::try_from(fs.sb.blocks_per_group / 8).unwrap_or(usize::MAX);
        let mut used = Vec::new();
        for (number, group) in fs.groups.iter().enumerate() {
            let mut bitmap = if group.flags().contains(BgdFlags::BLOCK_UNINIT) {
                // Never written: nothing in the group is used but its own metadata, which no inode claims.
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

    /// Notes that an inode owns a run of blocks.
    fn claim(&mut self, inode: u32, start: u64, len: u64) -> Result<()> {
        for block in start..start.saturating_add(len) {
            self.must_be_used(inode, block)?;
            let bit = block.saturating_sub(self.first);
            if bit_of(&self.claimed, bit) {
                return Err(corrupt(format!("block {block} belongs to inode {inode} and to another one")));
            }
            set_bit(&mut self.claimed, bit);
        }
        Ok(())
    }

    fn must_be_used(&self, inode: u32, block: u64) -> Result<()> {
        let Some(bit) = block.checked_sub(self.first).filter(|_| block < self.blocks) else {
            return Err(corrupt(format!("inode {inode} names block {block} outside of the file system")));
        };
        if bit_of(&self.used, bit) {
            return Ok(());
        }
        Err(corrupt(format!("block {block} belongs to inode {inode}, but its bitmap calls it free")))
    }
}

fn bit_of(bitmap: &[u8], bit: u64) -> bool {
    let byte = usize::try_from(bit / 8).ok().and_then(|at| bitmap.get(at));
    byte.is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}

fn set_bit(bitmap: &mut [u8], bit: u64) {
    if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| bitmap.get_mut(at)) {
        *byte |= 1 << (bit % 8);
    }
}

fn read_block(fs: &Filesystem, block: u64) -> Result<Vec<u8>> {
    fs.read_block(block).map_err(|error| convert(error, &format!("reading block {block}")))
}
