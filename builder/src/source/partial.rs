//! An incomplete download: its bytes, their digest, and the validator to detect a changed file on the server.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::digest::{Hasher, Sha256Digest};
use super::error::{IoContext, Result};
use super::sha512::{Sha512Digest, Unread};
use super::{private, space};
use crate::interrupt::Interrupt;

/// A longer ETag is not kept; the download begins anew then.
const LONGEST_VALIDATOR: u64 = 1024;

/// `<name>.partial`, with the server's validator (ETag or date) in `<name>.partial.validator`.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    length: u64,
    /// Whether some of the bytes came from an earlier run.
    inherited: bool,
}

impl Partial {
    /// Opens the file of an earlier run; without a validator it cannot be resumed and is emptied.
    pub(crate) fn open(path: &Path, interrupt: &Interrupt) -> Result<Self> {
        if let Some(dir) = path.parent() {
            private::make_dir(dir)?;
        }
        let file = private::open_or_create(path)?;
        let mut partial =
            Self { path: path.into(), file, hasher: Hasher::default(), length: 0, inherited: false };
        if partial.validator().is_some() {
            partial.digest_so_far(interrupt)?;
        } else {
            partial.restart()?;
        }
        Ok(partial)
    }

    fn digest_so_far(&mut self, interrupt: &Interrupt) -> Result<()> {
        let mut hasher = Hasher::default();
        let mut length = 0;
        let mut reader = BufReader::with_capacity(1 << 20, &self.file);
        loop {
            let bytes = std::io::BufRead::fill_buf(&mut reader).context("reading", &self.path)?;
            if bytes.is_empty() {
                break;
            }
            hasher.update(bytes);
            let n = bytes.len();
            length += n as u64;
            std::io::BufRead::consume(&mut reader, n);
            interrupt.check()?;
        }
        (self.hasher, self.length, self.inherited) = (hasher, length, length > 0);
        Ok(())
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether some of the bytes came from an earlier run.
    pub(crate) fn inherited(&self) -> bool {
        self.inherited
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn validator_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".validator");
        path.into()
    }

    /// The server's validator of the version that these bytes belong to.
    pub(crate) fn validator(&self) -> Option<String> {
        let mut text = String::new();
        let file = private::open(&self.validator_path()).ok().flatten()?;
        file.take(LONGEST_VALIDATOR).read_to_string(&mut text).ok()?;
        Some(text).filter(|text| !text.is_empty())
    }

    /// Starts again from zero, for the version of `validator`.
    pub(crate) fn restart_as(&mut self, validator: Option<&str>) -> Result<()> {
        self.restart()?;
        let path = self.validator_path();
        match validator {
            Some(validator) if validator.len() as u64 <= LONGEST_VALIDATOR => {
                private::create(&path)?.write_all(validator.as_bytes()).context("writing", &path)
            }
            Some(_) => Ok(()),
            None => Ok(()),
        }
    }

    /// Starts again from zero.
    pub(crate) fn restart(&mut self) -> Result<()> {
        private::remove(&self.validator_path())?;
        self.file.set_len(0).context("emptying", &self.path)?;
        self.file.rewind().context("emptying", &self.path)?;
        (self.hasher, self.length, self.inherited) = (Hasher::default(), 0, false);
        Ok(())
    }

    /// Appends received bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| {
            let what = format!("writing {}", self.path.display());
            space::write_failed(e, self.dir(), &what, bytes.len() as u64)
        })?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The digest of the bytes so far.
    pub(crate) fn digest(&self) -> Sha256Digest {
        self.hasher.clone().digest()
    }

    /// Another digest of the bytes so far, which are read once more.
    pub(crate) fn sha512(&mut self, interrupt: &Interrupt) -> Result<Sha512Digest> {
        self.file.rewind().context("reading", &self.path)?;
        match Sha512Digest::of_reader(&self.file, interrupt) {
            Ok(digest) => Ok(digest),
            Err(Unread::Io(error)) => Err(error).context("reading", &self.path),
            Err(Unread::Interrupted(error)) => Err(error.into()),
        }
    }

    /// Syncs the file and returns its path, ready to be renamed.
    pub(crate) fn complete(self) -> Result<PathBuf> {
        self.file.sync_all().context("syncing", &self.path)?;
        private::remove(&self.validator_path())?;
        Ok(self.path)
    }

    /// Deletes the bytes.
    pub(crate) fn discard(self) -> Result<()> {
        private::remove(&self.validator_path())?;
        private::remove(&self.path)
    }
}
