//! What can go wrong inside a file system of an image.

use crate::exit_class::{Classified, ExitClass};

/// The result of a file system call.
pub type Result<T> = std::result::Result<T, FsError>;

/// Each kind says what failed and where.
#[derive(Debug, thiserror::Error)]
pub enum FsError {
    /// The image could not be read or written.
    #[error("{what}")]
    Io {
        /// What was being done, in the gerund, with the file's name.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The file system is sound, but uses something that is not edited here.
    #[error("{what} is not supported")]
    Unsupported {
        /// The feature or object, by its name.
        what: String,
    },
    /// A structure on the disk contradicts itself.
    #[error("the file system is damaged: {what}{}", hint.map(|c| format!("; {c}")).unwrap_or_default())]
    Corrupt {
        /// The structure and what was found.
        what: String,
        /// The command that fixes it.
        hint: Option<&'static str>,
    },
    /// The file system is sound, but was not cleanly unmounted.
    #[error("the file system was not cleanly unmounted: {what}; {hint}")]
    Dirty {
        /// What was found.
        what: String,
        /// The command that fixes it.
        hint: &'static str,
    },
    /// Too little disk space.
    #[error("no space: {what} needs {need} bytes, {free} are free")]
    NoSpace {
        /// The file or plan.
        what: String,
        /// Bytes needed.
        need: u64,
        /// Bytes free.
        free: u64,
    },
    /// Too few inodes.
    #[error("no inodes: {what} needs {need}, {free} are free")]
    NoInodes {
        /// The file or plan.
        what: String,
        /// Inodes needed.
        need: u64,
        /// Inodes free.
        free: u64,
    },
    /// Nothing has that name.
    #[error("{path}: not found")]
    NotFound {
        /// The path inside the image.
        path: String,
    },
    /// The path names something of another kind than the call needs.
    #[error("{path}: {problem}")]
    BadPath {
        /// The path inside the image.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Classified for FsError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Unsupported { .. } => Some(ExitClass::Unsupported),
            Self::Corrupt { .. } | Self::Dirty { .. } => Some(ExitClass::BadInput),
            _ => None,
        }
    }
}
