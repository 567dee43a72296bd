//! The directories whose time is to be set when the file system is finished.

use std::collections::BTreeSet;
use std::sync::Mutex;

use fs_ext4::error::{Error, Result};

/// Directories whose names have changed, by inode.
#[derive(Debug, Default)]
pub(crate) struct ChangedDirs(Mutex<BTreeSet<u32>>);

impl ChangedDirs {
    pub(crate) fn change<T>(&self, with: impl FnOnce(&mut BTreeSet<u32>) -> T) -> Result<T> {
        let mut dirs = self.0.lock().map_err(|_| Error::Corrupt("a thread failed while writing"))?;
        Ok(with(&mut dirs))
    }
}
