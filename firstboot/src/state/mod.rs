//! The durable state: how far the first boot has come, in `/var/lib/hcimage/state.json`.
//!
//! Written before and after each phase. "Not there" and "damaged" are different answers: reading damage as
//! absence would set up the node a second time.

mod store;

use serde::{Deserialize, Serialize};

use crate::overrides::Overrides;
use crate::phase_error::Failure;

pub(crate) use store::advice;
pub use store::{Loaded, load, parse, save};

/// Where the state lies on the node.
pub const STATE_PATH: &str = "/var/lib/hcimage/state.json";

/// Once this file is there, the first boot is over for good; the unit's condition looks at it.
pub const FINISHED_PATH: &str = "/var/lib/hcimage/finished";

/// The version of the form that this program reads and writes.
pub const VERSION: u32 = 2;

/// How far the first boot has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Always [`VERSION`].
    pub version: u32,
    /// SHA-256 of the seed that this state belongs to, in lower-case hex.
    pub seed_sha256: String,
    /// True from just before k3s is started: from here on another seed is refused.
    pub committed: bool,
    /// How it stands.
    pub outcome: Outcome,
    /// What the user changed in `hcimage.toml`, as last read before k3s was started.
    pub overrides: Overrides,
    /// The blank disk that is being formatted. Kept until its label shows, because half a file system is no longer
    /// blank.
    pub formatting: Option<String>,
    /// What a person should know about the run as a whole.
    pub notes: Vec<String>,
    /// The phases that were begun, in order.
    pub phases: Vec<Record>,
}

/// How the first boot stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Under way, or interrupted.
    Running,
    /// The node is Ready.
    Ready,
    /// Stopped; the next boot tries again.
    Failed(Failure),
}

/// The phases, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// The machine can run k3s at all.
    Host,
    /// The name of the machine, and what only it may have.
    Identity,
    /// The root file system fills its disk.
    Root,
    /// An address that nobody else has, and a default route.
    Network,
    /// The time of day.
    Clock,
    /// The data disk and its directories.
    DataDisk,
    /// The files from the builder are whole.
    Bundle,
    /// There is room for what k3s unpacks.
    DiskSpace,
    /// A server lets the node in.
    Join,
    /// k3s runs and is enabled.
    K3s,
    /// The node's own Ready condition.
    Ready,
    /// All nodes of the cluster have joined.
    Nodes,
    /// What is to run in the cluster runs.
    Workloads,
    /// What k3s says about the kernel is kept.
    Check,
    /// Secrets that are no longer needed are gone.
    Secrets,
    /// The report, and never again.
    Finish,
}

impl PhaseName {
    /// As a person reads it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Identity => "identity",
            Self::Root => "root",
            Self::Network => "network",
            Self::Clock => "clock",
            Self::DataDisk => "data disk",
            Self::Bundle => "bundle",
            Self::DiskSpace => "room",
            Self::Join => "join",
            Self::K3s => "k3s",
            Self::Ready => "ready",
            Self::Nodes => "nodes",
            Self::Workloads => "workloads",
            Self::Check => "check",
            Self::Secrets => "secrets",
            Self::Finish => "finish",
        }
    }
}

/// One phase that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Which phase.
    pub name: PhaseName,
    /// How it stands.
    pub status: Status,
    /// Seconds that it took in the last boot in which it ran.
    pub seconds: u64,
    /// What it is doing or waiting for.
    pub progress: Option<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// How a phase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Begun; also what a power cut leaves behind.
    Running,
    /// Verified.
    Done,
    /// Stopped the run.
    Failed,
}

impl State {
    /// The state before the first phase.
    pub fn new(seed_sha256: String) -> Self {
        Self {
            version: VERSION,
            seed_sha256,
            committed: false,
            outcome: Outcome::Running,
            overrides: Overrides::default(),
            formatting: None,
            notes: Vec::new(),
            phases: Vec::new(),
        }
    }

    /// What is known about a phase; none before it was begun.
    pub fn record(&self, name: PhaseName) -> Option<&Record> {
        self.phases.iter().find(|record| record.name == name)
    }

    /// The record of a phase, as [`Status::Running`] where it was not begun before.
    pub(crate) fn record_mut(&mut self, name: PhaseName) -> &mut Record {
        let at = self.phases.iter().position(|record| record.name == name);
        let at = at.unwrap_or_else(|| {
            let status = Status::Running;
            self.phases.push(Record { name, status, seconds: 0, progress: None, notes: Vec::new() });
            self.phases.len().saturating_sub(1)
        });
        #[expect(clippy::indexing_slicing, reason = "found above, or the one just pushed")]
        &mut self.phases[at]
    }

    /// Whether a phase was verified, in this boot or an earlier one.
    pub fn is_done(&self, name: PhaseName) -> bool {
        self.record(name).is_some_and(|record| record.status == Status::Done)
    }
}
