//! Why an overlay cannot be used.

use std::path::PathBuf;

use crate::exit_class::{Classified, ExitClass};

/// The result of a function that can fail.
pub type Result<T> = std::result::Result<T, OverlayError>;

/// Why an overlay cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverlayError {
    /// A file or folder of it cannot be read.
    #[error("{}: {problem}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A file of it is invalid.
    #[error("{file}: {problem}")]
    Invalid {
        /// The file, such as `overlays/shop/overlay.toml`.
        file: String,
        /// Place and cause, with the fix.
        problem: String,
    },
}

impl Classified for OverlayError {
    fn class(&self) -> Option<ExitClass> {
        Some(ExitClass::Usage)
    }
}

impl OverlayError {
    pub(super) fn invalid(file: &str, problem: impl Into<String>) -> Self {
        Self::Invalid { file: file.to_owned(), problem: problem.into() }
    }
}
