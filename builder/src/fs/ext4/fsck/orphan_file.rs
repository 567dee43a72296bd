//! The orphan file: a list of files that were deleted while they were open, with room for many at once.
//!
//! [Orphan file](https://docs.kernel.org/filesystems/ext4/orphan.html): in each block numbers of inodes, and at its end a
//! magic number and a checksum. The kernel reads it when it mounts, whatever the superblock says of it, and refuses the
//! file system where it is wrong.

use fs_ext4::error::Error;

use super::inodes::orphan_file;
use crate::fs::ext4::error::{FIX_UNCLEAN, convert, corrupt};
use crate::fs::ext4::layout::bytes::get_u32;
use crate::fs::ext4::layout::inode::REGULAR;
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::{FsError, Result};

/// Bytes at the end of a block: magic and checksum.
const TAIL: usize = 8;
const MAGIC: u32 = 0x0b10_ca04;
/// Most blocks that the kernel takes (`EXT4_MAX_ORPHAN_FILE_BLOCKS`).
const MOST_BLOCKS: u64 = 512;

/// Refuses an orphan file that is not sound, or that has entries.
pub(super) fn check(volume: &Volume) -> Result<()> {
    let Some(number) = orphan_file(volume) else { return Ok(()) };
    let failed = |error| convert(error, "the orphan file");
    let wrong = |what: &str| corrupt(format!("the orphan file (inode {number}) {what}"));
    let inode = volume.inode(number).map_err(failed)?;
    let block_size = u64::from(volume.sb.block_size());
    let blocks = inode.size().div_ceil(block_size);
    if inode.format() != REGULAR {
        return Err(wrong("is not a regular file"));
    }
    if blocks == 0 || blocks > MOST_BLOCKS || !inode.size().is_multiple_of(block_size) {
        return Err(wrong(&format!("has {} bytes", inode.size())));
    }
    for logical in (0..blocks).filter_map(|block| u32::try_from(block).ok()) {
        let place = volume.map(&inode, logical).and_then(|place| place.ok_or(Error::Corrupt("a hole")));
        let place = place.map_err(failed)?;
        let bytes = volume.read_block(place).map_err(failed)?;
        let (entries, tail) = bytes.split_at(bytes.len().saturating_sub(TAIL));
        if get_u32(tail, 0).map_err(failed)? != MAGIC {
            return Err(wrong("has a block without its magic number"));
        }
        let sum = volume.checksums.orphan_block(number, inode.generation(), place, entries);
        let stored = get_u32(tail, 4).map_err(failed)?;
        if sum.is_some_and(|sum| sum != stored) {
            return Err(wrong("has a block whose checksum does not match"));
        }
        if let Some(orphan) = entries.as_chunks::<4>().0.iter().find(|entry| **entry != [0; 4]) {
            let what = format!("inode {} is in its orphan file", u32::from_le_bytes(*orphan));
            return Err(FsError::Dirty { what, hint: FIX_UNCLEAN });
        }
    }
    Ok(())
}
