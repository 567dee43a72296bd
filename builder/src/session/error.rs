//! Why a build did not come about.

use std::io;
use std::path::PathBuf;

use crate::charts::ChartError;
use crate::cluster::CgroupV1Unsupported;
use crate::exit_class::{Classified, ExitClass};
use crate::fs::FsError;
use crate::images::ImageError;
use crate::live::LiveError;
use crate::output::OutputError;
use crate::overlays::OverlayError;
use crate::packages::PackageError;
use crate::payload::NoProgram;
use crate::pipeline::BuildError;
use crate::secrets::SecretsError;
use crate::source::SourceError;
use crate::value::Hostname;

/// Why a build did not come about.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// An input could not be obtained.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A container image cannot be had.
    #[error(transparent)]
    ContainerImage(#[from] ImageError),
    /// A chart cannot be had.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// The packages of a board.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// An overlay cannot be used.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// A cluster that runs cannot get it.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// A base cannot be used, or an image cannot be made.
    #[error(transparent)]
    Build(Box<BuildError>),
    /// The cluster's secrets cannot be used, or a file with some of them cannot be written.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// An image cannot be written where it should go.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The base has a kernel setup that this k3s does not start on.
    #[error(transparent)]
    CgroupV1Unsupported(#[from] CgroupV1Unsupported),
    /// This hcimage lacks the program that goes onto the board.
    #[error(transparent)]
    NoProgram(#[from] NoProgram),
    /// There is no image to build from.
    #[error("the board {board} has no default base; name one with --base")]
    NoBase {
        /// The board.
        board: String,
    },
    /// The cluster names a board that nothing was obtained for: a fault of hcimage.
    #[error("nothing was obtained for the board {board}: this is a fault of hcimage, please report it")]
    NoInputs {
        /// The board.
        board: String,
    },
    /// A node cannot be planned.
    #[error("the node {node}")]
    Node {
        /// The node.
        node: Hostname,
        /// Why not.
        #[source]
        source: Box<BuildError>,
    },
    /// A bundle would replace a file.
    #[error("{} exists: name another file with --output, or use --overwrite", path.display())]
    BundleExists {
        /// The file.
        path: PathBuf,
    },
    /// An input was named that the lock does not have.
    #[error("the lock has no entry {name}; it has {known}")]
    NoEntry {
        /// What was asked for.
        name: String,
        /// The entries that there are.
        known: String,
    },
    /// A node was asked for that the cluster does not have.
    #[error("there is no node {name}; the cluster has {known}")]
    NoNode {
        /// What was asked for.
        name: Hostname,
        /// The names that exist, separated by commas.
        known: String,
    },
    /// Containers would pull their images.
    #[error(
        "{} of the manifests would need a registry; fix them, or set online = true (--online) where the nodes have internet:{}",
        if missing.len() == 1 { "a container" } else { "containers" },
        missing.iter().map(|line| format!("\n  {line}")).collect::<String>()
    )]
    Pulled {
        /// A line each: manifest, workload, container, image, and the fix.
        missing: Vec<String>,
    },
    /// A plan cannot be compared with its base.
    #[error("comparing with the base image")]
    Compare(#[source] FsError),
    /// The directory for the images cannot be made.
    #[error("making {path}")]
    OutputDir {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The clock of this machine shows no usable time.
    #[error("the clock of this machine is before 1970; set the clock")]
    Clock,
    /// One node alone has no secrets file.
    #[error("one node alone has no secrets file: its k3s makes the secrets on the node")]
    NoSecrets,
    /// The secrets are renewed, but not the kubeconfig.
    #[error("the secrets file has the new certificate; name another --kubeconfig and try again")]
    RotatedKubeconfig(#[source] SecretsError),
}

impl From<BuildError> for SessionError {
    fn from(error: BuildError) -> Self {
        Self::Build(Box::new(error))
    }
}

impl Classified for SessionError {
    /// Transparent variants and boxed causes are not found in the chain of causes by their type: asked here.
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Source(error) => error.class(),
            Self::ContainerImage(error) => error.class(),
            Self::Chart(error) => error.class(),
            Self::Live(error) => error.class(),
            Self::Package(error) => error.class(),
            Self::Build(error) => error.class(),
            Self::Secrets(error) => error.class(),
            Self::CgroupV1Unsupported(error) => error.class(),
            Self::Node { source, .. } => source.class(),
            Self::Overlay(_)
            | Self::NoBase { .. }
            | Self::NoNode { .. }
            | Self::NoEntry { .. }
            | Self::Pulled { .. } => Some(ExitClass::Usage),
            Self::Output(_)
            | Self::BundleExists { .. }
            | Self::NoProgram(_)
            | Self::NoInputs { .. }
            | Self::Compare(_)
            | Self::OutputDir { .. }
            | Self::Clock
            | Self::NoSecrets
            | Self::RotatedKubeconfig(_) => None,
        }
    }
}
