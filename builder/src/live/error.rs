//! Why a cluster that runs does not have what was asked for.

use std::io;
use std::path::PathBuf;

use hc_firstboot::kube::KubeError;

use crate::exit_class::{Classified, ExitClass};
use crate::interrupt::Interrupted;

/// Why a cluster that runs does not have what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// A kubeconfig cannot be used.
    #[error("{}: {problem}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the fix.
        problem: String,
    },
    /// The kubeconfig is of another cluster than the cluster file.
    #[error(
        "{} is not the kubeconfig of the cluster {cluster}: its CA is not the one in {}; name the right one with --kubeconfig",
        kubeconfig.display(), secrets.display()
    )]
    OtherCluster {
        /// The kubeconfig.
        kubeconfig: PathBuf,
        /// The cluster in the cluster file.
        cluster: String,
        /// The secrets file.
        secrets: PathBuf,
    },
    /// The API.
    #[error("{what}")]
    Api {
        /// What was being done.
        what: String,
        /// Why not.
        #[source]
        source: KubeError,
    },
    /// A manifest cannot be applied object by object.
    #[error("{file}: {problem}")]
    Manifest {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// The nodes lack what an API cannot give them.
    #[error(
        "what these overlays need only the image of a node can have; nothing was changed:{}",
        lines(missing)
    )]
    HostNeeds {
        /// A line each.
        missing: Vec<String>,
    },
    /// k3s applies files that lie on a server.
    #[error("{problem}; nothing was changed:{}", lines(files))]
    OnDisk {
        /// What is wrong, with the fix.
        problem: String,
        /// A line for each file.
        files: Vec<String>,
    },
    /// Somebody else decides over fields.
    #[error(
        "fields are somebody else's; take them with --force-conflicts, or let the other one leave them; nothing was changed:{}",
        lines(all)
    )]
    Conflicts {
        /// A line each.
        all: Vec<String>,
    },
    /// Something is not there when the time is over.
    #[error("not there after {seconds} s; run the same again to go on:{}", lines(missing))]
    NotThere {
        /// The time.
        seconds: u64,
        /// A line each.
        missing: Vec<String>,
    },
    /// Something is not gone when the time is over.
    #[error("not gone after {seconds} s; run the same again to go on:{}", lines(left))]
    NotGone {
        /// The time.
        seconds: u64,
        /// A line each.
        left: Vec<String>,
    },
    /// Nobody knows the overlay.
    #[error("{0}")]
    Unknown(String),
    /// A file cannot be written.
    #[error("writing {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Ctrl-C.
    #[error("interrupted; run the same again to go on")]
    Interrupted,
}

/// Text of the cluster in a line becomes printable where the error is printed.
fn lines(all: &[String]) -> String {
    all.iter().map(|line| format!("\n{line}")).collect()
}

impl LiveError {
    pub(super) fn api(what: impl Into<String>) -> impl FnOnce(KubeError) -> Self {
        let what = what.into();
        move |source| Self::Api { what, source }
    }
}

impl From<Interrupted> for LiveError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl Classified for LiveError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Kubeconfig { .. } | Self::OtherCluster { .. } | Self::Unknown(_) => Some(ExitClass::Usage),
            Self::HostNeeds { .. } => Some(ExitClass::Unsupported),
            _ => None,
        }
    }
}
