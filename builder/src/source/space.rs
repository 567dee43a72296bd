//! How much room a disk has.

use std::path::Path;

use super::error::{Result, SourceError};

/// Bytes free for us on the disk of `dir`; `None` where the system does not tell.
pub(crate) fn free(dir: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let stat = rustix::fs::statvfs(dir).ok()?;
        stat.f_bavail.checked_mul(stat.f_frsize)
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        None
    }
}

/// Refuses work that needs `need` bytes in `dir` where fewer are free. `what` is a gerund with the file's name.
pub(crate) fn require(dir: &Path, need: u64, what: &str) -> Result<()> {
    match free(dir) {
        Some(free) if free < need => Err(SourceError::NoSpace { what: what.to_owned(), need, free }),
        _ => Ok(()),
    }
}

/// A write that failed, with "the disk is full" told from the rest.
pub(crate) fn write_failed(error: std::io::Error, dir: &Path, what: &str, need: u64) -> SourceError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return SourceError::NoSpace { what: what.to_owned(), need, free: free(dir).unwrap_or(0) };
    }
    SourceError::Io { what: what.to_owned(), source: error }
}
