//! The volume: its blocks, its geometry, its checksums, and the counts of what is free.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fs_ext4::block_io::BlockDevice;
use fs_ext4::checksum::Checksummer;
use fs_ext4::error::{Error, Result};
use fs_ext4::superblock::Superblock;

use crate::fs::ext4::io::device::Device;
use crate::fs::ext4::io::runtime::FixedRuntime;
use crate::fs::ext4::layout::checksum::Checksums;
use crate::fs::ext4::layout::extent_node::Run;
use crate::fs::ext4::layout::features::Features;
use crate::fs::ext4::layout::superblock::{self, RawSuperblock};

/// A file system that is read or written.
pub(crate) struct Volume {
    pub(crate) device: Arc<Device>,
    /// As it was when the file system was opened. Only what never changes may be read from it.
    pub(crate) sb: Superblock,
    pub(crate) features: Features,
    pub(crate) checksums: Checksums,
    /// The crate's checksums: of directory blocks, hash tree nodes and blocks of extended attributes.
    pub(crate) csum: Checksummer,
    pub(crate) runtime: Arc<FixedRuntime>,
    /// The buffer for file data. It is kept, because small files are many.
    pub(crate) piece: RefCell<Vec<u8>>,
    /// The inodes that were written, or whose blocks were: an inode may be as it was though its blocks are not.
    pub(crate) edited: RefCell<BTreeSet<u32>>,
    /// Whether a group that was never used is used now, which the crate must be told.
    group_initialised: AtomicBool,
}

impl Volume {
    pub(crate) fn new(device: Arc<Device>, sb: Superblock, runtime: Arc<FixedRuntime>) -> Self {
        let (features, csum) = (Features::from(&sb), Checksummer::from_superblock(&sb));
        Self {
            device,
            features,
            checksums: Checksums::new(features, sb.uuid, sb.checksum_seed),
            csum,
            sb,
            runtime,
            piece: RefCell::default(),
            edited: RefCell::default(),
            group_initialised: AtomicBool::new(false),
        }
    }

    /// Bytes in a block.
    pub(crate) fn block_size(&self) -> usize {
        usize::try_from(self.sb.block_size()).unwrap_or(usize::MAX)
    }

    pub(crate) fn read_block(&self, block: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.block_size()];
        self.device.read_at(self.place(block)?, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn write_block(&self, block: u64, bytes: &[u8]) -> Result<()> {
        self.device.write_at(self.place(block)?, bytes)
    }

    /// Notes what blocks hold before they are freed.
    pub(crate) fn note_blocks(&self, run: Run) -> Result<()> {
        let start = self.place(run.start)?;
        for block in 0..u64::from(run.len) {
            let at = block.saturating_mul(self.sb.block_size().into());
            self.device.note(start.saturating_add(at), self.block_size())?;
        }
        Ok(())
    }

    /// Where a block lies, in bytes. A block outside of the file system is refused: its number came from the disk.
    pub(crate) fn place(&self, block: u64) -> Result<u64> {
        let inside = block < self.sb.blocks_count;
        let place = block.checked_mul(u64::from(self.sb.block_size()));
        place.filter(|_| inside).ok_or(Error::Corrupt("a block number outside of the file system"))
    }

    /// Where byte `at` of a block lies, in bytes.
    pub(crate) fn place_in(&self, block: u64, at: usize) -> Result<u64> {
        Ok(self.place(block)?.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)))
    }

    /// The superblock as it is now.
    pub(crate) fn superblock(&self) -> Result<RawSuperblock> {
        let mut raw = [0; superblock::SIZE];
        self.device.read_at(superblock::PLACE, &mut raw)?;
        Ok(RawSuperblock(raw))
    }

    /// Blocks that a directory may have behind its end.
    pub(crate) fn dir_blocks_ahead(&self) -> Result<u8> {
        Ok(self.superblock()?.directory_blocks_ahead())
    }

    /// Writes the superblock with its checksum.
    pub(crate) fn put_superblock(&self, mut sb: RawSuperblock) -> Result<()> {
        sb.seal();
        self.device.write_at(superblock::PLACE, &sb.0)
    }

    /// Changes the counts of free blocks and inodes of the whole file system.
    pub(crate) fn count_free(&self, blocks: i64, inodes: i64) -> Result<()> {
        let mut sb = self.superblock()?;
        sb.set_free_blocks(sb.free_blocks().saturating_add_signed(blocks));
        let free = u64::from(sb.free_inodes()).saturating_add_signed(inodes);
        sb.set_free_inodes(u32::try_from(free).unwrap_or(u32::MAX));
        self.put_superblock(sb)
    }

    /// An error where fewer blocks are free.
    pub(crate) fn must_have_free(&self, blocks: u64) -> Result<()> {
        let free = self.superblock()?.free_blocks();
        if free < blocks { Err(Error::NoSpaceLeftOnDevice) } else { Ok(()) }
    }

    /// Notes that a group is no longer marked as never used.
    pub(crate) fn note_initialised(&self) {
        self.group_initialised.store(true, Ordering::Relaxed);
    }

    /// Whether that happened since the last call.
    pub(crate) fn take_initialised(&self) -> bool {
        self.group_initialised.swap(false, Ordering::Relaxed)
    }
}
