//! The report on the FAT partition, where any computer can read it.

use std::path::{Path, PathBuf};

use super::ReportStatus;
use crate::durable;
use crate::mounts;
use crate::sys::System;

/// The name of the report on the FAT partition.
pub const STATUS_FILE: &str = "hcimage-status.txt";

/// Where bases mount their FAT partition, for when the seed cannot say.
const USUAL_DIRS: [&str; 3] = ["/boot/firmware", "/boot", "/boot/efi"];

/// Where the FAT partition most likely is mounted.
pub fn guess_dir(sys: &dyn System) -> Option<PathBuf> {
    USUAL_DIRS.iter().map(PathBuf::from).find(|dir| mounts::at(sys, dir).is_some())
}

/// Writes the report and its last line to the card. An error is the reason in words: the node works, but a person should know.
pub fn publish(sys: &dyn System, dir: &Path, text: &str, end: ReportStatus) -> Result<(), String> {
    let shown = dir.display();
    let mount = mounts::at(sys, dir).ok_or_else(|| format!("no {STATUS_FILE}: {shown} is not mounted"))?;
    if mount.read_only {
        return Err(format!("no {STATUS_FILE}: {shown} is mounted read-only"));
    }
    // CRLF for the simplest editors of other systems.
    let text = format!("{text}\n{}\n", end.sentinel()).replace('\n', "\r\n");
    let path = dir.join(STATUS_FILE);
    durable::replace(sys, &path, text.as_bytes(), 0o644)
        .map_err(|e| format!("writing {}: {e}", path.display()))
}
