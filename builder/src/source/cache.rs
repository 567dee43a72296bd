//! The cache directory for downloads and unpacked images, shared by all clusters of a user.
//!
//! ```text
//! downloads/<digest of the address>-<name>.partial   incomplete, resumed next time
//! files/<SHA-256>/<name>                             complete and verified
//! images/<SHA-256 of the compressed file>.<size>.img unpacked; the size reveals a truncated file
//! locks/<name>                                       held while an entry is created
//! ```
//! A file gets its final name only when it is complete, verified and synced.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::digest::Sha256Digest;
use super::error::{IoContext, Result, SourceError};
use super::url::SourceUrl;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// The cache. Its directories are created on first use.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// Held while an entry is created; other builds wait. The system releases it with the process.
#[derive(Debug)]
pub(crate) struct CacheLock(#[expect(dead_code, reason = "held for its drop")] File);

impl Cache {
    /// The cache in the directory `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The user's cache: `$HCIMAGE_CACHE`, otherwise `hcimage` in the system's directory for caches.
    pub fn of_user() -> Result<Self> {
        let root = root_from(|name| std::env::var_os(name)).ok_or_else(|| SourceError::Missing {
            what: "the directory for cached downloads".into(),
            hint: "set HCIMAGE_CACHE to a directory with a few gigabytes of disk space".into(),
        })?;
        Ok(Self { root })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a verified file.
    pub(crate) fn file(&self, digest: &Sha256Digest, name: &str) -> PathBuf {
        self.root.join("files").join(digest.to_string()).join(name)
    }

    /// The path of an incomplete download. The address is part of the name: two publishers may use the same file name.
    pub(crate) fn partial(&self, url: &SourceUrl, name: &str) -> PathBuf {
        let mut key = Sha256Digest::of(url.to_string().as_bytes()).to_string();
        key.truncate(16);
        self.root.join("downloads").join(format!("{key}-{name}.partial"))
    }

    /// The directory of unpacked images.
    pub(crate) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Waits until no other process creates the entry `key`.
    pub(crate) fn lock(
        &self,
        key: &str,
        progress: &dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<CacheLock> {
        let path = self.root.join("locks").join(key);
        make_parent(&path)?;
        tag(&self.root);
        let file = File::options().create(true).append(true).open(&path).context("opening", &path)?;
        let mut waiting = None;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(CacheLock(file)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(e).context("locking", &path),
            }
            waiting.get_or_insert_with(|| {
                progress.start("waiting for another hcimage that uses the cache", None)
            });
            interrupt.check()?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Backup programs skip directories with this file (<https://bford.info/cachedir/>). It is optional.
fn tag(root: &Path) {
    let path = root.join("CACHEDIR.TAG");
    if !path.exists() {
        let _ = std::fs::write(path, "Signature: 8a477f597d28d172789f06886806bc55\n# hcimage's cache\n");
    }
}

/// Creates the parent directory of `path`.
pub(crate) fn make_parent(path: &Path) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).context("making the directory", dir)
}

/// Renames a complete file to its final name, durably.
pub(crate) fn publish(file: &Path, name: &Path) -> Result<()> {
    make_parent(name)?;
    std::fs::rename(file, name).context("renaming to", name)?;
    let dir = name.parent().unwrap_or(Path::new("."));
    sync_dir(dir).context("syncing", dir)
}

/// Makes a rename in `dir` survive a power cut. Systems other than Unix do it with the file.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// The cache directory, from the environment. Relative paths in XDG variables are ignored, as specified by XDG.
fn root_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(root) = path("HCIMAGE_CACHE") {
        return Some(root);
    }
    let caches = if cfg!(windows) {
        path("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        path("HOME").map(|home| home.join("Library/Caches"))
    } else {
        let xdg = path("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        xdg.or_else(|| path("HOME").map(|home| home.join(".cache")))
    };
    caches.map(|caches| caches.join("hcimage"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn root(variables: &[(&str, &str)]) -> Option<PathBuf> {
        root_from(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn the_environment_sets_the_cache_directory() {
        let home = ("HOME", "/home/u");
        assert_eq!(root(&[home]), Some("/home/u/.cache/hcimage".into()));
        assert_eq!(root(&[home, ("XDG_CACHE_HOME", "/c")]), Some("/c/hcimage".into()));
        assert_eq!(root(&[home, ("XDG_CACHE_HOME", "c")]), Some("/home/u/.cache/hcimage".into()));
        assert_eq!(root(&[home, ("HCIMAGE_CACHE", "/d"), ("XDG_CACHE_HOME", "/c")]), Some("/d".into()));
        assert_eq!(root(&[home, ("HCIMAGE_CACHE", "")]), Some("/home/u/.cache/hcimage".into()));
        assert_eq!(root(&[]), None);
    }

    #[test]
    fn a_lock_excludes_and_can_be_interrupted() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let interrupt = Interrupt::new();
        let held = cache.lock("a", &Silent, &interrupt).unwrap();
        cache.lock("b", &Silent, &interrupt).unwrap();
        interrupt.raise();
        assert!(matches!(cache.lock("a", &Silent, &interrupt), Err(SourceError::Interrupted(_))));
        drop(held);
        cache.lock("a", &Silent, &Interrupt::new()).unwrap();
    }
}
