//! What can be wrong with an image as a disk.

use std::io;

use super::units::ByteSize;
use crate::exit_class::{Classified, ExitClass};

/// The result of reading or changing a partition table.
pub type Result<T> = std::result::Result<T, DiskError>;

/// Each kind says what was found and, where there is one, the fix.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The image could not be read or written.
    #[error("{what}")]
    Io {
        /// What was being done, in the gerund.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file does not begin like a disk.
    #[error("not a disk image with a partition table, but {found}{}", advice(hint))]
    NotAnImage {
        /// What the first bytes look like.
        found: String,
        /// How to get an image from it.
        hint: Option<&'static str>,
    },
    /// The table is sound, but of a kind that is not edited here.
    #[error("{what} is not supported")]
    Unsupported {
        /// The feature, by its name.
        what: String,
    },
    /// The table contradicts itself.
    #[error("the partition table is damaged: {what}{}", advice(hint))]
    Corrupt {
        /// The structure, and what was found.
        what: String,
        /// The command that fixes it.
        hint: Option<&'static str>,
    },
    /// The table describes more than the file has.
    #[error(
        "the image is truncated: {what} ends at {end} bytes, but the image has {size}; download it again"
    )]
    Truncated {
        /// What lies outside, for example `partition 2`.
        what: String,
        /// Where it ends, in bytes from the beginning of the image.
        end: u64,
        /// Size of the image in bytes.
        size: u64,
    },
    /// The size asked for cannot be had.
    #[error("the image cannot be grown to {}: {problem}", ByteSize(*size))]
    BadSize {
        /// The size asked for, in bytes.
        size: u64,
        /// Why not.
        problem: String,
    },
}

fn advice(hint: &Option<&'static str>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

impl DiskError {
    /// For `map_err`: an I/O error with what was being done.
    pub(super) fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), hint: None }
    }

    pub(super) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

impl Classified for DiskError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::NotAnImage { .. } | Self::Unsupported { .. } | Self::BadSize { .. } => {
                Some(ExitClass::Unsupported)
            }
            Self::Corrupt { .. } | Self::Truncated { .. } => Some(ExitClass::BadInput),
            Self::Io { .. } => None,
        }
    }
}
