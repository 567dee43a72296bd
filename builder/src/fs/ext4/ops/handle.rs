//! An opened file system, as the operations see it.

use std::cell::{Ref, RefCell};
use std::sync::Arc;

use fs_ext4::Filesystem;

use super::changed_dirs::ChangedDirs;
use crate::disk::Window;
use crate::fs::ext4::error::convert;
use crate::fs::ext4::fsck::preflight::Sound;
use crate::fs::ext4::io::device::Device;
use crate::fs::ext4::io::runtime::FixedRuntime;
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::ext4::volume::directory::linear::LinearIndex;
use crate::fs::{Result, Space};

/// An ext4 file system in a partition of an image.
///
/// Dropping it without [`FileSystem::finish`](crate::fs::FileSystem::finish) leaves the image half-written.
pub struct Ext4 {
    /// The crate's view, for what this code leaves to it. Both use the same device, and the crate is told what it
    /// would not notice.
    pub(crate) fs: RefCell<Filesystem>,
    pub(crate) volume: Volume,
    pub(crate) names: RefCell<LinearIndex>,
    pub(crate) window: Window,
    pub(crate) writable: bool,
    pub(crate) changed_dirs: ChangedDirs,
    /// What is known of the file system as it was opened; none where not all of it was checked, or a journal was replayed.
    pub(crate) sound: Option<Sound>,
}

impl Ext4 {
    pub(crate) fn new(
        mut fs: Filesystem,
        device: Arc<Device>,
        runtime: Arc<FixedRuntime>,
        window: Window,
        writable: bool,
    ) -> Self {
        // The image is a temporary file: a journal would only write everything twice.
        fs.journal = None;
        // Without the crate's own cache, which would not see what is written past it.
        fs.dev = device.clone();
        let volume = Volume::new(device, fs.sb.clone(), runtime);
        Self {
            fs: RefCell::new(fs),
            volume,
            names: RefCell::default(),
            window,
            writable,
            changed_dirs: ChangedDirs::default(),
            sound: None,
        }
    }

    /// The crate's view.
    pub(crate) fn fs(&self) -> Ref<'_, Filesystem> {
        self.fs.borrow()
    }

    /// Lets the crate read the groups again, where it takes one for never used that is in use now.
    pub(crate) fn tell_crate(&self) -> fs_ext4::error::Result<()> {
        if self.volume.take_initialised() { self.fs.borrow_mut().fresh_read() } else { Ok(()) }
    }

    /// Cuts a file to `size` bytes.
    pub(crate) fn truncate(&self, inode: u32, size: u64) -> fs_ext4::error::Result<()> {
        self.volume.note_structures(inode)?;
        self.fs().apply_truncate_ino(inode, size)?;
        self.volume.seal_extents(inode)
    }

    /// What is free now; the numbers of the opened file system are those of the beginning.
    pub(crate) fn free(&self) -> Result<Space> {
        let counted = if self.writable {
            self.volume.superblock().map(|sb| (sb.free_blocks(), sb.free_inodes()))
        } else {
            // Those of the superblock may be out of date.
            self.volume.free_in_groups()
        };
        let (blocks, inodes) = counted.map_err(|error| convert(error, "reading what is free"))?;
        let bytes = blocks.saturating_mul(u64::from(self.block_size()));
        Ok(Space { bytes, inodes: inodes.into() })
    }

    /// The volume's name; empty if it has none.
    pub fn label(&self) -> &str {
        &self.volume.sb.volume_name
    }

    /// The volume's UUID, as bytes in the order in which it is printed.
    pub fn uuid(&self) -> [u8; 16] {
        self.volume.sb.uuid
    }

    /// The file system's size in bytes, which may be less than the partition's.
    pub fn size_bytes(&self) -> u64 {
        self.volume.sb.filesystem_bytes().unwrap_or(u64::MAX)
    }

    /// When the file system was last written, in seconds since 1970 (`s_wtime`; the crate reads its low 32 bits).
    pub fn written(&self) -> i64 {
        self.volume.sb.wtime.into()
    }

    /// Bytes in a block.
    pub fn block_size(&self) -> u32 {
        self.volume.sb.block_size()
    }
}
