//! What our own writing knows of a file system: its blocks, its geometry and its checksums.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fs_ext4::block_io::BlockDevice;
use fs_ext4::checksum::{Checksummer, linux_crc32c};
use fs_ext4::error::{Error, Result};
use fs_ext4::superblock::{SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE, Superblock};

use super::bytes::{get_u32, get_u64_split, put_u32, put_u64_split};
use super::device::Device;
use super::runtime::FixedRuntime;

/// Places in the [superblock](https://docs.kernel.org/filesystems/ext4/super.html).
const FREE_BLOCKS: (usize, usize) = (0x0c, 0x158);
const FREE_INODES: usize = 0x10;
const CHECKSUM: usize = 0x3fc;

/// A file system that is being written.
pub(super) struct Volume {
    pub(super) device: Arc<Device>,
    /// As it was when the file system was opened: what never changes is read from it.
    pub(super) sb: Superblock,
    pub(super) csum: Checksummer,
    pub(super) runtime: Arc<FixedRuntime>,
    /// Where content is read to; kept, because small files are many.
    pub(super) piece: RefCell<Vec<u8>>,
    /// Whether a group was taken into use for the first time, which the crate must be told.
    woken: AtomicBool,
}

impl Volume {
    pub(super) fn new(device: Arc<Device>, sb: Superblock, runtime: Arc<FixedRuntime>) -> Self {
        let csum = Checksummer::from_superblock(&sb);
        Self { device, sb, csum, runtime, piece: RefCell::default(), woken: AtomicBool::new(false) }
    }

    /// Bytes in a block.
    pub(super) fn block_size(&self) -> usize {
        usize::try_from(self.sb.block_size()).unwrap_or(usize::MAX)
    }

    pub(super) fn read_block(&self, block: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.block_size()];
        self.device.read_at(self.place(block)?, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn write_block(&self, block: u64, bytes: &[u8]) -> Result<()> {
        self.device.write_at(self.place(block)?, bytes)
    }

    /// Where a block lies, in bytes. Blocks outside of the file system are refused: a number came from the disk.
    pub(super) fn place(&self, block: u64) -> Result<u64> {
        let inside = block < self.sb.blocks_count;
        let place = block.checked_mul(u64::from(self.sb.block_size()));
        place.filter(|_| inside).ok_or(Error::Corrupt("a block number outside of the file system"))
    }

    /// Where something in a block lies, in bytes.
    pub(super) fn place_in(&self, block: u64, at: usize) -> Result<u64> {
        Ok(self.place(block)?.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)))
    }

    /// Changes the counts of free blocks and inodes of the whole file system.
    pub(super) fn count_free(&self, blocks: i64, inodes: i64) -> Result<()> {
        let mut sb = vec![0; SUPERBLOCK_SIZE];
        self.device.read_at(SUPERBLOCK_OFFSET, &mut sb)?;
        let free = get_u64_split(&sb, FREE_BLOCKS.0, FREE_BLOCKS.1);
        put_u64_split(&mut sb, FREE_BLOCKS.0, Some(FREE_BLOCKS.1), free.saturating_add_signed(blocks));
        let free = u64::from(get_u32(&sb, FREE_INODES)).saturating_add_signed(inodes);
        put_u32(&mut sb, FREE_INODES, u32::try_from(free).unwrap_or(u32::MAX));
        if self.csum.enabled {
            let sum = linux_crc32c(!0, sb.get(..CHECKSUM).unwrap_or_default());
            put_u32(&mut sb, CHECKSUM, sum);
        }
        self.device.write_at(SUPERBLOCK_OFFSET, &sb)
    }

    /// Refuses where fewer blocks are free.
    pub(super) fn must_have_free(&self, blocks: u64) -> Result<()> {
        let mut sb = vec![0; SUPERBLOCK_SIZE];
        self.device.read_at(SUPERBLOCK_OFFSET, &mut sb)?;
        let free = get_u64_split(&sb, FREE_BLOCKS.0, FREE_BLOCKS.1);
        if free < blocks { Err(Error::NoSpaceLeftOnDevice) } else { Ok(()) }
    }

    /// Notes that a group lost its mark of never having been used.
    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::Relaxed);
    }

    /// Whether that happened since it was last asked.
    pub(super) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }
}
