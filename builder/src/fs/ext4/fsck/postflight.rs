//! Post-flight: the checks of pre-flight again, after the last write, over the image as it was written.
//!
//! What did not change is as sound as it was. So only what changed is looked at, where it was noted what that was; that is
//! not so where a journal was replayed, and where more was changed than is kept: then all of it is.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::changed::{self, Both, Finding};
use super::preflight::{self, Sound};
use super::superblock::{self, Purpose};
use crate::disk::Window;
use crate::fs::ext4::io::changes::Recorder;
use crate::fs::ext4::io::device::Device;
use crate::fs::ext4::io::runtime::FixedRuntime;
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::{FsError, Result};

/// Opens the file system anew, read-only, and checks all that was changed: these places, and what belongs to these inodes.
pub(crate) fn check(
    window: &Window,
    now: i64,
    sound: Option<Sound>,
    recorder: &Recorder,
    changed: &[Range<u64>],
    edited: BTreeSet<u32>,
) -> Result<()> {
    let checked = open(Device::read_only(window.clone()), now).and_then(|after| {
        let known = sound.map_or(Err(Finding::Unknown), |sound| {
            what_changed(window, &after, sound, recorder, changed, edited)
        });
        match known {
            Ok(()) => Ok(()),
            Err(Finding::Unsound(error)) => Err(error),
            Err(Finding::Unknown) => preflight::check(&after, Purpose::Write).map(drop),
        }
    });
    checked.map_err(|error| FsError::Corrupt {
        what: format!("after editing: {}", describe(&error)),
        hint: Some("this is a bug in hcimage: discard the output, and please report it"),
    })
}

/// Checks what was changed.
fn what_changed(
    window: &Window,
    after: &Volume,
    sound: Sound,
    recorder: &Recorder,
    changed: &[Range<u64>],
    edited: BTreeSet<u32>,
) -> std::result::Result<(), Finding> {
    let earlier = recorder.earlier().ok_or(Finding::Unknown)?;
    let before = open(Device::of_earlier(window.clone(), earlier), after.now())?;
    let touched = recorder.new_content().chain(changed.iter().cloned());
    changed::check(&Both { before: &before, after }, sound.claims, edited, touched)
}

fn open(device: Device, now: i64) -> Result<Volume> {
    let device = Arc::new(device);
    let sb = superblock::check(device.as_ref(), Purpose::Write)?;
    let runtime = Arc::new(FixedRuntime::new(now, &sb.uuid));
    Ok(Volume::new(device, sb, runtime))
}

/// The finding without its fix, which is another one here.
fn describe(error: &FsError) -> String {
    match error {
        FsError::Corrupt { what, .. } | FsError::Dirty { what, .. } => what.clone(),
        error => error.to_string(),
    }
}
