//! Why a chart cannot be had.

use crate::exit_class::{Classified, ExitClass};
use crate::images::ImageError;
use crate::source::SourceError;

/// The result of obtaining a chart.
pub type Result<T> = std::result::Result<T, ChartError>;

/// Each kind tells which chart it was about.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// It is damaged, or Helm would not install it.
    #[error("chart {release}: {problem}")]
    Invalid {
        /// The name of the release.
        release: String,
        /// The problem, and the fix.
        problem: String,
    },
    /// It could not be fetched or read.
    #[error("chart {release}")]
    Source {
        /// The name of the release.
        release: String,
        /// The cause.
        #[source]
        source: Box<SourceError>,
    },
    /// Its registry does not give it out.
    #[error("chart {release}")]
    Registry {
        /// The name of the release.
        release: String,
        /// The cause.
        #[source]
        source: Box<ImageError>,
    },
}

impl ChartError {
    pub(super) fn invalid(release: &str, problem: impl Into<String>) -> Self {
        Self::Invalid { release: release.to_owned(), problem: problem.into() }
    }

    pub(super) fn of(release: &str) -> impl Fn(SourceError) -> Self + '_ {
        move |source| Self::Source { release: release.to_owned(), source: Box::new(source) }
    }
}

impl Classified for ChartError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Invalid { .. } => Some(ExitClass::BadInput),
            Self::Source { source, .. } => source.class(),
            Self::Registry { source, .. } => source.class(),
        }
    }
}
