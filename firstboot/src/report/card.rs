//! The report on the FAT partition, where any computer can read it.

use std::path::{Path, PathBuf};

use super::End;
use crate::durable;
use crate::mounts;
use crate::sys::System;

/// The name of the report on the FAT partition.
pub const STATUS_FILE: &str = "hcimage-status.txt";

/// Where bases mount their FAT partition, for when the seed cannot say.
const USUAL_FOLDERS: [&str; 3] = ["/boot/firmware", "/boot", "/boot/efi"];

/// Where the FAT partition most likely is mounted.
pub fn guess_folder(sys: &dyn System) -> Option<PathBuf> {
    USUAL_FOLDERS.iter().map(PathBuf::from).find(|folder| mounts::at(sys, folder).is_some())
}

/// Writes the report and its last line to the card. The reason where it cannot: no failure of the node, but a person should know.
pub fn publish(sys: &dyn System, folder: &Path, text: &str, end: End) -> Result<(), String> {
    let shown = folder.display();
    let mount = mounts::at(sys, folder).ok_or_else(|| format!("no {STATUS_FILE}: {shown} is not mounted"))?;
    if mount.read_only {
        return Err(format!("no {STATUS_FILE}: {shown} is mounted read-only"));
    }
    // CRLF for the simplest editors of other systems.
    let text = format!("{text}\n{}\n", end.sentinel()).replace('\n', "\r\n");
    let path = folder.join(STATUS_FILE);
    durable::replace(sys, &path, text.as_bytes(), 0o644)
        .map_err(|e| format!("writing {}: {e}", path.display()))
}
