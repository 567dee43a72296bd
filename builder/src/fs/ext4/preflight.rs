//! Is this file system sound, and do we understand all of it? Asked before the first write, and again after the last.
//!
//! The crate checks the checksums of what it reads, but neither the bitmaps before it allocates from them, nor
//! the error flag, nor whether the file system fits its partition in words that help.

use fs_ext4::Filesystem;
use fs_ext4::bgd::{BgdFlags, BlockGroupDescriptor};
use fs_ext4::block_io::BlockDevice;
use fs_ext4::checksum::Checksummer;
use fs_ext4::error::Error;
use fs_ext4::superblock::{EXT4_ERROR_FS, EXT4_VALID_FS, Superblock};

use super::SETTLE;
use super::bytes::get_u32;
use super::dirs;
use super::error::{MEND, convert, corrupt};
use super::features::{Features, NEEDS_RECOVERY, ORPHAN_PRESENT};
use super::inodes::Inodes;
use super::volume::Volume;
use crate::disk::ByteSize;
use crate::fs::{FsError, Result};

/// The lowest inode that is not the file system's own.
const FIRST_INODE: u32 = 11;
/// Findings that an error names; the rest are counted.
const NAMED_FINDINGS: usize = 3;

/// What is to be done with the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Only reading: what nobody reads need not be sound.
    Read,
    /// Writing: all of it must be sound, since what is free is decided by it.
    Write,
    /// Replaying the journal: what its state is will be known afterwards.
    Replay,
}

/// Whether the superblock says that the journal must be replayed.
pub(super) fn needs_recovery(device: &dyn BlockDevice) -> Result<bool> {
    let sb = superblock(device, Purpose::Replay)?;
    Ok(sb.feature_incompat & NEEDS_RECOVERY != 0)
}

/// Reads the superblock and refuses what it says about itself, before anything else is looked at.
pub(super) fn superblock(device: &dyn BlockDevice, purpose: Purpose) -> Result<Superblock> {
    let sb = Superblock::read(device).map_err(|error| match error {
        Error::BadMagic { .. } => {
            FsError::Unsupported { what: "a partition without an ext4 file system".to_owned() }
        }
        error => convert(error, "reading the superblock"),
    })?;
    let csum = Checksummer::from_superblock(&sb);
    if csum.enabled && !csum.verify_superblock(&sb.raw) {
        return Err(corrupt("the superblock's checksum does not match".to_owned()));
    }
    features(&sb, purpose)?;
    geometry(&sb, device.size_bytes())?;
    state(&sb, purpose)?;
    Ok(sb)
}

fn features(sb: &Superblock, purpose: Purpose) -> Result<()> {
    let features = Features {
        compat: sb.feature_compat,
        incompat: sb.feature_incompat,
        ro_compat: sb.feature_ro_compat,
    };
    match purpose {
        Purpose::Read => features.check_readable(),
        Purpose::Write | Purpose::Replay => features.check_writable(),
    }
}

fn geometry(sb: &Superblock, partition: u64) -> Result<()> {
    if !matches!(sb.block_size(), 1024 | 2048 | 4096) {
        return Err(FsError::Unsupported {
            what: format!("an ext4 block size of {} bytes", sb.block_size()),
        });
    }
    let size = sb.filesystem_bytes().unwrap_or(u64::MAX);
    if size > partition {
        let (size, partition) = (ByteSize(size), ByteSize(partition));
        return Err(FsError::Corrupt {
            what: format!("it has {size}, but its partition only {partition}: the image is truncated"),
            hint: Some("get the image again"),
        });
    }
    if sb.first_inode < FIRST_INODE
        || sb.first_inode > sb.inodes_per_group
        || sb.r_blocks_count > sb.blocks_count / 2
        || !(sb.inode_size.is_power_of_two() && sb.desc_size.is_power_of_two())
    {
        return Err(corrupt("the superblock has impossible numbers".to_owned()));
    }
    let inodes = sb.block_group_count().checked_mul(u64::from(sb.inodes_per_group));
    if inodes != Some(u64::from(sb.inodes_count)) {
        return Err(corrupt(format!(
            "the superblock counts {} inodes, its groups hold {}",
            sb.inodes_count,
            inodes.unwrap_or(u64::MAX)
        )));
    }
    Ok(())
}

fn state(sb: &Superblock, purpose: Purpose) -> Result<()> {
    if purpose == Purpose::Replay {
        return Ok(());
    }
    let dirty = |what: String| Err(FsError::Dirty { what, hint: SETTLE });
    if sb.feature_incompat & NEEDS_RECOVERY != 0 {
        return dirty("its journal needs recovery (needs_recovery)".to_owned());
    }
    if purpose == Purpose::Read {
        return Ok(());
    }
    if sb.state & EXT4_ERROR_FS != 0 {
        return Err(corrupt("the kernel has set its error flag".to_owned()));
    }
    if sb.feature_ro_compat & ORPHAN_PRESENT != 0 {
        return dirty("its orphan file names deleted files (orphan_present)".to_owned());
    }
    if sb.last_orphan != 0 {
        return dirty(format!("inode {} is on its orphan list", sb.last_orphan));
    }
    if sb.state & EXT4_VALID_FS == 0 {
        return dirty("it is still marked as mounted".to_owned());
    }
    Ok(())
}

/// Checks a file system that is mounted read-only.
pub(super) fn mounted(fs: &Filesystem, volume: &Volume, purpose: Purpose) -> Result<()> {
    let journal =
        fs_ext4::jbd2::read_superblock(fs).map_err(|error| convert(error, "reading the journal"))?;
    if journal.is_some_and(|journal| !journal.is_clean()) {
        return Err(FsError::Dirty { what: "its journal is not empty".to_owned(), hint: SETTLE });
    }
    if purpose == Purpose::Write {
        bitmaps(fs)?;
        audit(fs)?;
        dirs::check(fs, volume, &mut Inodes::read(fs)?)?;
    }
    Ok(())
}

/// Whether a block of extended attributes is one, alone, and has the checksum that it should have.
///
/// [Layout](https://docs.kernel.org/filesystems/ext4/attributes.html): magic, users, number of blocks.
pub(super) fn attributes_are_sound(csum: &Checksummer, place: u64, block: &[u8]) -> bool {
    const MAGIC: u32 = 0xea02_0000;
    get_u32(block, 0) == MAGIC && get_u32(block, 8) == 1 && csum.verify_xattr_block(place, block)
}

/// Compares each bitmap with its checksum: a flipped bit here lets live data be overwritten later.
///
/// [Layout](https://docs.kernel.org/filesystems/ext4/bitmaps.html): a bitmap that was never written is marked by
/// a flag of its group, and its block holds nothing. The descriptor keeps 32 bits of the checksum where it is
/// 64 bytes long, else the low 16.
fn bitmaps(fs: &Filesystem) -> Result<()> {
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
    let bytes = fs.read_block(block).map_err(|error| convert(error, "reading a bitmap"))?;
    let covered = usize::try_from(bits / 8).unwrap_or(usize::MAX);
    let Some(covered) = bytes.get(..covered) else {
        return Ok(false);
    };
    let mask = if fs.sb.desc_size >= 64 { u32::MAX } else { 0xffff };
    Ok((fs.csum.crc(covered) ^ stored) & mask == 0)
}

/// Walks all directories and inodes: names, link counts, checksums of inodes and directories, free counts against bitmaps.
fn audit(fs: &Filesystem) -> Result<()> {
    let report = fs.audit(u32::MAX, u32::MAX).map_err(|error| convert(error, "checking the directories"))?;
    if report.is_clean() {
        return Ok(());
    }
    Err(findings(report.anomalies.iter().map(|anomaly| format!("{anomaly:?}"))))
}

fn findings(all: impl ExactSizeIterator<Item = String>) -> FsError {
    let count = all.len();
    let mut what = all.take(NAMED_FINDINGS).collect::<Vec<_>>().join("; ");
    if count > NAMED_FINDINGS {
        what.push_str(&format!("; and {} more", count.saturating_sub(NAMED_FINDINGS)));
    }
    FsError::Corrupt { what, hint: Some(MEND) }
}
