//! Errors of obtaining inputs, one kind for each reaction of the caller.

use std::io;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;

use super::expected::ExpectedDigest;
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
        /// The operation, in the gerund, with the file's name.
        what: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A server could not be reached, or the connection ended, in all attempts.
    #[error("fetching {url}")]
    Network {
        /// The address.
        url: String,
        /// The cause of the last failure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server's response is not the file.
    #[error("fetching {url}: the server answered {status}")]
    Status {
        /// The address.
        url: String,
        /// The status, such as 404 Not Found.
        status: StatusCode,
    },
    /// The server's response is invalid.
    #[error("fetching {url}: {problem}")]
    BadAnswer {
        /// The address.
        url: String,
        /// The problem.
        problem: String,
    },
    /// The user's input is not a valid address, version and so on.
    #[error("{what}: {problem}")]
    Invalid {
        /// The input.
        what: String,
        /// The problem, and what is accepted.
        problem: String,
    },
    /// A required local file is missing.
    #[error("{what}: not found; {hint}")]
    Missing {
        /// The file.
        what: String,
        /// The files found instead, and the fix.
        hint: String,
    },
    /// The file is intact, but its format is not supported.
    #[error("{file}: {what} is not supported; {hint}")]
    Unsupported {
        /// The file.
        file: String,
        /// Its format.
        what: String,
        /// What is accepted.
        hint: String,
    },
    /// The bytes do not match the checksum.
    #[error("{} has {}, but {} says {}; {}", .0.file, .0.actual, .0.promised_by, .0.expected, .0.hint)]
    WrongDigest(Box<Wrong<ExpectedDigest>>),
    /// The size of the file does not match, in bytes.
    #[error("{} has {} bytes, but {} says {}; {}", .0.file, .0.actual, .0.promised_by, .0.expected, .0.hint)]
    WrongSize(Box<Wrong<u64>>),
    /// An input does not match its entry in the lock file.
    #[error(
        "{name} does not match {lock}: expected {what} {locked}, found {found}; \
        if you want this change, remove the entry \"{name}\" from {lock} and build again"
    )]
    LockMismatch {
        /// The entry's name.
        name: String,
        /// The lock file.
        lock: String,
        /// Which value differs, such as "sha256".
        what: &'static str,
        /// The locked value.
        locked: String,
        /// The actual value.
        found: String,
    },
    /// The lock has no entry, and must not get one.
    #[error(
        "{name} is not in {lock}, and --locked lets nothing new in; build once without --locked, and look at what is added"
    )]
    NotLocked {
        /// The entry's name.
        name: String,
        /// The lock file.
        lock: String,
    },
    /// It is not in the cache, and the network is not to be used.
    #[error("{url} is not in the cache, and --offline uses no network; run it once without --offline")]
    Offline {
        /// The address.
        url: String,
    },
    /// A checksum file or lock file is invalid, contradicts itself or does not list the file.
    #[error("{file}: {problem}")]
    BadRecord {
        /// The file or address.
        file: String,
        /// The problem and the fix.
        problem: String,
    },
    /// A compressed file is truncated, or its checksums do not match.
    #[error("unpacking {file}: {problem} (after {unpacked} bytes); fetch the file again")]
    Damaged {
        /// The file.
        file: String,
        /// The problem.
        problem: String,
        /// Bytes unpacked before the error.
        unpacked: u64,
    },
    /// There is too little disk space.
    #[error(
        "{what}: not enough disk space: {need} bytes needed, {free} bytes free; free disk space, or set HCIMAGE_CACHE to a directory on another disk"
    )]
    NoSpace {
        /// The operation, in the gerund, with the file's name.
        what: String,
        /// Bytes needed at least.
        need: u64,
        /// Bytes free.
        free: u64,
    },
    /// Bytes in the cache are not those that were fetched.
    #[error(
        "{count} entries of the cache were damaged: they are fetched again when they are needed; check the disk"
    )]
    DamagedCache {
        /// How many.
        count: usize,
    },
    /// The user interrupted the program.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// A file with an unexpected property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong<T> {
    /// The file or address.
    pub file: String,
    /// The actual value.
    pub actual: T,
    /// The expected value.
    pub expected: T,
    /// The source of the expected value.
    pub promised_by: String,
    /// The fix.
    pub hint: &'static str,
}

impl Classified for SourceError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::WrongDigest(_)
            | Self::WrongSize(_)
            | Self::LockMismatch { .. }
            | Self::BadRecord { .. }
            | Self::Damaged { .. }
            | Self::DamagedCache { .. } => Some(ExitClass::BadInput),
            Self::Unsupported { .. } => Some(ExitClass::Unsupported),
            Self::Network { .. } => Some(ExitClass::Unreachable),
            _ => None,
        }
    }
}

impl SourceError {
    /// Whether the server answered "not found".
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: StatusCode::NOT_FOUND, .. })
    }
}

/// Adds the operation to an I/O error.
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
