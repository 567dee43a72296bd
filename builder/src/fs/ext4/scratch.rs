//! Where the tests keep their images.

use tempfile::TempDir;

/// A new directory in memory where there is one, else where temporary files are: images are written and read many times.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
