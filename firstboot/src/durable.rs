//! Replacing a file so that after a power cut it has either the old or the new content.

use std::io;
use std::path::Path;

use crate::sys::System;

/// Writes a temporary file in the same directory, syncs it, renames it and syncs the directory. A temporary file left by
/// a power cut is overwritten.
pub(crate) fn replace(sys: &dyn System, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".new");
    let new = dir.join(name);
    sys.write(&new, content, mode)?;
    sys.sync_file(&new)?;
    sys.rename(&new, path)?;
    sys.sync_dir(dir)
}
