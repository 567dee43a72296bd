//! All inputs of a project in one file, and a build from such a file.

use std::path::{Path, PathBuf};

use crate::images;
use crate::source::bundle;
use crate::source::inventory::{CacheEntry, Kind};
use crate::source::lock::Lock;

use super::{Project, Session, SessionError, Sources};

/// A bundle that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vendored {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// How many inputs are in it.
    pub files: usize,
}

impl Session {
    /// Obtains all inputs of a project that are fetched, and writes them as the file `out`. Files of this machine that the project
    /// names are not in it.
    ///
    /// # Errors
    /// [`SessionError::BundleExists`] where `out` is there and may not be replaced; else as [`Session::preview`].
    pub fn vendor(
        &self,
        project: &Project,
        sources: &Sources,
        out: &Path,
        overwrite: bool,
    ) -> Result<Vendored, SessionError> {
        if !overwrite && out.symlink_metadata().is_ok() {
            return Err(SessionError::BundleExists { path: out.to_owned() });
        }
        let prepared = self.prepare(project, sources)?;
        let lock = Lock::load(&sources.lock)?;
        let needs = images::needs(self.cx().cache, [&lock]);
        // What was made from others, such as the archive of all container images, is made again.
        let is_needed =
            |entry: &CacheEntry| matches!(entry.kind, Kind::File(digest) if needs.contains_key(&digest));
        let entries: Vec<CacheEntry> = self.cx().cache.entries()?.into_iter().filter(is_needed).collect();
        let size = bundle::write(&self.cx(), &entries, &lock.to_text()?, out)?;
        drop(prepared);
        Ok(Vendored { path: out.to_owned(), size, files: entries.len() })
    }

    /// Takes the inputs of a bundle into the cache; each is used only where a lock has its digest.
    ///
    /// # Errors
    /// When the bundle cannot be read or is damaged.
    pub fn take_bundle(&self, path: &Path) -> Result<(), SessionError> {
        let new = bundle::import(&self.cx(), path)?;
        self.cx().progress.message(&format!("{new} files of {} are new in the cache", path.display()));
        Ok(())
    }
}
