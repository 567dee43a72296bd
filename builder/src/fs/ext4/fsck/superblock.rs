//! The superblock, checked before anything else is read: features, numbers, and the state of the file system.

use fs_ext4::block_io::BlockDevice;
use fs_ext4::checksum::Checksummer;
use fs_ext4::error::Error;
use fs_ext4::superblock::{EXT4_ERROR_FS, EXT4_VALID_FS, Superblock};

use crate::disk::ByteSize;
use crate::fs::ext4::error::{FIX_UNCLEAN, convert, corrupt};
use crate::fs::ext4::layout::features::{Features, NEEDS_RECOVERY, ORPHAN_PRESENT};
use crate::fs::{FsError, Result};

/// The lowest inode that may be free: those below it are reserved.
const FIRST_INODE: u32 = 11;

/// What is to be done with the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Only reading: only what is read must be sound.
    Read,
    /// Writing: all of it must be sound, since it decides what is free.
    Write,
    /// Replaying the journal: its state is checked afterwards.
    Replay,
    /// Reading in whatever state it is.
    Examine,
}

/// Whether the superblock says that the journal must be replayed.
pub(crate) fn needs_recovery(device: &dyn BlockDevice) -> Result<bool> {
    let sb = check(device, Purpose::Replay)?;
    Ok(sb.feature_incompat & NEEDS_RECOVERY != 0)
}

/// Reads and checks the superblock.
pub(crate) fn check(device: &dyn BlockDevice, purpose: Purpose) -> Result<Superblock> {
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
    let features = Features::from(sb);
    match purpose {
        Purpose::Read | Purpose::Examine => features.check_readable(),
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
            hint: Some("download the image again"),
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
    if matches!(purpose, Purpose::Replay | Purpose::Examine) {
        return Ok(());
    }
    let dirty = |what: String| Err(FsError::Dirty { what, hint: FIX_UNCLEAN });
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
