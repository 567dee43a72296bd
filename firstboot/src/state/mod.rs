//! The durable state: the progress of the first boot, in `/var/lib/hcimage/state.json`.
//!
//! It is written before and after each phase. A missing state and a damaged one are different: treating damage as
//! missing would set up the node a second time.

mod store;

use serde::{Deserialize, Serialize};

use crate::overrides::Overrides;
use crate::phase_error::Failure;

pub(crate) use store::advice;
pub use store::{Loaded, load, parse, save};

/// The path of the state on the node.
pub const STATE_PATH: &str = "/var/lib/hcimage/state.json";

/// Once this file exists, the first boot is finished; the unit's condition checks it.
pub const FINISHED_PATH: &str = "/var/lib/hcimage/finished";

/// The supported version of the format.
pub const VERSION: u32 = 2;

/// The progress of the first boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Always [`VERSION`].
    pub version: u32,
    /// SHA-256 of the seed of this state, in lowercase hex.
    pub seed_sha256: String,
    /// True from just before the start of k3s: from here on another seed is rejected.
    pub committed: bool,
    /// The status.
    pub outcome: Outcome,
    /// The user's overrides in `hcimage.toml`, as last read before the start of k3s.
    pub overrides: Overrides,
    /// The blank disk that is being formatted. Kept until its label appears, because a partial file system is no longer
    /// blank.
    pub formatting: Option<String>,
    /// Whether k3s had no datastore here when it was started for the first time: all that is in it now is of this run.
    #[serde(default)]
    pub fresh_datastore: bool,
    /// SHA-256 of the authority for servers' certificates that this card has brought, before the first start of k3s.
    #[serde(default)]
    pub server_ca: Option<String>,
    /// The etcd member of an earlier installation of this node that was removed.
    #[serde(default)]
    pub removed_member: Option<String>,
    /// The other nodes, as this one has last asked for them.
    #[serde(default)]
    pub nodes: Vec<OtherNode>,
    /// Notes about the whole run.
    pub notes: Vec<String>,
    /// The started phases, in order.
    pub phases: Vec<Record>,
}

/// The status of the first boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Running, or interrupted.
    Running,
    /// The node is Ready.
    Ready,
    /// Failed; the next boot tries again.
    Failed(Failure),
}

/// The phases, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// The machine meets the requirements of k3s.
    Host,
    /// Host name, machine ID and host keys.
    Identity,
    /// The root file system fills its disk.
    Root,
    /// An address without conflict, and a default route.
    Network,
    /// The clock.
    Clock,
    /// Disks that something in the cluster takes whole.
    RawDisks,
    /// The data disk and its directories.
    DataDisk,
    /// The files from the builder are intact.
    Bundle,
    /// There is disk space for the images that k3s unpacks.
    DiskSpace,
    /// dpkg has installed the packages.
    Packages,
    /// A server accepts the node.
    Join,
    /// k3s runs and is enabled.
    K3s,
    /// The node is Ready.
    Ready,
    /// containerd has all container images that are on the card.
    Images,
    /// All nodes of the cluster have joined.
    Nodes,
    /// Manifests, charts and deployments are complete.
    Workloads,
    /// The output of `k3s check-config` is saved.
    Check,
    /// Secrets that are no longer needed are removed.
    Secrets,
    /// The final report and the marker.
    Finish,
}

impl PhaseName {
    /// The name in reports.
    pub fn text(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Identity => "identity",
            Self::Root => "root",
            Self::Network => "network",
            Self::Clock => "clock",
            Self::RawDisks => "raw disks",
            Self::DataDisk => "data disk",
            Self::Bundle => "bundle",
            Self::DiskSpace => "disk space",
            Self::Packages => "packages",
            Self::Join => "join",
            Self::K3s => "k3s",
            Self::Ready => "ready",
            Self::Images => "images",
            Self::Nodes => "nodes",
            Self::Workloads => "workloads",
            Self::Check => "check",
            Self::Secrets => "secrets",
            Self::Finish => "finish",
        }
    }
}

/// The record of a started phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The phase.
    pub name: PhaseName,
    /// The status.
    pub status: Status,
    /// Its duration in seconds, in the last boot in which it ran.
    pub seconds: u64,
    /// Its current action.
    pub progress: Option<String>,
    /// Notes for the report.
    pub notes: Vec<String>,
}

/// Another node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherNode {
    /// Its name, or the address under which it is joined.
    pub name: String,
    /// Whether it is Ready; none where this node does not ask, or has not asked yet.
    pub ready: Option<bool>,
}

/// The status of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Started; also after a power cut.
    Running,
    /// Verified.
    Done,
    /// Failed; it stopped the run.
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
            fresh_datastore: false,
            server_ca: None,
            removed_member: None,
            nodes: Vec::new(),
            notes: Vec::new(),
            phases: Vec::new(),
        }
    }

    /// The record of a phase; `None` before it was started.
    pub fn record(&self, name: PhaseName) -> Option<&Record> {
        self.phases.iter().find(|record| record.name == name)
    }

    /// The record of a phase; a new one is [`Status::Running`].
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
