//! Reading and writing files so that an error names the file and a power cut leaves the old or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};

/// Reads a text file; `None` when it is not there.
///
/// # Errors
/// When it is there and cannot be read, or is not UTF-8.
pub(crate) fn read_optional(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("reading {}", path.display())),
    }
}

/// Writes a file under a temporary name beside it, syncs it and renames it into place.
///
/// Missing directories are made. `mode` is the permission bits, not narrowed by the umask.
///
/// # Errors
/// When a directory cannot be made or the file cannot be written.
pub(crate) fn write_atomic(path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
    replace(path, mode, bytes).with_context(|| format!("writing {}", path.display()))
}

fn replace(path: &Path, mode: u32, bytes: &[u8]) -> std::io::Result<()> {
    let dir = path.parent().ok_or(ErrorKind::InvalidInput)?;
    fs::create_dir_all(dir)?;
    let mut name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_os_string();
    name.push(".new");
    let temporary = dir.join(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(dir)?.sync_all()
}
