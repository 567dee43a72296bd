//! Free disk space.

use std::path::Path;

use super::error::{Result, SourceError};

/// Bytes available to this user on the disk of `dir`; `None` if the system does not report it.
pub(crate) fn free(dir: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let stat = rustix::fs::statvfs(dir).ok()?;
        stat.f_bavail.checked_mul(stat.f_frsize)
    }
    #[cfg(windows)]
    fs4::available_space(dir).ok()
}

/// Fails if fewer than `need` bytes are free in `dir`. `what` is a gerund with the file's name.
pub(crate) fn require(dir: &Path, need: u64, what: &str) -> Result<()> {
    match free(dir) {
        Some(free) if free < need => Err(SourceError::NoSpace { what: what.to_owned(), need, free }),
        _ => Ok(()),
    }
}

/// The error of a failed write; a full disk has its own kind.
pub(crate) fn write_failed(error: std::io::Error, dir: &Path, what: &str, need: u64) -> SourceError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return SourceError::NoSpace { what: what.to_owned(), need, free: free(dir).unwrap_or(0) };
    }
    SourceError::Io { what: what.to_owned(), source: error }
}
