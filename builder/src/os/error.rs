//! Why an image cannot be used.

use crate::disk::DiskError;
use crate::exit_class::{Classified, ExitClass};
use crate::fs::FsError;

/// What is wrong with an image, or what of it we do not know.
#[derive(Debug, thiserror::Error)]
pub enum OsError {
    /// The partition table is unusable.
    #[error("reading the partition table")]
    Disk(#[from] DiskError),
    /// A file system is unusable.
    #[error("in the {role} partition")]
    Fs {
        /// `root` or `boot`.
        role: &'static str,
        /// What is wrong.
        #[source]
        source: FsError,
    },
    /// No partition, or more than one, could be the one that is needed.
    #[error("the partition layout is not known: {found}; expected {expected}")]
    Layout {
        /// The partitions that are there.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// The system inside is none that we know.
    #[error("the system is not known: found {found}; supported are {supported}")]
    System {
        /// What the image says of itself.
        found: String,
        /// What would be accepted.
        supported: &'static str,
    },
    /// The system is known, but has something that we cannot edit.
    #[error("{what} is not supported: {hint}")]
    Unsupported {
        /// What was found.
        what: String,
        /// What would be accepted.
        hint: String,
    },
    /// A file that must be there is missing or not readable as text.
    #[error("{path} in the image: {problem}")]
    File {
        /// The path inside the image.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Classified for OsError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Layout { .. } | Self::System { .. } | Self::Unsupported { .. } => {
                Some(ExitClass::Unsupported)
            }
            Self::File { .. } => Some(ExitClass::BadInput),
            Self::Disk(_) | Self::Fs { .. } => None,
        }
    }
}
