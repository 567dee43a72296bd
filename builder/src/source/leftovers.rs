//! Temporary files of runs that were killed: whoever makes one holds a lock on it, and one that nobody holds is left over.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::private::is_own;
use crate::progress::Progress;

/// Holds a file or directory while it is made. Where the system has no locks on it, it is never taken for left over.
pub(crate) fn hold(file: &File) {
    let _ = file.try_lock();
}

/// Removes what is left over in a directory, and tells. `is_temporary` decides by the name. What cannot be removed stays:
/// it is no reason not to build.
pub(crate) fn clear(dir: &Path, is_temporary: impl Fn(&str) -> bool, progress: &dyn Progress) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(&is_temporary) && clear_one(&entry.path()) {
            progress.message(&format!("removed {}, which an interrupted run left", entry.path().display()));
        }
    }
}

/// Whether it was left over and is removed.
fn clear_one(path: &Path) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else { return false };
    if !is_own(&found) || !(found.is_file() || found.is_dir()) {
        return false;
    }
    let Ok(file) = File::open(path) else { return false };
    if file.try_lock().is_err() {
        return false;
    }
    let removed = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.is_ok()
}

/// A directory for the files of one run, in the system's directory for temporary files: removed when dropped, or by a later
/// run where this one is killed.
#[derive(Debug)]
pub struct RunDir {
    dir: tempfile::TempDir,
    _held: Option<File>,
}

const RUN_PREFIX: &str = "hcimage-run-";

impl RunDir {
    /// Makes one.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn new() -> std::io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(RUN_PREFIX).tempdir()?;
        // Only Unix opens directories.
        let held = File::open(dir.path()).ok();
        held.iter().for_each(hold);
        Ok(Self { dir, _held: held })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Removes those of runs that were killed.
    pub fn clear_leftovers(progress: &dyn Progress) {
        clear(&std::env::temp_dir(), |name| name.starts_with(RUN_PREFIX), progress);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn only_what_nobody_holds_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let held = File::create(at("held.partial")).unwrap();
        hold(&held);
        fs::write(at("left.partial"), "").unwrap();
        fs::write(at("other"), "").unwrap();
        fs::create_dir(at("folder.partial")).unwrap();
        fs::write(at("folder.partial/x"), "").unwrap();
        std::os::unix::fs::symlink(at("other"), at("link.partial")).unwrap();
        clear(dir.path(), |name| name.ends_with(".partial"), &Silent);
        for (name, there) in
            [("held.partial", true), ("left.partial", false), ("folder.partial", false), ("other", true)]
        {
            assert_eq!(at(name).exists(), there, "{name}");
        }
        assert!(at("link.partial").is_symlink());
        drop(held);
        clear(dir.path(), |name| name == "held.partial", &Silent);
        assert!(!at("held.partial").exists());
    }
}
