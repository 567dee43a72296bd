//! The same questions after the last write: whoever wrote this must not be trusted, not even if it was us.

use std::sync::Arc;

use super::device::Device;
use super::preflight::{self, Purpose};
use super::runtime::FixedRuntime;
use super::volume::Volume;
use crate::disk::Window;
use crate::fs::{FsError, Result};

/// Reads the file system afresh, as far as the window goes, and checks all that was checked before writing.
pub(super) fn check(window: Window, now: i64) -> Result<()> {
    sound(window, now).map_err(|error| FsError::Corrupt {
        what: format!("after editing: {}", describe(&error)),
        hint: Some("this is a defect of hcimage: throw the output away, and please report it"),
    })
}

fn sound(window: Window, now: i64) -> Result<()> {
    let device = Arc::new(Device::read_only(window));
    let sb = preflight::superblock(device.as_ref(), Purpose::Write)?;
    let runtime = Arc::new(FixedRuntime::new(now, &sb.uuid));
    let fs = super::mount(&device, &runtime)?;
    preflight::mounted(&fs, &Volume::new(device, sb, runtime), Purpose::Write)
}

/// The finding without the advice, which is another one here.
fn describe(error: &FsError) -> String {
    match error {
        FsError::Corrupt { what, .. } | FsError::Dirty { what, .. } => what.clone(),
        error => error.to_string(),
    }
}
