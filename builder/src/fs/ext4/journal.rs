//! A journal that needs recovery: replayed only where that is asked for, and only if it is whole.
//!
//! The crate walks the log and copies its blocks to their places; it was held against the kernel's own recovery over
//! all kinds of journals. What it does not do is here. A transaction whose commit block is damaged ends the log
//! for it, as a crash would have; but a crash leaves no commit block at all. And as the kernel does when it mounts,
//! the counts of the superblock are taken from the groups, and an orphan file that names nobody is in order.
//!
//! All of this happens in memory: the image is written when the result has passed pre-flight, and not before.
//!
//! [Journal](https://docs.kernel.org/filesystems/ext4/journal.html),
//! [orphan file](https://docs.kernel.org/filesystems/ext4/orphan.html).

use std::sync::Arc;

use fs_ext4::Filesystem;
use fs_ext4::block_io::BlockDevice;
use fs_ext4::checksum::linux_crc32c;
use fs_ext4::error::Error;
use fs_ext4::inode::Inode;
use fs_ext4::jbd2::{self, JBD2_COMMIT_BLOCK, JBD2_MAGIC_NUMBER};
use fs_ext4::superblock::{SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE, Superblock};

use super::bytes::{get_array, get_u32, put_u32, put_u64_split};
use super::device::Device;
use super::error::{convert, corrupt};
use super::features::ORPHAN_PRESENT;
use super::preflight::{Purpose, superblock};
use super::runtime::FixedRuntime;
use super::volume::Volume;
use super::{SETTLE, mount};
use crate::disk::Window;
use crate::fs::{FsError, Result};

/// Places in the [superblock](https://docs.kernel.org/filesystems/ext4/super.html).
const RO_COMPAT: usize = 0x64;
const FREE_BLOCKS: (usize, usize) = (0x0c, 0x158);
const FREE_INODES: usize = 0x10;
const ORPHAN_FILE: usize = 0x280;
const CHECKSUM: usize = 0x3fc;
/// Bytes at the end of a block of the orphan file: magic and checksum.
const ORPHAN_TAIL: usize = 8;
/// Blocks of the largest orphan file that mke2fs makes (512), and some more.
const MOST_ORPHAN_BLOCKS: u64 = 4096;

/// The file system with its journal replayed, all of it held back in the device, which nothing was written out of.
pub(super) fn replayed(window: &Window, runtime: &Arc<FixedRuntime>) -> Result<Arc<Device>> {
    let reader = Arc::new(Device::read_only(window.clone()));
    // On a device that cannot be written the crate replays into its own memory.
    let preview = mount(&reader, runtime)?;
    must_be_whole(&preview)?;
    if preview.sb.last_orphan != 0 {
        let what = format!("inode {} is on its orphan list", preview.sb.last_orphan);
        return Err(FsError::Dirty { what, hint: SETTLE });
    }
    drop(preview);
    let device = Arc::new(Device::holding_back(window.clone()));
    drop(mount(&device, runtime)?);
    let sb = Superblock::read(device.as_ref()).map_err(|error| convert(error, "reading the superblock"))?;
    settle(&Volume::new(device.clone(), sb, runtime.clone()))?;
    superblock(device.as_ref(), Purpose::Write)?;
    Ok(device)
}

/// Refuses a log that goes on behind the place where it seems to end.
fn must_be_whole(fs: &Filesystem) -> Result<()> {
    let damaged = |error| convert(error, "reading the journal");
    let Some(journal) = jbd2::read_superblock(fs).map_err(damaged)?.filter(|journal| !journal.is_clean())
    else {
        return Ok(());
    };
    if journal.errno != 0 {
        return Err(corrupt(format!("the journal was given up with error {}", journal.errno)));
    }
    let plan = fs_ext4::journal::walk(fs, &journal).map_err(damaged)?;
    let next = plan.next_sequence.unwrap_or(journal.sequence);
    let inode = fs.read_inode_raw(fs.sb.journal_inode).and_then(|raw| Inode::parse(&raw)).map_err(damaged)?;
    for number in journal.first..journal.max_len {
        let place = jbd2::journal_block_to_physical(fs, &inode, number.into()).map_err(damaged)?;
        let block =
            place.ok_or(Error::Corrupt("a journal with a hole")).and_then(|place| fs.read_block(place));
        let block = block.map_err(damaged)?;
        let [magic, kind, sequence] = [0, 4, 8].map(|at| u32::from_be_bytes(get_array(&block, at)));
        // Sequences go on from one use of the journal to the next, so what is older was replayed long ago.
        let follows = sequence.wrapping_sub(next) < 1 << 31;
        if magic == JBD2_MAGIC_NUMBER && kind == JBD2_COMMIT_BLOCK && follows {
            return Err(corrupt(format!(
                "the journal is complete up to transaction {next}, but transaction {sequence} was committed too"
            )));
        }
    }
    Ok(())
}

/// Brings in order what the kernel brings in order when it mounts.
fn settle(volume: &Volume) -> Result<()> {
    let failed = |error| convert(error, "reading the replayed file system");
    let (mut blocks, mut inodes) = (0_u64, 0_u32);
    for number in 0..volume.group_count() {
        let group = volume.group(number).map_err(failed)?;
        blocks = blocks.saturating_add(group.free_blocks().into());
        inodes = inodes.saturating_add(group.free_inodes());
    }
    let mut sb = vec![0; SUPERBLOCK_SIZE];
    volume.device.read_at(SUPERBLOCK_OFFSET, &mut sb).map_err(failed)?;
    put_u64_split(&mut sb, FREE_BLOCKS.0, Some(FREE_BLOCKS.1), blocks);
    put_u32(&mut sb, FREE_INODES, inodes);
    let features = get_u32(&sb, RO_COMPAT);
    if features & ORPHAN_PRESENT != 0 {
        no_orphans(volume, get_u32(&sb, ORPHAN_FILE))?;
        put_u32(&mut sb, RO_COMPAT, features & !ORPHAN_PRESENT);
    }
    if volume.csum.enabled {
        let sum = linux_crc32c(!0, sb.get(..CHECKSUM).unwrap_or_default());
        put_u32(&mut sb, CHECKSUM, sum);
    }
    volume.device.write_at(SUPERBLOCK_OFFSET, &sb).map_err(failed)
}

/// Refuses an orphan file with entries: numbers of inodes, up to a tail in each block.
fn no_orphans(volume: &Volume, file: u32) -> Result<()> {
    let failed = |error| convert(error, "reading the orphan file");
    let inode = volume.inode(file).map_err(failed)?;
    let blocks = inode.size().div_ceil(volume.sb.block_size().into());
    if blocks > MOST_ORPHAN_BLOCKS {
        return Err(FsError::Unsupported { what: format!("an orphan file of {blocks} blocks") });
    }
    for logical in (0..blocks).filter_map(|block| u32::try_from(block).ok()) {
        let place = volume.map(&inode, logical).map_err(failed)?;
        let bytes = place.ok_or(Error::Corrupt("an orphan file with a hole"));
        let bytes = bytes.and_then(|place| volume.read_block(place)).map_err(failed)?;
        let entries = bytes.get(..bytes.len().saturating_sub(ORPHAN_TAIL)).unwrap_or_default();
        if let Some(orphan) = entries.as_chunks::<4>().0.iter().find(|entry| **entry != [0; 4]) {
            let what = format!("inode {} is in its orphan file", u32::from_le_bytes(*orphan));
            return Err(FsError::Dirty { what, hint: SETTLE });
        }
    }
    Ok(())
}
