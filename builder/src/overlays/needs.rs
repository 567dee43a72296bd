//! What a cluster gets from an overlay besides manifests, once the parameters are known.

use std::collections::BTreeMap;
use std::fmt;

use hc_firstboot::seed::NamespacedName;
use serde::Deserialize;

use crate::charts::{ChartName, ChartRepo, ChartVersion};
use crate::formats::helm_chart::FailurePolicy;
use crate::value::{DirMode, DnsLabel, Hostname, ImageReference, PackageName, Quantity, Role, UnitName};

use super::user_folder::UserFolder;
/// What a cluster gets from an overlay.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Needs {
    /// Container images.
    pub images: Vec<NeededImage>,
    /// Helm charts.
    pub charts: Vec<NeededChart>,
    /// Packages of the base's distribution.
    pub packages: Vec<NeededPackage>,
    /// Directories on the data disk.
    pub dirs: Vec<NeededDir>,
    /// Folders of the user's on nodes.
    pub folders: Vec<NeededFolder>,
    /// Components of k3s that it takes the place of.
    pub disable: Vec<String>,
    /// The `flannel-backend` that it needs.
    pub flannel_backend: Option<String>,
    /// Settings of k3s on servers.
    pub server: BTreeMap<String, toml::Value>,
    /// Settings of k3s on agents.
    pub agent: BTreeMap<String, toml::Value>,
    /// More names and addresses of the API.
    pub tls_san: Vec<String>,
    /// What there can be only one of in a cluster, such as `pod network`, and this overlay is one.
    pub provides: Vec<String>,
    /// Files of nodes.
    pub files: Vec<NeededFile>,
    /// Kernel modules, each on every node.
    pub modules: Vec<String>,
    /// Kernel settings by their names, such as `net.ipv4.ip_forward`.
    pub sysctls: BTreeMap<String, String>,
    /// What firstboot waits for.
    pub promises: Vec<Promise>,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededImage {
    /// Its name.
    pub name: ImageReference,
    /// The role of the nodes that get it; none is any.
    pub role: Option<Role>,
}

/// A Helm chart.
#[derive(Debug, Clone, PartialEq)]
pub struct NeededChart {
    /// The name of the release.
    pub release: DnsLabel,
    /// Where it comes from.
    pub repo: ChartRepo,
    /// What it is called there.
    pub chart: ChartName,
    /// Its version.
    pub version: ChartVersion,
    /// The namespace of its objects.
    pub namespace: DnsLabel,
    /// The template of its values.
    pub values: Option<String>,
    /// The template of those that are secret.
    pub secret_values: Option<String>,
    /// What k3s does where Helm fails.
    pub failure_policy: Option<FailurePolicy>,
    /// Whether the cluster needs it to begin with.
    pub bootstrap: bool,
    /// What its pods ask for together, of which there are so many, whatever nodes there are.
    pub memory: Option<Quantity>,
    /// What its pods ask for on each node.
    pub memory_each_node: Option<Quantity>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededPackage {
    /// Its name.
    pub name: PackageName,
    /// Whether what it recommends is installed too.
    pub recommends: bool,
    /// Units that are enabled and started.
    pub enable: Vec<UnitName>,
    /// Units that are neither.
    pub disable: Vec<UnitName>,
    /// The role of the nodes that get it; none is any.
    pub role: Option<Role>,
    /// The node that gets it; none is any.
    pub node: Option<Hostname>,
}

/// A directory on the data disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededDir {
    /// Below the mount point.
    pub path: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permissions.
    pub mode: DirMode,
    /// The node that has it; none is every node.
    pub node: Option<Hostname>,
}

/// A folder of the user's on nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededFolder {
    /// Where it is on the node.
    pub path: String,
    /// The node that has it; none is every node.
    pub node: Option<Hostname>,
    /// What is in it.
    pub folder: UserFolder,
}

/// A file of a node, or of every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededFile {
    /// Its path, below `/etc`.
    pub path: String,
    /// Its permissions.
    pub mode: DirMode,
    /// What is in it.
    pub text: String,
    /// The node that has it; none is every node.
    pub node: Option<Hostname>,
}

/// What firstboot waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Promise {
    /// What it is.
    pub kind: PromiseKind,
    /// Which one.
    pub name: NamespacedName,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromiseKind {
    /// A Deployment with all its replicas available.
    Deployment,
    /// A StatefulSet with all its replicas ready.
    StatefulSet,
    /// A DaemonSet that runs on all nodes it is for.
    DaemonSet,
    /// A Service that has its address.
    LoadBalancer,
    /// A Certificate of cert-manager that is ready.
    Certificate,
}

impl fmt::Display for PromiseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "stateful set",
            Self::DaemonSet => "daemon set",
            Self::LoadBalancer => "load balancer",
            Self::Certificate => "certificate",
        })
    }
}

/// Where the folders of the user's that an overlay has are on a node.
pub(super) fn folders_of(overlay: &DnsLabel) -> String {
    format!("/var/lib/hcimage/overlays/{overlay}")
}
