//! Why an image cannot be had.

use std::path::Path;

use crate::exit_class::{Classified, ExitClass};
use crate::source::SourceError;

/// The result of obtaining an image.
pub type Result<T> = std::result::Result<T, ImageError>;

/// Each kind tells what it was about.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It is damaged or does not follow the specification.
    #[error("{place}: {problem}")]
    Invalid {
        /// The name of the image, or the file.
        place: String,
        /// The problem, and the fix.
        problem: String,
    },
    /// There is nothing for the node's processor in it.
    #[error(
        "{place}: no image for linux/{wanted}, found {found}; use an image that is built for {wanted}, or another board"
    )]
    NoPlatform {
        /// The name of the image, or the file.
        place: String,
        /// Of the node, such as `arm64`.
        wanted: &'static str,
        /// Of the image.
        found: String,
    },
    /// Two sources have different images of one name.
    #[error("image {name}: two different images have this name; remove one of them from the cluster file")]
    Twice {
        /// The name.
        name: String,
    },
    /// It could not be fetched or read.
    #[error("{place}")]
    Source {
        /// The name of the image, or the file.
        place: String,
        /// The cause.
        #[source]
        source: Box<SourceError>,
    },
    /// The archive could not be written.
    #[error(transparent)]
    Archive(#[from] Box<SourceError>),
}

impl From<SourceError> for ImageError {
    fn from(error: SourceError) -> Self {
        Self::Archive(Box::new(error))
    }
}

impl ImageError {
    /// What went wrong with the image of this name.
    pub(super) fn of_image(name: &str, source: SourceError) -> Self {
        Self::Source { place: format!("image {name}"), source: Box::new(source) }
    }

    /// What is wrong with a local file.
    pub(super) fn of_file(path: &Path, problem: impl Into<String>) -> Self {
        Self::Invalid { place: path.display().to_string(), problem: problem.into() }
    }
}

impl Classified for ImageError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Invalid { .. } | Self::Twice { .. } => Some(ExitClass::BadInput),
            Self::NoPlatform { .. } => Some(ExitClass::Unsupported),
            Self::Source { source, .. } => source.class(),
            Self::Archive(error) => error.class(),
        }
    }
}
