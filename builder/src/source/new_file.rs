//! A file for a node that is made here and not fetched.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use tempfile::TempPath;

use super::artifact::Artifact;
use super::digest::{Hasher, Sha256Digest};
use super::error::{IoContext, Result, SourceError};
use super::{SourceContext, cache, private, space};

/// A file that is being written into the cache. Dropped before [`NewFile::publish`] it is gone.
pub(crate) struct NewFile {
    name: String,
    path: TempPath,
    file: File,
    hasher: Hasher,
    size: u64,
}

impl NewFile {
    /// A file called `name`, of about `size` bytes. `what` is said where the disk is too small.
    pub(crate) fn create(cx: &SourceContext<'_>, name: &str, size: u64, what: &str) -> Result<Self> {
        let dir = cx.cache.downloads(cx.progress, cx.interrupt)?;
        space::require(&dir, size, what)?;
        // A name of its own, since two builds may write at once. What a killed run leaves is cleared as a download.
        let temporary = tempfile::Builder::new().prefix(name).suffix(".partial").tempfile_in(&dir);
        let (file, path) = temporary.context("making a file in", &dir)?.into_parts();
        Ok(Self { name: name.to_owned(), path, file, hasher: Hasher::default(), size: 0 })
    }

    /// The digest of what was written.
    pub(crate) fn digest_so_far(&self) -> Sha256Digest {
        self.hasher.clone().digest()
    }

    /// Gives the file its name, by its digest, as a file for nodes.
    pub(crate) fn publish(self, cx: &SourceContext<'_>, promised_by: String) -> Result<Artifact> {
        let name = self.name.clone();
        let (path, size, sha256) = self.keep(cx)?;
        Artifact::new(cx, &name, path, size, sha256, promised_by)
    }

    /// Gives the file its name, by its digest. Returns path, size and digest.
    pub(crate) fn keep(self, cx: &SourceContext<'_>) -> Result<(PathBuf, u64, Sha256Digest)> {
        let Self { name, path, file, hasher, size } = self;
        file.sync_all().context("syncing", &path)?;
        let sha256 = hasher.digest();
        let target = cx.cache.file(&sha256, &name);
        let path = path
            .keep()
            .map_err(|error| SourceError::Io { what: format!("keeping {name}"), source: error.error })?;
        cache::publish(&path, &target, &sha256).inspect_err(|_| drop(private::remove(&path)))?;
        Ok((target, size, sha256))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..n).unwrap_or_default());
        self.size = self.size.saturating_add(n as u64);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
