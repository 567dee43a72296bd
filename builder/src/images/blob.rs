//! A piece of an image, which has its digest for a name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::local_file;
use crate::source::digest::Sha256Digest;

/// The longest index, manifest or configuration in bytes. containerd reads manifests of up to 8 MiB; real ones have kilobytes.
pub(super) const DOCUMENT_LIMIT: u64 = 4 << 20;

/// A blob, and where its bytes are. They are compared with the digest whenever they are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    /// The digest that its bytes must have.
    pub(super) digest: Sha256Digest,
    /// Size in bytes.
    pub(super) size: u64,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// From this offset of a file on, in bytes.
    File(PathBuf, u64),
    Memory(Vec<u8>),
}

impl Blob {
    /// A blob that is a file, or lies in one from `offset` on.
    pub(super) fn in_file(digest: Sha256Digest, path: &Path, offset: u64, size: u64) -> Self {
        Self { digest, size, place: Place::File(path.into(), offset) }
    }

    /// A small blob.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { digest: Sha256Digest::of(&bytes), size, place: Place::Memory(bytes) }
    }

    /// The file that is the whole blob, where there is one.
    pub(super) fn into_path(self) -> Option<PathBuf> {
        match self.place {
            Place::File(path, 0) => Some(path),
            Place::File(..) | Place::Memory(_) => None,
        }
    }

    /// Its bytes, from the first on.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        match &self.place {
            Place::Memory(bytes) => Ok(Box::new(bytes.as_slice())),
            Place::File(path, offset) => Ok(Box::new(open_at(path, *offset)?.take(self.size))),
        }
    }

    /// The bytes of a small blob, verified.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        if self.size > DOCUMENT_LIMIT {
            let problem = format!("{} bytes, expected at most {DOCUMENT_LIMIT}", self.size);
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        if Sha256Digest::of(&bytes) != self.digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its bytes do not match its digest"));
        }
        Ok(bytes)
    }
}

/// A regular file, from an offset on.
pub(super) fn open_at(path: &Path, offset: u64) -> io::Result<File> {
    let mut file = local_file::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(file)
}
