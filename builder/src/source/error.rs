//! What can go wrong while inputs are obtained, told apart by what the caller does about it.

use std::io;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;

use super::digest::Sha256Digest;
use crate::exit_class::{Classified, ExitClass};
use crate::interrupt::Interrupted;

/// The result of obtaining an input.
pub type Result<T> = std::result::Result<T, SourceError>;

/// Each kind tells what it was about.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A local file or directory could not be read or written.
    #[error("{what}")]
    Io {
        /// What was being done, in the gerund, with the file's name.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A server could not be reached, or broke off, more often than we try.
    #[error("fetching {url}")]
    Network {
        /// The address.
        url: String,
        /// Why the last try failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A server answered, but not with the file.
    #[error("fetching {url}: the server answered {status}")]
    Status {
        /// The address.
        url: String,
        /// The status, such as 404 Not Found.
        status: StatusCode,
    },
    /// A server answered with something that we do not accept.
    #[error("fetching {url}: {problem}")]
    BadAnswer {
        /// The address.
        url: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// What the user wrote is not an address, a version and so on.
    #[error("{what}: {problem}")]
    Invalid {
        /// What was written.
        what: String,
        /// What is wrong with it, and what would be accepted.
        problem: String,
    },
    /// A local file that has to be there is not.
    #[error("{what}: not found; {hint}")]
    Missing {
        /// The file.
        what: String,
        /// What was found instead, and what to do.
        hint: String,
    },
    /// The file is sound, but of a kind that we do not read.
    #[error("{file}: {what} is not supported; {hint}")]
    Unsupported {
        /// The file.
        file: String,
        /// What it is.
        what: String,
        /// What would be accepted.
        hint: String,
    },
    /// The bytes are not those that were promised.
    #[error("{} has SHA-256 {}, but {} says {}; {}", .0.file, .0.actual, .0.promised_by, .0.expected, .0.hint)]
    WrongDigest(Box<Wrong<Sha256Digest>>),
    /// The file is not as long as was promised, in bytes.
    #[error("{} has {} bytes, but {} says {}; {}", .0.file, .0.actual, .0.promised_by, .0.expected, .0.hint)]
    WrongSize(Box<Wrong<u64>>),
    /// An input is not the one that the lock file fixed.
    #[error(
        "{name} does not match {lock}: {what} is {found}, locked is {locked}; \
         if this change is wanted, remove the entry \"{name}\" from {lock} by hand and build again"
    )]
    LockMismatch {
        /// The entry's name.
        name: String,
        /// The lock file.
        lock: String,
        /// Which value differs, such as "sha256".
        what: &'static str,
        /// What the lock file says.
        locked: String,
        /// What was found.
        found: String,
    },
    /// A checksum file or lock file cannot be understood, contradicts itself or does not name the file.
    #[error("{file}: {problem}")]
    BadRecord {
        /// The file or address.
        file: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A compressed file breaks off, or its inner checks fail.
    #[error("unpacking {file}: {problem} (after {unpacked} bytes); fetch the file again")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
        /// Bytes unpacked up to there.
        unpacked: u64,
    },
    /// The disk is too full.
    #[error(
        "{what}: no space on the disk: {need} bytes are needed, {free} are free; free some, or set HCIMAGE_CACHE to a directory on another disk"
    )]
    NoSpace {
        /// What was being done, in the gerund, with the file's name.
        what: String,
        /// Bytes needed at least.
        need: u64,
        /// Bytes free.
        free: u64,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// A file that is not what was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong<T> {
    /// The file or address.
    pub file: String,
    /// What it has.
    pub actual: T,
    /// What it should have.
    pub expected: T,
    /// Who says so.
    pub promised_by: String,
    /// What to do.
    pub hint: &'static str,
}

impl Classified for SourceError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::WrongDigest(_)
            | Self::WrongSize(_)
            | Self::LockMismatch { .. }
            | Self::BadRecord { .. }
            | Self::Damaged { .. } => Some(ExitClass::BadInput),
            Self::Unsupported { .. } => Some(ExitClass::Unsupported),
            Self::Network { .. } => Some(ExitClass::Unreachable),
            _ => None,
        }
    }
}

impl SourceError {
    /// Whether the server said that there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: StatusCode::NOT_FOUND, .. })
    }
}

/// Tells what was being done when an I/O error came.
pub(crate) trait IoContext<T> {
    /// `what` in the gerund; the file's name follows it.
    fn context(self, what: &str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn context(self, what: &str, path: &Path) -> Result<T> {
        self.map_err(|source| SourceError::Io { what: format!("{what} {}", path.display()), source })
    }
}

/// The last element of a path for messages.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| PathBuf::from(path), PathBuf::from).display().to_string()
}
