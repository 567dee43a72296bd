//! Why an image could not be built.

use std::io;

use crate::apply::ApplyError;
use crate::disk::{ByteSize, DiskError};
use crate::exit_class::{Classified, ExitClass};
use crate::fs::FsError;
use crate::interrupt::Interrupted;
use crate::os::OsError;
use crate::output::OutputError;
use crate::plan::PlanError;
use crate::sbom::SbomError;
use crate::source::SourceError;

/// Why an image could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base cannot be used.
    #[error("in the base image {base}")]
    Base {
        /// The base, as the user knows it.
        base: String,
        /// Why not.
        #[source]
        source: OsError,
    },
    /// Board, cluster and base do not go together.
    #[error("planning for {base}")]
    Plan {
        /// The base, as the user knows it.
        base: String,
        /// Why not.
        #[source]
        source: PlanError,
    },
    /// The output cannot be made.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The base could not be copied.
    #[error(transparent)]
    Copy(#[from] SourceError),
    /// The bundle does not fit and the image cannot be grown.
    #[error("the bundle needs {need} on the root file system, {free} are free, and it cannot be grown")]
    Grow {
        /// What is needed.
        need: ByteSize,
        /// What is there.
        free: ByteSize,
        /// Why not.
        #[source]
        source: GrowError,
    },
    /// An edit failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// What was written does not pass the checks.
    #[error("checking what was written")]
    Check(#[source] FsError),
    /// What a card must have of the image cannot be told.
    #[error("reading what was written, for the block map")]
    Map(#[source] io::Error),
    /// What went into the image cannot be listed.
    #[error(transparent)]
    Sbom(#[from] SbomError),
    /// The user pressed Ctrl-C.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Classified for BuildError {
    /// Transparent variants are no link of their own in the chain of causes, so they speak for their cause.
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Copy(error) => error.class(),
            Self::Apply(error) => error.class(),
            Self::Base { .. }
            | Self::Plan { .. }
            | Self::Output(_)
            | Self::Grow { .. }
            | Self::Check(_)
            | Self::Map(_)
            | Self::Sbom(_)
            | Self::Interrupted(_) => None,
        }
    }
}

/// Why an image could not be grown.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// The partition cannot be made larger.
    #[error("growing the partition")]
    Partition(#[from] DiskError),
    /// The file system cannot be made larger.
    #[error("growing the file system")]
    FileSystem(#[from] FsError),
    /// The image cannot be read again after it was grown.
    #[error("reading the grown image")]
    Reread(#[source] OsError),
}
