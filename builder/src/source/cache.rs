//! The cache directory for downloads and unpacked images, shared by all clusters of a user.
//!
//! ```text
//! downloads/<digest of the address>-<name>.partial   incomplete, resumed next time
//! files/<SHA-256>/<name>                             complete and verified
//! images/<SHA-256 of the compressed file>.<size>.img unpacked
//! images/<SHA-256>.unpacking                         being unpacked
//! <file>.verified                                    what the file looked like when its bytes were verified
//! made/<key>                                         what was made from others, see `made.rs`
//! locks/<name>                                       held while an entry is created
//! ```
//! A file gets its final name only when it is complete, verified and synced. Directories have mode 0700 and complete files
//! 0400; links and files of other owners are refused.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::digest::Sha256Digest;
use super::error::{IoContext, Result, SourceError};
use super::url::SourceUrl;
use super::{private, record};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::user_dirs;

/// The cache. Its directories are created on first use; who uses nothing of it leaves nothing behind.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// Held from the first use of an entry to the end of the program, so that nobody removes what is being used.
    held: Arc<Mutex<Option<CacheLock>>>,
}

/// The lock of the whole cache.
const WHOLE: &str = "cache";

/// Held while an entry is created; other builds wait. The system releases it with the process.
#[derive(Debug)]
pub(crate) struct CacheLock(#[expect(dead_code, reason = "held for its drop")] File);

impl Cache {
    /// The cache in the directory `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), held: Arc::default() }
    }

    /// The user's cache: `$HCIMAGE_CACHE`, otherwise `hcimage` in the system's directory for caches.
    pub fn of_user() -> Result<Self> {
        let root = user_dirs::cache(|name| std::env::var_os(name)).ok_or_else(|| SourceError::Missing {
            what: "the directory for cached downloads".into(),
            hint: "set HCIMAGE_CACHE to a directory with a few gigabytes of disk space".into(),
        })?;
        Ok(Self::at(root))
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

    /// The directory of incomplete files, which is there after this.
    pub(crate) fn downloads(&self, progress: &dyn Progress, interrupt: &Interrupt) -> Result<PathBuf> {
        self.hold(progress, interrupt)?;
        self.make_dirs()?;
        Ok(self.root.join("downloads"))
    }

    fn lock_path(&self, key: &str) -> PathBuf {
        self.root.join("locks").join(key)
    }

    /// The directories, each the user's own.
    fn make_dirs(&self) -> Result<()> {
        private::make_root(&self.root)?;
        for dir in ["downloads", "files", "images", "locks"] {
            private::make_dir(&self.root.join(dir))?;
        }
        tag(&self.root);
        Ok(())
    }

    /// Removes what runs that were killed left: images that were being unpacked, and downloads that nobody has gone on with
    /// for a week.
    pub(crate) fn clear_leftovers(&self, progress: &dyn Progress) -> Result<()> {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
        if self.root.symlink_metadata().is_err() {
            return Ok(());
        }
        self.make_dirs()?;
        let removed = |path: &Path| {
            progress.message(&format!("removed {}, which an interrupted run left", path.display()));
        };
        for (dir, ending) in [("images", ".unpacking"), ("downloads", ".partial")] {
            let dir = self.root.join(dir);
            for entry in std::fs::read_dir(&dir).context("reading the directory", &dir)? {
                let path = entry.context("reading the directory", &dir)?.path();
                let name = path.file_name().and_then(|name| name.to_str());
                let Some(key) = name.and_then(|name| name.strip_suffix(ending)) else { continue };
                let is_left = if ending == ".unpacking" {
                    // Whoever unpacks holds this lock.
                    let lock = private::open_or_create(&self.lock_path(&format!("{key}.img")))?;
                    lock.try_lock().is_ok()
                } else {
                    let changed = path.symlink_metadata().and_then(|found| found.modified());
                    let age = changed.ok().and_then(|time| SystemTime::now().duration_since(time).ok());
                    age.is_some_and(|age| age > WEEK)
                };
                if is_left {
                    private::remove(&path)?;
                    removed(&path);
                }
            }
        }
        Ok(())
    }

    /// Opens a complete file of which `sha256` is known, if it is there and unchanged since that was verified.
    pub(crate) fn unchanged(path: &Path, sha256: &Sha256Digest) -> Result<Option<File>> {
        let Some(file) = private::open(path)? else { return Ok(None) };
        Ok(record::holds(path, &file, sha256)?.then_some(file))
    }

    /// Waits until no other process creates the entry `key`.
    pub(crate) fn lock(
        &self,
        key: &str,
        progress: &dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<CacheLock> {
        self.hold(progress, interrupt)?;
        self.wait_for(key, File::try_lock, progress, interrupt)
    }

    /// Waits until nobody uses the cache, and keeps others from it.
    pub(crate) fn lock_alone(&self, progress: &dyn Progress, interrupt: &Interrupt) -> Result<CacheLock> {
        self.wait_for(WHOLE, File::try_lock, progress, interrupt)
    }

    /// Keeps [`Cache::lock_alone`] of other processes waiting. Any number of builds may do so together.
    fn hold(&self, progress: &dyn Progress, interrupt: &Interrupt) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = Some(self.wait_for(WHOLE, File::try_lock_shared, progress, interrupt)?);
        }
        Ok(())
    }

    fn wait_for(
        &self,
        key: &str,
        try_lock: fn(&File) -> std::result::Result<(), TryLockError>,
        progress: &dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<CacheLock> {
        self.make_dirs()?;
        let path = self.lock_path(key);
        let file = private::open_or_create(&path)?;
        let mut waiting = None;
        loop {
            match try_lock(&file) {
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
    // Never through a link that has the name, nor in a file's place.
    if let Ok(mut file) = File::options().write(true).create_new(true).open(root.join("CACHEDIR.TAG")) {
        let _ = file.write_all(b"Signature: 8a477f597d28d172789f06886806bc55\n# hcimage's cache\n");
    }
}

/// Renames a complete and verified file to its final name, durably, and notes what it looks like.
pub(crate) fn publish(file: &Path, name: &Path, sha256: &Sha256Digest) -> Result<()> {
    let dir = name.parent().unwrap_or(Path::new("."));
    private::make_dir(dir)?;
    let opened = File::open(file).context("opening", file)?;
    private::make_read_only(&opened).context("protecting", file)?;
    std::fs::rename(file, name).context("renaming to", name)?;
    sync_dir(dir).context("syncing", dir)?;
    record::write(name, &opened, sha256)
}

/// Makes a rename in `dir` survive a power cut. Systems other than Unix do it with the file.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn root(variables: &[(&str, &str)]) -> Option<PathBuf> {
        user_dirs::cache(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
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

    #[test]
    fn what_is_used_is_kept_until_the_end_and_nothing_is_made_before() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("cache");
        let (user, cleaner) = (Cache::at(&root), Cache::at(&root));
        user.clear_leftovers(&Silent).unwrap();
        assert!(!root.exists());
        drop(user.lock("a", &Silent, &Interrupt::new()).unwrap());
        let interrupt = Interrupt::new();
        interrupt.raise();
        assert!(matches!(cleaner.lock_alone(&Silent, &interrupt), Err(SourceError::Interrupted(_))));
        drop(user);
        cleaner.lock_alone(&Silent, &Interrupt::new()).unwrap();
    }
}
