//! A file system as it was found: read as far as it can be, whatever state it is in, and never written.

use std::sync::Arc;

use fs_ext4::block_io::BlockDevice;

use super::error::convert;
use super::fsck::superblock::{self, Purpose};
use super::fsck::{journal, preflight};
use super::io::device::Device;
use super::io::runtime::FixedRuntime;
use super::layout::error_record::ErrorRecord;
use super::layout::features::{NEEDS_RECOVERY, ORPHAN_PRESENT};
use super::layout::superblock::{CLEAN, HAS_ERRORS, PLACE, RawSuperblock, SIZE};
use super::ops::handle::Ext4;
use super::volume::mount::mount;
use crate::disk::Window;
use crate::fs::{FsError, Result};

/// The state of the journal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JournalState {
    /// Nothing is in it that is not in its place.
    Empty,
    /// The power was cut while it was mounted; it was replayed in memory.
    Replayed,
    /// It cannot be replayed, with the reason: the file system is read without it.
    NotReplayed(String),
}

/// What was found.
pub struct Examined {
    /// For reading.
    pub fs: Ext4,
    /// The state of the journal.
    pub journal: JournalState,
    /// Whether it was unmounted.
    pub unmounted: bool,
    /// Whether the kernel has set the error flag.
    pub has_errors: bool,
    /// The errors that the kernel has noted.
    pub errors: ErrorRecord,
    /// The first damage; none too where deleted files were open at the power cut, since then only e2fsck can tell damage from
    /// that.
    pub damage: Option<FsError>,
}

impl Ext4 {
    /// Opens the file system that begins at the beginning of `window`, in whatever state it is, and checks all of it.
    ///
    /// # Errors
    /// Where it has no ext4, one that is not understood, or one that is too damaged to be read.
    pub fn examine(window: Window) -> Result<Examined> {
        let reader = Arc::new(Device::read_only(window.clone()));
        let sb = superblock::check(reader.as_ref(), Purpose::Examine)?;
        let raw = read_raw(reader.as_ref())?;
        let runtime = Arc::new(FixedRuntime::new(0, &sb.uuid));
        let (device, journal) = if sb.feature_incompat & NEEDS_RECOVERY == 0 {
            (reader, JournalState::Empty)
        } else {
            match journal::replayed_to_read(&window, &runtime) {
                Ok(device) => (device, JournalState::Replayed),
                Err(error) => (reader, JournalState::NotReplayed(error.to_string())),
            }
        };
        let replayed = read_raw(device.as_ref())?;
        let errors = [raw.errors(), replayed.errors()].into_iter().max_by_key(|errors| errors.count);
        let fs = Self::new(mount(&device, &runtime)?, device, runtime, window, false);
        let has_orphans = replayed.last_orphan() != 0 || replayed.features().has_ro_compat(ORPHAN_PRESENT);
        let damage = match journal {
            JournalState::NotReplayed(_) => None,
            _ if has_orphans => None,
            _ => preflight::check(&fs.volume, Purpose::Write).err(),
        };
        Ok(Examined {
            fs,
            journal,
            unmounted: raw.state() & CLEAN != 0,
            has_errors: raw.state() & HAS_ERRORS != 0,
            errors: errors.unwrap_or_default(),
            damage,
        })
    }
}

fn read_raw(device: &Device) -> Result<RawSuperblock> {
    let mut bytes = [0; SIZE];
    device.read_at(PLACE, &mut bytes).map_err(|error| convert(error, "reading the superblock"))?;
    Ok(RawSuperblock(bytes))
}
