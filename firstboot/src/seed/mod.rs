//! The seed: what the builder hands to firstboot, in `/etc/hcimage/seed.toml` (root, 0600).
//!
//! Both crates use these types, so the two sides cannot disagree about the form. Unknown keys are errors:
//! a card written by a newer builder must not be half understood by an older firstboot.

mod check;
mod text;

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use text::SeedError;

/// The version of the schema that this crate reads and writes.
pub const SCHEMA: u32 = 1;

/// Where the seed lies on the node.
pub const SEED_PATH: &str = "/etc/hcimage/seed.toml";

/// Everything firstboot needs to know, without any secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// Always [`SCHEMA`]; another number is refused.
    pub schema: u32,
    /// The name of the node.
    pub node: Node,
    /// What to wait for on the network.
    pub network: Network,
    /// The floor of the clock and where to ask for the time.
    pub clock: Clock,
    /// The data disk, by label.
    pub data_disk: Option<DataDisk>,
    /// The k3s unit and how long its node may take to become Ready.
    pub k3s: K3s,
    /// Where a person finds the report.
    pub report: Report,
    /// Files that must be on the card exactly as the builder wrote them.
    #[serde(default)]
    pub bundle: Vec<BundleFile>,
}

/// The name of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// RFC 1123 label; also the name of the Kubernetes node.
    pub hostname: String,
}

/// What to wait for on the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The static address that was written into the image; none means DHCP.
    pub address: Option<IpAddr>,
    /// How long to wait for an address and a default route, in seconds.
    pub wait_seconds: u64,
}

/// The floor of the clock and where to ask for the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// The build time in seconds since 1970: the clock is never earlier than this.
    pub floor: u64,
    /// NTP servers as `host` or `host:port`, asked in this order; empty leaves it to the base's own time service.
    #[serde(default)]
    pub ntp: Vec<String>,
    /// How long to wait for network time, in seconds.
    pub wait_seconds: u64,
    /// Whether to stop where no server gave the time (else the floor is enough, and the report says so).
    pub require_ntp: bool,
}

/// The data disk, by label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataDisk {
    /// The file system's label.
    pub label: String,
    /// Where `/etc/fstab` mounts it.
    pub mount: PathBuf,
    /// Whether to stop where no file system has the label (else the node goes on without, and the report says so).
    pub required: bool,
    /// How long to wait for the disk to appear, in seconds.
    pub wait_seconds: u64,
    /// Folders to make on it.
    #[serde(default)]
    pub folders: Vec<Folder>,
}

/// A folder on the data disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// Relative to the mount point; `..` is refused.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

/// The k3s unit and how long its node may take to become Ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct K3s {
    /// `k3s.service` or `k3s-agent.service`.
    pub unit: String,
    /// From the start of the unit to the node's own Ready condition, in seconds.
    pub ready_seconds: u64,
}

/// The unit of a server, as k3s's own installer names it.
pub const SERVER_UNIT: &str = "k3s.service";

/// The unit of an agent, as k3s's own installer names it.
pub const AGENT_UNIT: &str = "k3s-agent.service";

impl K3s {
    /// Whether this node joins as an agent (else it is a server).
    pub fn is_agent(&self) -> bool {
        self.unit == AGENT_UNIT
    }
}

/// Where a person finds the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The folder where the FAT partition is mounted, for `hcimage-status.txt`.
    pub boot_folder: PathBuf,
}

/// A file that must be on the card exactly as the builder wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleFile {
    /// Absolute path on the node.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}
