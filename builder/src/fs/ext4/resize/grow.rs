//! Carries out growth.

use super::plan::plan;
use super::read::{read_into, read_old, read_table};
use super::size_limit::{self, SizeLimit};
use super::write::{Content, Write};
use crate::disk::{ByteSize, Window};
use crate::fs::{FsError, Result, Space};

/// Bytes that are compared with zero at once.
const CHUNK: u64 = 256 * 1024;

/// What growing has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grown {
    /// Size of a block in bytes.
    pub block_size: u32,
    /// Blocks before.
    pub old_blocks: u64,
    /// Blocks now; fewer than asked for where the rest would not make a group.
    pub new_blocks: u64,
    /// Groups before.
    pub old_groups: u32,
    /// Groups now.
    pub new_groups: u32,
    /// Bytes written.
    pub written: u64,
}

/// Grows the ext4 file system in `window` to `to` bytes, rounded down to whole blocks; a rest too small to make
/// a group worth its overhead is left out, as mke2fs and resize2fs do. Where the file system has that size
/// already, nothing is written.
///
/// The window must be as long as the grown partition: the partition table is grown first. Everything is
/// verified before the first write. The caller syncs the image when all is done.
///
/// # Errors
/// `Unsupported` for a feature that growth does not know, for shrinking, for a size beyond the window and for
/// one beyond [`limit`]; `Dirty` for a file system that was not cleanly unmounted; `Corrupt` for a structure
/// that contradicts another one or its checksum. In all these cases nothing was written.
pub fn grow(window: &Window, to: ByteSize) -> Result<Grown> {
    let old = read_old(window)?;
    let superblock = &old.superblock;
    check_target(superblock.blocks * u64::from(superblock.geometry.block_size), to, window.len())?;
    let mut grown = Grown {
        block_size: superblock.geometry.block_size,
        old_blocks: superblock.blocks,
        new_blocks: superblock.blocks,
        old_groups: superblock.groups(),
        new_groups: superblock.groups(),
        written: 0,
    };
    let wanted = to.0 / u64::from(superblock.geometry.block_size);
    if let Some(plan) = plan(&old, wanted)? {
        grown.new_blocks = plan.superblock.blocks;
        grown.new_groups = plan.superblock.groups();
        for write in &plan.writes {
            grown.written = grown.written.saturating_add(apply(window, write)?);
        }
    }
    Ok(grown)
}

/// The largest size to which [`grow`] can grow the file system in `window`, whatever the window's length.
///
/// # Errors
/// As [`grow`].
pub fn limit(window: &Window) -> Result<ByteSize> {
    let (superblock, _) = read_table(window)?;
    Ok(size_limit::bytes(&superblock, SizeLimit::of(&superblock).blocks))
}

/// The smallest size in which the file system in `window` has at least the free space `wanted`; its present size if
/// it has that already. The blocks reserved for root count as free.
///
/// # Errors
/// As [`grow`]; `Unsupported` where no size up to [`limit`] is enough.
pub fn size_for(window: &Window, wanted: Space) -> Result<ByteSize> {
    let (superblock, table) = read_table(window)?;
    let blocks = wanted.bytes.div_ceil(u64::from(superblock.geometry.block_size));
    let blocks = size_limit::blocks_for(&superblock, &table, blocks, wanted.inodes)?;
    Ok(size_limit::bytes(&superblock, blocks))
}

fn check_target(now: u64, to: ByteSize, window: u64) -> Result<()> {
    let what = if to.0 < now {
        format!("shrinking ext4 from {now} to {} bytes", to.0)
    } else if to.0 > window {
        format!("growing ext4 to {} bytes in a partition of {window}", to.0)
    } else {
        return Ok(());
    };
    Err(FsError::Unsupported { what })
}

/// Carries out one write and returns the bytes written.
fn apply(window: &Window, write: &Write) -> Result<u64> {
    match &write.content {
        Content::Bytes(bytes) => write_at(window, bytes, write.at),
        Content::Zeros(len) => clear(window, write.at, *len),
    }
}

/// Writes zeros where something else is: the image stays sparse, and old data of the partition is removed.
fn clear(window: &Window, start: u64, len: u64) -> Result<u64> {
    let zeros = vec![0; usize::try_from(CHUNK.min(len)).unwrap_or(0)];
    let mut found = zeros.clone();
    let mut written = 0;
    for at in (0..len).step_by(zeros.len().max(1)) {
        let count = usize::try_from(len - at).map_or(zeros.len(), |left| left.min(zeros.len()));
        let (Some(zeros), Some(found)) = (zeros.get(..count), found.get_mut(..count)) else { break };
        read_into(window, found, start + at, "a new inode table")?;
        if found != zeros {
            written += write_at(window, zeros, start + at)?;
        }
    }
    Ok(written)
}

fn write_at(window: &Window, bytes: &[u8], at: u64) -> Result<u64> {
    window.write_all_at(bytes, at).map_err(|source| FsError::Io {
        what: format!("writing to the ext4 file system at byte {at}"),
        source,
    })?;
    Ok(bytes.len() as u64)
}
