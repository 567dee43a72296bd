//! Opening and finishing: the checks before the first write and after the last one.

use std::sync::Arc;

use super::error::convert;
use super::fsck::superblock::{self, Purpose};
use super::fsck::{journal, postflight, preflight};
use super::io::changes::Changes;
use super::io::device::Device;
use super::io::runtime::FixedRuntime;
use super::ops::handle::Ext4;
use super::volume::blocks::Volume;
use super::volume::mount::mount;
use crate::disk::Window;
use crate::fs::{FsError, Result};

/// How a file system is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ext4Options {
    /// The time of new and changed inodes, in seconds since 1970.
    pub now: i64,
    /// Whether it will be written to. If not, no byte of the image can change.
    pub writable: bool,
    /// Whether a journal that needs recovery is replayed when the file system is opened for writing, instead of being
    /// refused. A damaged one is refused all the same, and then no byte has changed.
    pub replay: bool,
}

impl Ext4 {
    /// Opens the file system that begins at the beginning of `window`.
    ///
    /// Refused are features that are not known to be handled correctly, a file system that was not cleanly
    /// unmounted or is larger than its partition, and, for writing, one in which anything is damaged. All of this is
    /// checked before the first write.
    pub fn open(window: Window, options: Ext4Options) -> Result<Self> {
        let Ext4Options { now, writable, replay } = options;
        let purpose = if writable { Purpose::Write } else { Purpose::Read };
        let reader = Arc::new(Device::read_only(window.clone()));
        if writable && replay && superblock::needs_recovery(reader.as_ref())? {
            return Self::open_replayed(window, now);
        }
        let sb = superblock::check(reader.as_ref(), purpose)?;
        let runtime = Arc::new(FixedRuntime::new(now, &sb.uuid));
        // Before the crate opens it, whose words for damage are others.
        let sound = preflight::check(&Volume::new(reader.clone(), sb, runtime.clone()), purpose)?;
        if !writable {
            return Ok(Self::new(mount(&reader, &runtime)?, reader, runtime, window, false));
        }
        let device = Arc::new(Device::writable(window.clone()));
        let mut opened = Self::new(mount(&device, &runtime)?, device, runtime, window, true);
        opened.sound = sound;
        opened.volume.count_again().map_err(|error| convert(error, "counting what is free"))?;
        Ok(opened)
    }

    /// As [`Ext4::open`] for writing, with the journal replayed in memory before pre-flight.
    fn open_replayed(window: Window, now: i64) -> Result<Self> {
        let reader = Device::read_only(window.clone());
        let sb = superblock::check(&reader, Purpose::Replay)?;
        let runtime = Arc::new(FixedRuntime::new(now, &sb.uuid));
        let device = journal::replayed(&window, &runtime)?;
        let opened = Self::new(mount(&device, &runtime)?, device, runtime, window, true);
        preflight::check(&opened.volume, Purpose::Write)?;
        opened.volume.device.release().map_err(|error| convert(error, "writing the image"))?;
        Ok(opened)
    }

    /// As [`FileSystem::finish`](crate::fs::FileSystem::finish), and returns what was changed since it was opened.
    pub fn finish_with_changes(self) -> Result<Changes> {
        let block_size = self.block_size();
        if !self.writable {
            return Ok(Changes { block_size, ..Changes::default() });
        }
        self.stamp_dirs().map_err(|error| convert(error, "setting the time of directories"))?;
        let Self { fs, volume, window, sound, .. } = self;
        fs.into_inner().finish().map_err(|error| convert(error, "finishing the file system"))?;
        let writing = |error| convert(error, "writing the image");
        volume.device.write_out().map_err(writing)?;
        let recorder = volume.device.take_recorder().map_err(writing)?;
        let tables = volume.inode_tables().map_err(|error| convert(error, "reading the groups"))?;
        let changed = recorder
            .changed(&window)
            .map_err(|source| FsError::Io { what: "comparing what was changed".to_owned(), source })?;
        let inodes = tables.in_ranges(&changed);
        let edited = inodes.union(&volume.edited.take()).copied().collect();
        postflight::check(&window, volume.now(), sound, &recorder, &changed, edited)?;
        Ok(recorder.finish(block_size, &changed, inodes))
    }
}
