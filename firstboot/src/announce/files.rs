//! Files that another program reads while it runs: replaced as a whole, and not made durable, since the next boot needs none.

use std::io;
use std::path::Path;

use crate::sys::System;

/// Where what is only for this boot lies.
pub(super) const RUN_DIR: &str = "/run/hcimage";

/// Writes a file beside its place and renames it. One that already says this is left alone.
pub(super) fn replace(sys: &dyn System, path: &str, text: &str) -> io::Result<bool> {
    if sys.read(Path::new(path)).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(false);
    }
    let new = format!("{path}.new");
    sys.write(Path::new(&new), text.as_bytes(), 0o644)?;
    sys.rename(Path::new(&new), Path::new(path))?;
    Ok(true)
}

/// Removes a file. Whether it was there.
pub(super) fn remove(sys: &dyn System, path: &str) -> io::Result<bool> {
    match sys.remove(Path::new(path)) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
