//! The superblock, checked before anything else is read: features, numbers, and the state of the file system.
//!
//! The list of what is refused is the kernel's, when it mounts (`ext4_fill_super` and what that calls), with what e2fsck
//! refuses besides: [Superblock](https://docs.kernel.org/filesystems/ext4/super.html). Descriptors are in `groups`, the
//! journal in `journal`, the orphan file in `orphan_file`.

use fs_ext4::block_io::BlockDevice;
use fs_ext4::error::Error;
use fs_ext4::superblock::{EXT4_ERROR_FS, EXT4_VALID_FS, Superblock};

use crate::disk::ByteSize;
use crate::fs::ext4::error::{FIX_UNCLEAN, convert, corrupt};
use crate::fs::ext4::layout::features::{
    BIT64, DIR_INDEX, EXTRA_ISIZE, FLEX_BG, Features, HAS_JOURNAL, METADATA_CSUM, NEEDS_RECOVERY,
    ORPHAN_PRESENT,
};
use crate::fs::ext4::layout::superblock::{PLACE, RawSuperblock, SIZE};
use crate::fs::{FsError, Result};

/// The lowest inode that may be free: those below it are reserved.
const FIRST_INODE: u32 = 11;
const MAGIC: u16 = 0xef53;
/// `s_checksum_type`.
const CRC32C: u8 = 1;
/// `s_creator_os` of the Hurd.
const HURD: u32 = 1;
/// The last of the hashes of names that need no other feature: TEA, unsigned.
const LAST_HASH: u8 = 5;
/// Groups that lie together, at most, as a power of two.
const MOST_FLEX_LOG: u8 = 31;

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
    let reading = |error| convert(error, "reading the superblock");
    let mut raw = [0; SIZE];
    device.read_at(PLACE, &mut raw).map_err(reading)?;
    let raw = RawSuperblock(raw);
    // Before the crate reads it: it takes a wrong number for the nearest right one.
    if raw.magic() == MAGIC {
        features(&raw, purpose)?;
        checksum(&raw)?;
        numbers(&raw)?;
    }
    let sb = Superblock::read(device).map_err(|error| match error {
        Error::BadMagic { .. } => {
            FsError::Unsupported { what: "a partition without an ext4 file system".to_owned() }
        }
        error => reading(error),
    })?;
    geometry(&sb, device.size_bytes())?;
    state(&sb, purpose)?;
    Ok(sb)
}

fn checksum(sb: &RawSuperblock) -> Result<()> {
    if !sb.features().has_ro_compat(METADATA_CSUM) {
        return Ok(());
    }
    if sb.checksum_type() != CRC32C {
        return Err(corrupt(format!("the superblock has the unknown checksum type {}", sb.checksum_type())));
    }
    if sb.is_sound() { Ok(()) } else { Err(corrupt("the superblock's checksum does not match".to_owned())) }
}

/// Numbers that the kernel or e2fsck refuse, and that the crate does not look at.
fn numbers(sb: &RawSuperblock) -> Result<()> {
    let wrong = |what: String| Err(corrupt(format!("the superblock has {what}")));
    let features = sb.features();
    if sb.revision() > 0 && sb.first_inode() < FIRST_INODE {
        return wrong(format!("the first inode {} (s_first_ino), expected 11 or more", sb.first_inode()));
    }
    if sb.cluster_size_log() != sb.block_size_log() || sb.clusters_per_group() != sb.blocks_per_group() {
        return wrong(format!(
            "clusters that are not blocks (s_log_cluster_size {}, s_clusters_per_group {})",
            sb.cluster_size_log(),
            sb.clusters_per_group()
        ));
    }
    if sb.revision() > 1 {
        return Err(FsError::Unsupported {
            what: format!("an ext4 file system of revision {}", sb.revision()),
        });
    }
    if features.has_incompat(BIT64) && sb.creator() == HURD {
        return Err(FsError::Unsupported {
            what: "a file system of the Hurd with the feature 64bit".to_owned(),
        });
    }
    if features.has_compat(DIR_INDEX) && sb.hash_version() > LAST_HASH {
        return wrong(format!("the unknown hash {} for directories (s_def_hash_version)", sb.hash_version()));
    }
    let room = sb.inode_size().saturating_sub(128);
    if features.has_ro_compat(EXTRA_ISIZE) && sb.extra_sizes().into_iter().any(|size| size > room) {
        return wrong(format!("more fields in inodes than the {room} bytes that they have room for"));
    }
    if features.has_incompat(FLEX_BG) && sb.groups_per_flex_log() > MOST_FLEX_LOG {
        return wrong(format!("flexible groups of 2^{} (s_log_groups_per_flex)", sb.groups_per_flex_log()));
    }
    if u32::from(sb.reserved_descriptor_blocks()) > (1024 << sb.block_size_log().min(6)) / 4 {
        return wrong(format!("room for {} blocks of descriptors", sb.reserved_descriptor_blocks()));
    }
    if !features.has_compat(HAS_JOURNAL) {
        return Ok(());
    }
    if sb.has_external_journal() {
        return Err(FsError::Unsupported { what: "an ext4 file system with an external journal".to_owned() });
    }
    if sb.journal_inode() == 0 || sb.journal_inode() > sb.inodes() {
        return wrong(format!("the journal in inode {} (s_journal_inum)", sb.journal_inode()));
    }
    Ok(())
}

fn features(sb: &RawSuperblock, purpose: Purpose) -> Result<()> {
    // File systems of the first revision have none, whatever is in their place.
    let none = Features { compat: 0, incompat: 0, ro_compat: 0 };
    let features = if sb.revision() == 0 { none } else { sb.features() };
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
    let inodes_per_block = sb.block_size() / u32::from(sb.inode_size.max(1));
    if sb.first_inode > sb.inodes_count
        || sb.r_blocks_count > sb.blocks_count / 2
        || sb.first_data_block != u32::from(sb.block_size() == 1024)
        || !(128..=sb.block_size()).contains(&u32::from(sb.inode_size))
        || !sb.inode_size.is_power_of_two()
        || !(inodes_per_block..=sb.block_size().saturating_mul(8)).contains(&sb.inodes_per_group)
        || !(8..=sb.block_size().saturating_mul(8)).contains(&sb.blocks_per_group)
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
    // With a journal the kernel does not clear the bit when it mounts; tune2fs does to ask for e2fsck, whose checks follow.
    if sb.state & EXT4_VALID_FS == 0 && sb.feature_compat & HAS_JOURNAL == 0 {
        return dirty("it is still marked as mounted".to_owned());
    }
    Ok(())
}
