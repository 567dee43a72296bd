//! Why there is no plan.

use hc_common::network::Setting;
use hc_firstboot::seed::SeedError;

use crate::arch::Arch;
use crate::exit_class::{Classified, ExitClass};
use crate::formats::EditError;
use crate::os::NotTaken;
use crate::source::k3s_version::K3sVersion;

use super::boot::BootFaults;
use super::unsupported::Unsupported;

/// Why there is no plan for an image.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Board and image do not go together.
    #[error(
        "the board {board} needs an image for {needs} ({0}), this one is for {found} ({1}): take its publisher's image \
         for {0}, or the board that this one is for",
        needs.debian(),
        found.debian()
    )]
    Architecture {
        /// The board.
        board: String,
        /// What it runs.
        needs: Arch,
        /// What the image runs.
        found: Arch,
    },
    /// The image has something that we cannot edit.
    #[error("{what} is not supported: {hint}")]
    Unsupported {
        /// What was found.
        what: String,
        /// What would be accepted.
        hint: String,
    },
    /// A setting of the image would decide over the node's port.
    #[error("the image's own settings decide over the node's network: {0}")]
    Overruled(Setting),
    /// The image lacks something that the node needs.
    #[error(transparent)]
    Image(#[from] Unsupported),
    /// The kernel cannot do what k3s needs of it.
    #[error("the kernel {kernel} lacks modules that k3s needs: {missing}; {hint}")]
    Modules {
        /// The kernel's release.
        kernel: String,
        /// The modules, each with its reason.
        missing: String,
        /// What would help.
        hint: String,
    },
    /// The image would not boot, or not as a node.
    #[error("the image does not boot as this node")]
    Boot(#[source] BootFaults),
    /// A file of the image is not as it must be.
    #[error("editing {path} in the image")]
    Edit {
        /// The path inside the image.
        path: String,
        /// What is wrong.
        #[source]
        source: EditError,
    },
    /// A file of the image is missing or no text.
    #[error("{path} in the image is {found}, where a text file is needed")]
    NotText {
        /// The path inside the image.
        path: String,
        /// What was found.
        found: &'static str,
    },
    /// The release has a manifest of that name itself.
    #[error(
        "the manifest {file}: k3s {release} has a manifest of this name itself, and would take the objects of one of them away; \
         rename the file"
    )]
    PackagedManifest {
        /// The name of the user's file.
        file: String,
        /// The release.
        release: K3sVersion,
    },
    /// k3s would not install a chart.
    #[error("chart {release}: {problem}")]
    Chart {
        /// The name of its release.
        release: String,
        /// The problem, and the fix.
        problem: String,
    },
    /// What was asked for makes no good seed.
    #[error("making the seed for firstboot")]
    Seed(#[from] SeedError),
    /// The data disk would hide something, or is a part of the image itself.
    #[error("the data disk cannot be used: {problem}; {hint}")]
    DataDisk {
        /// What is wrong.
        problem: String,
        /// What would help.
        hint: String,
    },
    /// Two features want the same thing, each in its way.
    #[error("{what} is set twice, by {first} and by {second}: remove one of them from the cluster file")]
    Conflict {
        /// A path in the image, or a setting.
        what: String,
        /// The feature that had it first.
        first: &'static str,
        /// The feature that wanted it too.
        second: &'static str,
    },
    /// A feature reads a file that it has not named among those of interest.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
}

impl PlanError {
    pub(super) fn conflict(what: impl Into<String>, first: &'static str, second: &'static str) -> Self {
        Self::Conflict { what: what.into(), first, second }
    }
}

impl Classified for PlanError {
    fn class(&self) -> Option<ExitClass> {
        Some(match self {
            Self::Architecture { .. }
            | Self::Unsupported { .. }
            | Self::Overruled(_)
            | Self::Image(_)
            | Self::Modules { .. } => ExitClass::Unsupported,
            Self::Seed(_) | Self::DataDisk { .. } | Self::PackagedManifest { .. } | Self::Chart { .. } => {
                ExitClass::Usage
            }
            Self::Boot(_) | Self::Edit { .. } | Self::NotText { .. } => ExitClass::BadInput,
            Self::Conflict { .. } | Self::NotTaken(_) => return None,
        })
    }
}
