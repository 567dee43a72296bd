//! What is in the cache, whether its bytes are right, and what can go.

use std::fs;
use std::path::{Path, PathBuf};

use super::SourceContext;
use super::cache::Cache;
use super::digest::Sha256Digest;
use super::error::{IoContext, Result};
use super::input::digest_file;
use super::{private, record};

/// What an entry of the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file that was fetched, or made from others; its bytes have this digest.
    File(Sha256Digest),
    /// The unpacked image of the packed file with this digest.
    Unpacked(Sha256Digest),
    /// A download that is not complete.
    Incomplete,
}

/// An entry of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheEntry {
    /// What it is.
    pub kind: Kind,
    /// What it was called where it came from.
    pub name: String,
    /// Bytes that it takes on the disk.
    pub size: u64,
    path: PathBuf,
}

impl CacheEntry {
    /// The digest that it goes by.
    pub fn digest(&self) -> Option<Sha256Digest> {
        match self.kind {
            Kind::File(digest) | Kind::Unpacked(digest) => Some(digest),
            Kind::Incomplete => None,
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its bytes are those of its digest. What was unpacked has none of its own: it is right while it is as it was.
    ///
    /// # Errors
    /// When it cannot be read, or the user interrupts.
    pub fn is_sound(&self, cx: &SourceContext<'_>) -> Result<bool> {
        match &self.kind {
            Kind::File(digest) => Ok(digest_file(cx, &self.path)? == *digest),
            Kind::Unpacked(digest) => Ok(Cache::unchanged(&self.path, digest)?.is_some()),
            Kind::Incomplete => Ok(true),
        }
    }

    /// Removes it.
    ///
    /// # Errors
    /// When that fails.
    pub fn remove(&self) -> Result<()> {
        record::remove(&self.path)?;
        if let (Kind::File(_), Some(dir)) = (&self.kind, self.path.parent()) {
            // Fails where another file has the same bytes, and then it stays.
            let _ = fs::remove_dir(dir);
        }
        Ok(())
    }
}

impl Cache {
    /// All entries, the largest first.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn entries(&self) -> Result<Vec<CacheEntry>> {
        let mut entries = Vec::new();
        for (name, dir) in list(&self.root().join("files"))? {
            let Ok(digest) = name.parse::<Sha256Digest>() else { continue };
            for (name, path) in list(&dir)?.into_iter().filter(|(name, _)| !name.ends_with(".verified")) {
                entries.extend(entry(Kind::File(digest), name, path)?);
            }
        }
        for (name, path) in list(&self.images())? {
            let Some(digest) = name.split('.').next().and_then(|digits| digits.parse().ok()) else {
                continue;
            };
            if name.ends_with(".img") {
                entries.extend(entry(Kind::Unpacked(digest), name, path)?);
            }
        }
        for (name, path) in list(&self.root().join("downloads"))? {
            if name.ends_with(".partial") {
                entries.extend(entry(Kind::Incomplete, name, path)?);
            }
        }
        entries.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.name.cmp(&other.name)));
        Ok(entries)
    }

    /// The bytes of a small file in the cache with this digest, whatever it is called.
    pub(crate) fn document(&self, digest: &Sha256Digest, limit: u64) -> Option<Vec<u8>> {
        let dir = self.file(digest, "x");
        let files = list(dir.parent()?).ok()?;
        let (_, path) = files.into_iter().find(|(name, _)| !name.ends_with(".verified"))?;
        crate::local_file::read(&path, limit).ok().filter(|bytes| Sha256Digest::of(bytes) == *digest)
    }
}

/// The names and paths in a directory, sorted; empty where there is none.
fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let read = match fs::read_dir(dir) {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("reading the directory", dir),
    };
    let mut names = Vec::new();
    for entry in read {
        let entry = entry.context("reading the directory", dir)?;
        names.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    names.sort();
    Ok(names)
}

/// None for what is no file, or gone by now.
fn entry(kind: Kind, name: String, path: PathBuf) -> Result<Option<CacheEntry>> {
    let Some(file) = private::open(&path)? else { return Ok(None) };
    let found = file.metadata().context("looking at", &path)?;
    Ok(Some(CacheEntry { kind, name, size: on_disk(&found), path }))
}

/// An unpacked image has holes.
#[cfg(unix)]
fn on_disk(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(found).saturating_mul(512)
}

#[cfg(not(unix))]
fn on_disk(found: &fs::Metadata) -> u64 {
    found.len()
}
