//! The bitmaps against their checksums.

use fs_ext4::Filesystem;
use fs_ext4::bgd::{BgdFlags, BlockGroupDescriptor};

use super::blocks::read_block;
use crate::fs::Result;
use crate::fs::ext4::error::corrupt;
use crate::fs::ext4::layout::bitmap::Bitmap;
use crate::fs::ext4::layout::checksum::Checksums;
use crate::fs::ext4::layout::group_descriptor::bitmap_sum;

/// Compares each bitmap with its checksum: a flipped bit here lets live data be overwritten later.
///
/// [Layout](https://docs.kernel.org/filesystems/ext4/bitmaps.html): a bitmap that was never written is marked by
/// a flag of its group, and its block holds nothing. The descriptor keeps 32 bits of the checksum where it is
/// 64 bytes long, else the low 16.
pub(crate) fn check(fs: &Filesystem) -> Result<()> {
    if !fs.csum.enabled {
        return Ok(());
    }
    for (number, group) in fs.groups.iter().enumerate() {
        let [blocks, inodes] = [
            (BgdFlags::BLOCK_UNINIT, group.block_bitmap, group.block_bitmap_csum, fs.sb.blocks_per_group),
            (BgdFlags::INODE_UNINIT, group.inode_bitmap, group.inode_bitmap_csum, fs.sb.inodes_per_group),
        ]
        .map(|(unwritten, block, stored, bits)| bitmap_matches(fs, group, unwritten, block, stored, bits));
        for (what, sound) in [("block", blocks?), ("inode", inodes?)] {
            if !sound {
                return Err(corrupt(format!(
                    "the {what} bitmap of group {number} does not match its checksum"
                )));
            }
        }
    }
    Ok(())
}

fn bitmap_matches(
    fs: &Filesystem,
    group: &BlockGroupDescriptor,
    unwritten: BgdFlags,
    block: u64,
    stored: u32,
    bits: u32,
) -> Result<bool> {
    if group.flags().contains(unwritten) {
        return Ok(true);
    }
    let bitmap = Bitmap::from_bytes(read_block(fs, block)?);
    if u64::from(bits) > u64::from(fs.sb.block_size()) * 8 {
        return Ok(false);
    }
    let checksums = Checksums::Metadata { seed: fs.csum.seed };
    Ok(bitmap_sum(checksums, fs.sb.desc_size.into(), bitmap.covered(bits)) == stored)
}
