//! Errors of image detection.

use crate::disk::DiskError;
use crate::exit_class::{Classified, ExitClass};
use crate::fs::FsError;

/// Why an image is unusable or not supported.
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
        /// The cause.
        #[source]
        source: FsError,
    },
    /// A required partition is missing or ambiguous.
    #[error("unknown partition layout: expected {expected}; found {found}")]
    Layout {
        /// The partitions found.
        found: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// The system is not supported.
    #[error("unsupported system: found {found}; supported: {supported}")]
    System {
        /// The system found.
        found: String,
        /// What is accepted.
        supported: &'static str,
    },
    /// The system is supported, but has an unsupported feature.
    #[error("{what} is not supported: {hint}")]
    Unsupported {
        /// The feature.
        what: String,
        /// What is accepted.
        hint: String,
    },
    /// A required file is missing or not valid text.
    #[error("{path} in the image: {problem}")]
    File {
        /// The path inside the image.
        path: String,
        /// The problem.
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
