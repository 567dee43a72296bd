//! What the user asked for, parsed and complete.

use hc_firstboot::sntp;

use super::manifest::Manifest;
use crate::arch::Arch;
use crate::source::k3s_release::K3sBundle;
use crate::value::{FolderName, FsLabel, Hostname, KubeconfigMode, MountPoint, StaticNetwork};

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The board's name, for messages.
    pub board: String,
    /// What the board runs.
    pub arch: Arch,
    /// The name of the node.
    pub hostname: Hostname,
    /// A static address; none leaves the base's DHCP.
    pub network: Option<StaticNetwork>,
    /// The data disk.
    pub data_disk: DataDisk,
    /// The mode of the kubeconfig on the node, where not k3s's own 0600.
    pub kubeconfig_mode: Option<KubeconfigMode>,
    /// NTP servers; empty leaves time to the base's own service.
    pub ntp: Vec<sntp::Server>,
    /// Manifests for k3s's auto-deploy folder.
    pub manifests: Vec<Manifest>,
    /// k3s itself.
    pub k3s: K3sBundle,
    /// The firstboot program for the board.
    pub firstboot: &'static [u8],
    /// The build time in seconds since 1970: the time of every change, and the floor of the node's clock.
    pub time: i64,
}

/// The data disk.
#[derive(Debug, Clone)]
pub struct DataDisk {
    /// Its label.
    pub label: FsLabel,
    /// Where it is mounted.
    pub mount: MountPoint,
    /// Whether the node must not start without it.
    pub required: bool,
    /// Folders that firstboot makes on it, relative to where it is mounted.
    pub folders: Vec<FolderName>,
}
