//! The crate's view of a device.

use std::sync::Arc;

use fs_ext4::Filesystem;

use crate::fs::Result;
use crate::fs::ext4::error::convert;
use crate::fs::ext4::io::device::Device;
use crate::fs::ext4::io::runtime::FixedRuntime;

/// Lets the crate open `device`. On a writable one it replays a journal, which pre-flight has ruled out before.
pub(crate) fn mount(device: &Arc<Device>, runtime: &Arc<FixedRuntime>) -> Result<Filesystem> {
    Filesystem::mount_with_runtime(device.clone(), runtime.clone())
        .map_err(|error| convert(error, "opening the file system"))
}
