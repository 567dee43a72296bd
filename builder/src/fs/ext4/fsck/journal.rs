//! A journal that needs recovery: replayed only where that is asked for, and only if it is complete.
//!
//! The crate walks through the log and copies its blocks to their places; tests compare it with the kernel's recovery
//! over all kinds of journals. What it does not do is here. It ends the log at a transaction with a damaged commit
//! block, as if a crash had ended it; but a crash leaves no commit block at all. And as the kernel does when it
//! mounts, the counts of the superblock are taken from the groups, and an orphan file without entries is accepted.
//!
//! All of this happens in memory: the image is not written before the result has passed pre-flight.
//!
//! [Journal](https://docs.kernel.org/filesystems/ext4/journal.html),
//! [orphan file](https://docs.kernel.org/filesystems/ext4/orphan.html).

use std::sync::Arc;

use fs_ext4::Filesystem;
use fs_ext4::error::Error;
use fs_ext4::jbd2::{self, JBD2_COMMIT_BLOCK, JBD2_MAGIC_NUMBER};
use fs_ext4::superblock::Superblock;

use super::claims::Claims;
use super::extents;
use super::inode::Visit;
use super::orphan_file;
use super::superblock::{self, Purpose};
use crate::disk::Window;
use crate::fs::ext4::error::{FIX_UNCLEAN, convert, corrupt};
use crate::fs::ext4::io::device::Device;
use crate::fs::ext4::io::runtime::FixedRuntime;
use crate::fs::ext4::layout::bytes::get_array;
use crate::fs::ext4::layout::features::{BIT64, HAS_JOURNAL, ORPHAN_PRESENT};
use crate::fs::ext4::layout::inode::REGULAR;
use crate::fs::ext4::layout::journal_superblock::JournalSuperblock;
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::ext4::volume::mount::mount;
use crate::fs::{FsError, Result};

/// Checks the journal as the kernel does when it loads it, and that nothing is in it that is not in its place.
pub(super) fn check(volume: &Volume) -> Result<()> {
    let sb = volume.superblock().map_err(|error| convert(error, "the superblock"))?;
    if !sb.features().has_compat(HAS_JOURNAL) {
        return Ok(());
    }
    let number = sb.journal_inode();
    let reading = |error| convert(error, &format!("the journal (inode {number})"));
    let wrong = |what: &str| corrupt(format!("the journal (inode {number}) {what}"));
    let inode = volume.inode(number).map_err(|error| match error {
        Error::Stale => wrong("is deleted"),
        error => reading(error),
    })?;
    if inode.format() != REGULAR {
        return Err(wrong("is not a regular file"));
    }
    let blocks = inode.size() / u64::from(volume.sb.block_size());
    let first = volume.map(&inode, 0).map_err(reading)?.ok_or_else(|| wrong("has a hole"))?;
    let first = volume.read_block(first).map_err(reading)?;
    let bit64 = volume.features.has_incompat(BIT64);
    let journal = JournalSuperblock::parse(&first, blocks, volume.sb.block_size(), bit64);
    let journal = journal.map_err(|what| wrong(&what))?;
    let mut nothing = Claims::new(volume);
    let mapped = extents::walk(volume, &inode, &mut Visit::Claim(&mut nothing))?;
    // Its log goes round through all of them.
    if mapped.blocks != mapped.written_end || mapped.blocks < journal.length.into() {
        return Err(wrong(&format!("has {} of {} blocks", mapped.blocks, journal.length)));
    }
    if journal.error != 0 {
        return Err(wrong(&format!("was aborted with error {}", journal.error)));
    }
    if !journal.is_empty {
        return Err(FsError::Dirty { what: "its journal is not empty".to_owned(), hint: FIX_UNCLEAN });
    }
    Ok(())
}

/// A device that holds back the file system with its journal replayed. The image has not changed.
pub(crate) fn replayed(window: &Window, runtime: &Arc<FixedRuntime>) -> Result<Arc<Device>> {
    let reader = Arc::new(Device::read_only(window.clone()));
    // On a device that cannot be written the crate replays into its own memory.
    let preview = mount(&reader, runtime)?;
    must_be_complete(&preview)?;
    if preview.sb.last_orphan != 0 {
        let what = format!("inode {} is on its orphan list", preview.sb.last_orphan);
        return Err(FsError::Dirty { what, hint: FIX_UNCLEAN });
    }
    drop(preview);
    let device = Arc::new(Device::holding_back(window.clone()));
    drop(mount(&device, runtime)?);
    let sb = Superblock::read(device.as_ref()).map_err(|error| convert(error, "reading the superblock"))?;
    update_counts(&Volume::new(device.clone(), sb, runtime.clone()))?;
    superblock::check(device.as_ref(), Purpose::Write)?;
    Ok(device)
}

/// The same for reading alone: files that were deleted while they were open are no hindrance.
pub(crate) fn replayed_to_read(window: &Window, runtime: &Arc<FixedRuntime>) -> Result<Arc<Device>> {
    must_be_complete(&mount(&Arc::new(Device::read_only(window.clone())), runtime)?)?;
    let device = Arc::new(Device::holding_back(window.clone()));
    drop(mount(&device, runtime)?);
    let sb = Superblock::read(device.as_ref()).map_err(|error| convert(error, "reading the superblock"))?;
    match update_counts(&Volume::new(device.clone(), sb, runtime.clone())) {
        Ok(()) | Err(FsError::Dirty { .. }) => Ok(device),
        Err(error) => Err(error),
    }
}

/// Refuses a log with a committed transaction behind the place where the log seems to end.
fn must_be_complete(fs: &Filesystem) -> Result<()> {
    let damaged = |error| convert(error, "reading the journal");
    let Some(journal) = jbd2::read_superblock(fs).map_err(damaged)?.filter(|journal| !journal.is_clean())
    else {
        return Ok(());
    };
    if journal.errno != 0 {
        return Err(corrupt(format!("the journal was aborted with error {}", journal.errno)));
    }
    let plan = fs_ext4::journal::walk(fs, &journal).map_err(damaged)?;
    let next = plan.next_sequence.unwrap_or(journal.sequence);
    let inode = fs
        .read_inode_raw(fs.sb.journal_inode)
        .and_then(|raw| fs_ext4::inode::Inode::parse(&raw))
        .map_err(damaged)?;
    for number in journal.first..journal.max_len {
        let place = jbd2::journal_block_to_physical(fs, &inode, number.into()).map_err(damaged)?;
        let block =
            place.ok_or(Error::Corrupt("a journal with a hole")).and_then(|place| fs.read_block(place));
        let block = block.map_err(damaged)?;
        let field = |at| get_array(&block, at).map(u32::from_be_bytes).map_err(damaged);
        let (magic, kind, sequence) = (field(0)?, field(4)?, field(8)?);
        // Sequence numbers continue from one use of the journal to the next, so older ones were replayed before.
        let follows = sequence.wrapping_sub(next) < 1 << 31;
        if magic == JBD2_MAGIC_NUMBER && kind == JBD2_COMMIT_BLOCK && follows {
            return Err(corrupt(format!(
                "the journal is complete up to transaction {next}, but transaction {sequence} was committed too"
            )));
        }
    }
    Ok(())
}

/// Does what the kernel does when it mounts.
fn update_counts(volume: &Volume) -> Result<()> {
    let failed = |error| convert(error, "reading the replayed file system");
    volume.count_again().map_err(failed)?;
    let mut sb = volume.superblock().map_err(failed)?;
    if sb.features().has_ro_compat(ORPHAN_PRESENT) {
        orphan_file::check(volume)?;
        sb.clear_ro_compat(ORPHAN_PRESENT);
    }
    volume.put_superblock(sb).map_err(failed)
}
