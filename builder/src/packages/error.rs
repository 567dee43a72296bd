//! Why the packages of a base cannot be had.

use crate::exit_class::{Classified, ExitClass};
use crate::source::SourceError;

/// The result of obtaining packages.
pub type Result<T> = std::result::Result<T, PackageError>;

/// Each kind tells whose packages they are.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// They do not go with the base, or an archive is damaged or not signed.
    #[error("packages for {board}: {problem}")]
    Invalid {
        /// The name of the board.
        board: String,
        /// The problem, and the fix.
        problem: String,
    },
    /// Something could not be fetched or read.
    #[error("packages for {board}")]
    Source {
        /// The name of the board.
        board: String,
        /// The cause.
        #[source]
        source: Box<SourceError>,
    },
}

impl PackageError {
    pub(super) fn invalid(board: &str, problem: impl Into<String>) -> Self {
        Self::Invalid { board: board.to_owned(), problem: problem.into() }
    }

    pub(super) fn of(board: &str) -> impl Fn(SourceError) -> Self + '_ {
        move |source| Self::Source { board: board.to_owned(), source: Box::new(source) }
    }
}

impl Classified for PackageError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Invalid { .. } => Some(ExitClass::BadInput),
            Self::Source { source, .. } => source.class(),
        }
    }
}
