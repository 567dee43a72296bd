//! Post-flight: the checks of pre-flight again, after the last write, over the image as it was written.

use std::sync::Arc;

use super::preflight;
use super::superblock::{self, Purpose};
use crate::disk::Window;
use crate::fs::ext4::io::device::Device;
use crate::fs::ext4::io::runtime::FixedRuntime;
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::{FsError, Result};

/// Opens the file system anew, read-only, and checks all that was checked before writing.
pub(crate) fn check(window: Window, now: i64) -> Result<()> {
    sound(window, now).map_err(|error| FsError::Corrupt {
        what: format!("after editing: {}", describe(&error)),
        hint: Some("this is a bug in hcimage: discard the output, and please report it"),
    })
}

fn sound(window: Window, now: i64) -> Result<()> {
    let device = Arc::new(Device::read_only(window));
    let sb = superblock::check(device.as_ref(), Purpose::Write)?;
    let runtime = Arc::new(FixedRuntime::new(now, &sb.uuid));
    preflight::check(&Volume::new(device, sb, runtime), Purpose::Write).map(drop)
}

/// The finding without its fix, which is another one here.
fn describe(error: &FsError) -> String {
    match error {
        FsError::Corrupt { what, .. } | FsError::Dirty { what, .. } => what.clone(),
        error => error.to_string(),
    }
}
