//! The seed: what the builder hands to firstboot, in `/etc/hcimage/seed.toml` (root, 0600).
//!
//! Both crates use these types, so the two sides cannot disagree about the format. Unknown keys are errors:
//! a card written by a newer builder must not be half understood by an older firstboot.

mod check;
mod etcd;
mod role;
mod text;
mod value;

use std::path::PathBuf;

use hc_common::network::{NetworkStack, Profile};
use hc_common::value::{
    DirName, DomainName, FsLabel, Hostname, InterfaceAddress, InterfaceName, MacAddress, MountPoint, Mtu,
    NodeId, PackageName, Route, StaticNetwork, Subnet, TimeServer, UnitName, VlanId,
};
use serde::{Deserialize, Serialize};

pub use etcd::{Admin, Etcd};
pub use role::{Component, InitServer, Join, Role, Workload};
pub use text::SeedError;
pub use value::{Endpoint, NamespacedName};

/// The version of the schema that this crate reads and writes.
pub const SCHEMA: u32 = 3;

/// Where the seed lies on the node.
pub const SEED_PATH: &str = "/etc/hcimage/seed.toml";

/// Everything firstboot needs to know, without any secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// Always [`SCHEMA`]; another number is refused.
    pub schema: u32,
    /// Disks that something in the cluster takes whole, by their paths: blank, or its own already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raw_disks: Vec<PathBuf>,
    /// The name of the node.
    pub node: Node,
    /// The cluster that it belongs to.
    pub cluster: Cluster,
    /// What the node is in the cluster; one table, `[role.init-server]`, `[role.server]` or `[role.agent]`.
    pub role: Role,
    /// The etcd that the servers share; none on an agent, and with another datastore.
    #[serde(default)]
    pub etcd: Option<Etcd>,
    /// How the node is connected.
    pub network: Network,
    /// The floor of the clock and where to ask for the time.
    pub clock: Clock,
    /// What the root file system is to become.
    pub root: Root,
    /// The data disk, by label.
    pub data_disk: Option<DataDisk>,
    /// What k3s needs of the machine and how long its node may take to become Ready.
    pub k3s: K3s,
    /// Packages that dpkg installs before k3s starts.
    #[serde(default)]
    pub packages: Option<Packages>,
    /// Files that must not stay on the card.
    #[serde(default)]
    pub secrets: Secrets,
    /// Where a person finds the report.
    pub report: Report,
    /// Files that must be on the card exactly as the builder wrote them.
    #[serde(default)]
    pub bundle: Vec<BundleFile>,
}

impl Seed {
    /// How the node joins a cluster; none for a first server that has nobody to ask.
    pub fn join(&self) -> Option<&Join> {
        self.role.join().or_else(|| self.etcd.as_ref()?.partners.as_ref())
    }
}

/// Where the files of packages lie until they are installed, in a directory for each call of dpkg.
pub const PACKAGES_DIR: &str = "/var/lib/hcimage/packages";

/// Packages that dpkg installs; their files are in [`PACKAGES_DIR`] and in the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// What dpkg installs, and what must be installed at the end; none where the base has all of it.
    pub installed: Vec<PackageName>,
    /// Units that are enabled and started then.
    #[serde(default)]
    pub enable: Vec<UnitName>,
    /// Units that are neither enabled nor started.
    #[serde(default)]
    pub disable: Vec<UnitName>,
}

/// The names of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// [`crate::overrides`] may change it.
    pub hostname: Hostname,
    /// What the name of the Kubernetes node has after the host name; none where they are the same.
    #[serde(default)]
    pub id: Option<NodeId>,
}

/// The cluster that the node belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Its name, for the report.
    pub name: String,
    /// The fixed name or address of the API, for the report; none where there is only the server's own.
    pub api: Option<Endpoint>,
    /// The networks of its pods and services: the node's own must overlap none of them, and it has an IPv6 address alone
    /// only where they are of IPv6 too.
    #[serde(default)]
    pub networks: Vec<Subnet>,
}

/// How the node is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The base's own network service. firstboot writes its files where the address is not set yet, after the probe for
    /// a conflict; so the builder may leave the base on DHCP. None: the base's network is not touched, and
    /// `hcimage.toml` cannot change the address.
    pub stack: Option<NetworkStack>,
    /// The interface that carries the address, where its name is known: a VLAN's own, or the one that the user named.
    /// None: the one with [`Self::mac`], else the first wired one.
    pub link: Option<InterfaceName>,
    /// The port that the user named; with a VLAN, the port below it.
    pub interface: Option<InterfaceName>,
    /// The hardware address of that port.
    pub mac: Option<MacAddress>,
    /// The search domain.
    pub search: Option<DomainName>,
    /// The VLAN that [`Self::link`] is of.
    pub vlan: Option<VlanId>,
    /// Further addresses of the interface.
    #[serde(default)]
    pub more_addresses: Vec<InterfaceAddress>,
    /// The largest packet; none is the kernel's default.
    pub mtu: Option<Mtu>,
    /// Whether to ask by ARP who has the static IPv4 address (RFC 5227). False for networks where a router answers
    /// for everybody (proxy ARP).
    pub arp_probe: bool,
    /// How long to wait for an address and a default route, in seconds.
    pub wait_seconds: u64,
    /// The static address with its gateway and name servers, `[network.static]`; none means DHCP.
    #[serde(rename = "static")]
    pub fixed: Option<StaticNetwork>,
    /// Ways to other networks, beside the gateway.
    #[serde(default)]
    pub routes: Vec<Route>,
}

impl Network {
    /// What the network service is told: the same as the builder told it, with the address of now.
    pub fn profile(&self) -> Profile<'_> {
        Profile {
            network: self.fixed.as_ref(),
            more_addresses: &self.more_addresses,
            routes: &self.routes,
            mtu: self.mtu,
            interface: self.interface.as_ref(),
            mac: self.mac.as_ref(),
            search: self.search.as_ref(),
            vlan: self.vlan,
            wifi: None,
        }
    }

    /// The static address alone.
    pub fn address(&self) -> Option<InterfaceAddress> {
        self.fixed.as_ref().map(StaticNetwork::address)
    }
}

/// The floor of the clock and where to ask for the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// The latest time in seconds since 1970 that was over when the image was made, the same for all nodes of a cluster: the
    /// clock is never earlier than this.
    pub floor: u64,
    /// NotBefore of the cluster's CAs in seconds since 1970: k3s is not started with an earlier clock. None where
    /// k3s makes its own CAs.
    pub ca_not_before: Option<u64>,
    /// NotAfter of the first of these CAs that ends: no time later than this is believed. None where k3s makes its own CAs,
    /// or they were made elsewhere.
    #[serde(default)]
    pub ca_not_after: Option<u64>,
    /// NTP servers, asked in this order; empty leaves it to the base's own time service.
    #[serde(default)]
    pub ntp: Vec<TimeServer>,
    /// How long to wait for network time, in seconds. A joining node also asks the servers that it joins.
    pub wait_seconds: u64,
    /// Whether to stop where no server gave the time (else the floor is enough, and the report says so).
    pub require_ntp: bool,
}

/// What the root file system is to become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Whether it is to fill its disk. Most bases do that themselves on their first boot; firstboot looks, and does
    /// it where they did not. Nothing is ever shrunk, and no partition behind it is touched.
    pub grow: bool,
}

/// The data disk, by label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataDisk {
    /// The file system's label.
    pub label: FsLabel,
    /// Where `/etc/fstab` mounts it.
    pub mount: MountPoint,
    /// Whether k3s keeps the state of the cluster on it, in a directory that `/etc/fstab` mounts at its place.
    #[serde(default)]
    pub datastore: bool,
    /// Whether to stop where the disk cannot be used (else the node goes on without, and the report says so).
    pub required: bool,
    /// What may be done where no file system has the label.
    pub format: Format,
    /// How long after power-on the disk may take to appear, in seconds.
    pub wait_seconds: u64,
    /// Directories to make on it.
    #[serde(default)]
    pub dirs: Vec<Dir>,
}

/// Whether a disk may be formatted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Never.
    Never,
    /// The one disk that is blank: no partition table, no signature, nothing but zeros in the first and last MiB.
    IfBlank,
}

/// A directory on the data disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dir {
    /// Relative to the mount point.
    pub path: DirName,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

/// What k3s needs of the machine and how long its node may take to become Ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct K3s {
    /// Its version, for the report.
    #[serde(default)]
    pub version: Option<String>,
    /// From the start of the unit to the node's own Ready condition, in seconds.
    pub ready_seconds: u64,
    /// Kernel modules that this cluster's settings need besides those that k3s itself asks for, such as `vxlan`.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Container images on the card that containerd must have before the node counts as Ready, in full.
    #[serde(default)]
    pub images: Vec<String>,
    /// Whether the cluster's state is in a database elsewhere, which may be up later than this node.
    #[serde(default)]
    pub external_datastore: bool,
}

/// Files that must not stay on the card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Absolute paths; overwritten and removed once the node is Ready and, on the first server, the cluster is
    /// whole.
    #[serde(default)]
    pub remove: Vec<PathBuf>,
}

/// Where a person finds the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The directory where the FAT partition is mounted, for `hcimage-status.txt` and `hcimage.toml`.
    pub boot_dir: PathBuf,
    /// Whether the node has a page, which shows the report by HTTP.
    #[serde(default)]
    pub http: bool,
    /// How long the page stays once the node is Ready, in minutes.
    #[serde(default)]
    pub minutes_after_ready: u64,
    /// An account that logs in by SSH, for the page.
    #[serde(default)]
    pub ssh_user: Option<String>,
}

impl Report {
    /// How long the page stays once the node is Ready; none where there is no page.
    pub fn page_minutes(&self) -> Option<u64> {
        self.http.then_some(self.minutes_after_ready)
    }
}

/// A file that must be on the card exactly as the builder wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleFile {
    /// Absolute path on the node.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// Size in bytes of what is unpacked from it on the disk, by k3s or by dpkg, where that is known.
    #[serde(default)]
    pub unpacked_size: Option<u64>,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}
