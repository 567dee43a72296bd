//! ext4 inside an image, edited in user space: no mount, no loop device, no root.
//!
//! The crate `rust-fs-ext4` does the writing. It is young, so nothing outside of this module uses its types,
//! and nothing it says is taken on trust: a file system is opened only when it is sound and made of features that
//! are known to be edited correctly, and it is checked again after the last write. The tests beside this file let
//! e2fsck, debugfs, a second implementation and the kernel judge what comes of it; `make ext4-matrix` runs them all.
//!
//! Where the crate falls short, and what is done about it here:
//!
//! - it allocates by bitmaps that it has not verified: `preflight` and `blockmap` do;
//! - it tells a lack of room as damage: `error` knows the words;
//! - it leaves the times of a directory whose names change, and of a file whose links change: `names`, `attributes`;
//! - it knows neither immutable nor append-only files: `slot`;
//! - it keeps an access control list as it is given, and apart from the permissions: `acl`, `xattr`;
//! - it says "no space" where attributes do not fit into the one block that there is for them: `xattr`;
//! - it writes neither files with block maps nor into preallocated blocks of a deep tree of extents: both are
//!   refused, and what was there stays.

mod acl;
mod attributes;
mod bits;
mod blockmap;
mod bytes;
mod cache;
mod changes;
mod content;
mod device;
mod dir;
mod dirs;
mod error;
mod extents;
mod features;
mod group;
pub mod grow;
mod inode;
mod inodes;
mod journal;
mod links;
mod moving;
mod names;
mod need;
mod node;
mod owning;
mod postflight;
mod preflight;
mod read;
mod remove;
mod resolve;
mod runtime;
#[cfg(test)]
mod scratch;
mod slot;
mod space;
#[cfg(test)]
mod tests;
mod volume;
mod write;
mod xattr;

use std::cell::{Ref, RefCell};
use std::io::{Read, Write};
use std::sync::Arc;

use fs_ext4::Filesystem;

use self::device::Device;
use self::dir::Names;
use self::error::convert;
use self::names::ChangedDirs;
use self::preflight::Purpose;
use self::resolve::Last;
use self::runtime::FixedRuntime;
use self::volume::Volume;
use super::{Attributes, Entry, FileSystem, FsError, ImagePath, Kind, Result, Source, Space, Stat};
use crate::disk::Window;

pub use self::attributes::{Metadata, Time};
pub use self::changes::Changes;
pub use self::need::{Content, Need, Planned};

/// How a file system is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ext4Options {
    /// The time that new inodes and changed ones are given, in seconds since 1970.
    pub now: i64,
    /// Whether it will be written to. If not, no byte of the image can change.
    pub writable: bool,
    /// Whether a journal that needs recovery is replayed when the file system is to be written to, instead of being
    /// refused. One that is damaged is refused all the same, and then no byte has changed.
    pub replay: bool,
}

/// What cleans up after an unclean end.
const SETTLE: &str = "boot it once and shut it down, or settle a copy of its partition with `e2fsck -fy`";

/// An ext4 file system in a partition of an image.
///
/// Dropping it without [`FileSystem::finish`] leaves the image half-written.
pub struct Ext4 {
    /// The crate's view, for what this code leaves to it. Both see the same device, and the crate is told of
    /// what it would not notice.
    fs: RefCell<Filesystem>,
    volume: Volume,
    names: RefCell<Names>,
    window: Window,
    writable: bool,
    changed_dirs: ChangedDirs,
}

impl Ext4 {
    /// Opens the file system that begins at the beginning of `window`.
    ///
    /// Refused are features that are not known to be handled correctly, a file system that was not cleanly
    /// unmounted or is larger than its partition, and, when it is to be written to, one in which anything is
    /// damaged. Nothing is written before all of this is known.
    pub fn open(window: Window, options: Ext4Options) -> Result<Self> {
        let Ext4Options { now, writable, replay } = options;
        let purpose = if writable { Purpose::Write } else { Purpose::Read };
        let reader = Arc::new(Device::read_only(window.clone()));
        if writable && replay && preflight::needs_recovery(reader.as_ref())? {
            return Self::open_replayed(window, now);
        }
        let sb = preflight::superblock(reader.as_ref(), purpose)?;
        let runtime = Arc::new(FixedRuntime::new(now, &sb.uuid));
        let opened = Self::new(mount(&reader, &runtime)?, reader, runtime.clone(), window.clone(), false);
        preflight::mounted(&opened.fs(), &opened.volume, purpose)?;
        if !writable {
            return Ok(opened);
        }
        drop(opened);
        let device = Arc::new(Device::writable(window.clone()));
        Ok(Self::new(mount(&device, &runtime)?, device, runtime, window, true))
    }

    /// As [`Ext4::open`] for writing, with the journal replayed in memory before pre-flight looks at anything.
    fn open_replayed(window: Window, now: i64) -> Result<Self> {
        let reader = Device::read_only(window.clone());
        let sb = preflight::superblock(&reader, Purpose::Replay)?;
        let runtime = Arc::new(FixedRuntime::new(now, &sb.uuid));
        let device = journal::replayed(&window, &runtime)?;
        let opened = Self::new(mount(&device, &runtime)?, device, runtime, window, true);
        preflight::mounted(&opened.fs(), &opened.volume, Purpose::Write)?;
        opened.volume.device.release().map_err(|error| convert(error, "writing the image"))?;
        Ok(opened)
    }

    fn new(
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
        }
    }

    /// As [`FileSystem::finish`], and returns what was changed since it was opened.
    pub fn finish_with_changes(self) -> Result<Changes> {
        let block_size = self.block_size();
        if !self.writable {
            return Ok(Changes { block_size, ..Changes::default() });
        }
        self.stamp_dirs().map_err(|error| convert(error, "setting the time of directories"))?;
        let Self { fs, volume, window, .. } = self;
        fs.into_inner().finish().map_err(|error| convert(error, "finishing the file system"))?;
        let writing = |error| convert(error, "writing the image");
        volume.device.write_out().map_err(writing)?;
        postflight::check(window.clone(), volume.now())?;
        let recorder = volume.device.take_recorder().map_err(writing)?;
        let tables = volume.inode_tables().map_err(|error| convert(error, "reading the groups"))?;
        recorder
            .finish(&window, block_size, &tables)
            .map_err(|source| FsError::Io { what: "comparing what was changed".to_owned(), source })
    }

    /// The crate's view.
    fn fs(&self) -> Ref<'_, Filesystem> {
        self.fs.borrow()
    }

    /// Lets the crate read the groups anew where it holds one for never used that is in use now.
    fn tell_crate(&self) -> fs_ext4::error::Result<()> {
        if self.volume.take_woken() { self.fs.borrow_mut().fresh_read() } else { Ok(()) }
    }

    /// Cuts a file to `size` bytes.
    fn truncate(&self, inode: u32, size: u64) -> fs_ext4::error::Result<()> {
        self.fs().apply_truncate_ino(inode, size)?;
        self.volume.seal_extents(inode)
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

/// Lets the crate open `device`. On a writable one it would replay a journal, which pre-flight has ruled out.
fn mount(device: &Arc<Device>, runtime: &Arc<FixedRuntime>) -> Result<Filesystem> {
    Filesystem::mount_with_runtime(device.clone(), runtime.clone())
        .map_err(|error| convert(error, "opening the file system"))
}

impl FileSystem for Ext4 {
    fn stat(&self, path: &ImagePath) -> Result<Option<Stat>> {
        self.stat_path(path)
    }

    fn resolve(&self, path: &ImagePath) -> Result<ImagePath> {
        self.place(path, Last::Follow)?.path()
    }

    fn read_link(&self, path: &ImagePath) -> Result<String> {
        let node = self.existing(path, Last::Keep, Some(Kind::Symlink))?;
        resolve::Tree::target(&self.tree(), node.inode)
    }

    fn list(&self, path: &ImagePath) -> Result<Vec<Entry>> {
        self.list_dir(path)
    }

    fn copy_to(&self, path: &ImagePath, out: &mut dyn Write) -> Result<u64> {
        self.copy_file(path, out)
    }

    fn read(&self, path: &ImagePath, limit: u64) -> Result<Vec<u8>> {
        self.read_file(path, limit)
    }

    fn create_dirs(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        self.make_dirs(path, attributes)
    }

    fn write(&self, path: &ImagePath, content: &mut dyn Read, attributes: Attributes) -> Result<u64> {
        self.write_file(path, &mut Source::streamed(content), attributes)
    }

    fn write_sized(
        &self,
        path: &ImagePath,
        content: &mut dyn Read,
        len: u64,
        attributes: Attributes,
    ) -> Result<()> {
        self.write_file(path, &mut Source::sized(content, len), attributes).map(drop)
    }

    fn symlink(&self, path: &ImagePath, target: &str, attributes: Attributes) -> Result<()> {
        self.make_symlink(path, target, attributes)
    }

    fn remove(&self, path: &ImagePath) -> Result<()> {
        self.remove_name(path)
    }

    fn set_attributes(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        self.set_path_attributes(path, attributes)
    }

    fn space(&self) -> Result<Space> {
        self.free()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        (*self).finish_with_changes().map(drop)
    }
}
