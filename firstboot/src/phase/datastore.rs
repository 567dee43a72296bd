//! The state of the cluster in a directory of the data disk, mounted where k3s has it: a card that is flashed anew finds it there.

use std::path::Path;

use hc_common::paths::{DATASTORE_FOLDER, K3S_DATASTORE_DIR};

use crate::context::Context;
use crate::mounts;
use crate::phase_error::PhaseError;
use crate::seed::DataDisk;
use crate::sys::{Command, Kind};
use crate::systemd;

/// Nobody but root. systemd, which makes the directory where the disk is there at boot, lets others read it.
const MODE: u32 = 0o700;

/// Whether the directory is root's alone, and mounted. Anything else at its place is a permanent error.
pub(super) fn is_done(cx: &Context<'_>, disk: &DataDisk, device: Option<&str>) -> Result<bool, PhaseError> {
    let dir = cx.sys.stat(&disk.mount.as_path().join(DATASTORE_FOLDER));
    let is_own = dir.is_ok_and(|dir| dir.kind == Kind::Dir && (dir.mode, dir.uid, dir.gid) == (MODE, 0, 0));
    Ok(is_mounted(cx, device)? && is_own)
}

fn is_mounted(cx: &Context<'_>, device: Option<&str>) -> Result<bool, PhaseError> {
    let Some(found) = mounts::at(cx.sys, Path::new(K3S_DATASTORE_DIR)) else { return Ok(false) };
    if device == Some(&found.device) && found.root == Path::new("/").join(DATASTORE_FOLDER) {
        return Ok(true);
    }
    let what = format!(
        "wrong file system at {K3S_DATASTORE_DIR}: expected the directory {DATASTORE_FOLDER} of the data disk, found {} of device {}",
        found.root.display(),
        found.device
    );
    Err(PhaseError::abort(what, "check /etc/fstab"))
}

/// Makes the directory on the disk, which is mounted, and mounts it by its line in `/etc/fstab`.
pub(super) fn set_up(cx: &Context<'_>, disk: &DataDisk, device: Option<&str>) -> Result<(), PhaseError> {
    cx.sys.make_owned_dir(disk.mount.as_path(), Path::new(DATASTORE_FOLDER), MODE, 0, 0).map_err(|e| {
        let what = format!("creating the directory {}/{DATASTORE_FOLDER}: {e}", disk.mount);
        PhaseError::abort(what, "remove the file with this name on the data disk, or free disk space there")
    })?;
    if is_mounted(cx, device)? {
        return Ok(());
    }
    let output = systemd::run(cx.sys, &Command::new("mount", [K3S_DATASTORE_DIR]))?;
    if output.success {
        return Ok(());
    }
    let what =
        format!("mounting the datastore at {K3S_DATASTORE_DIR}: {}", systemd::last_line(&output.stderr));
    Err(PhaseError::retry(what, format!("check the line for {K3S_DATASTORE_DIR} in /etc/fstab")))
}
