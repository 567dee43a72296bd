//! k3s and its datastore.

use std::collections::BTreeMap;
use std::fmt;

use crate::source::k3s_version::K3sVersionReq;
use crate::value::{DatastoreEndpoint, DomainName, KubeconfigMode, Role, Secret, Subnet};

/// What all nodes' k3s is told.
#[derive(Debug, Clone)]
pub struct K3s {
    /// The release.
    pub version: K3sVersionReq,
    /// What carries packets between the pods of different nodes.
    pub flannel_backend: FlannelBackend,
    /// Packaged components that are left out, each once.
    pub disable: Vec<Component>,
    /// Whether Kubernetes secrets are encrypted in the datastore.
    pub secrets_encryption: bool,
    /// Networks of the pods, IPv4 before IPv6 or the other way round; empty for k3s's own 10.42.0.0/16.
    pub cluster_cidr: Vec<Subnet>,
    /// Networks of the services; empty for k3s's own 10.43.0.0/16.
    pub service_cidr: Vec<Subnet>,
    /// The domain of services inside the cluster, where it is not `cluster.local`.
    pub cluster_domain: Option<DomainName>,
    /// Permissions of the kubeconfig on the servers, where they are not k3s's own 0600.
    pub kubeconfig_mode: Option<KubeconfigMode>,
    /// Further settings of the servers.
    pub server: Settings,
    /// Further settings of the agents.
    pub agent: Settings,
}

impl K3s {
    /// The further settings of a role.
    pub fn settings(&self, role: Role) -> &Settings {
        match role {
            Role::Server => &self.server,
            Role::Agent => &self.agent,
        }
    }
}

/// What carries packets between the pods of different nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlannelBackend {
    /// In UDP packets on port 8472.
    Vxlan,
    /// By routes, between nodes of one network.
    HostGw,
    /// Encrypted, by the kernel's WireGuard.
    WireguardNative,
    /// Nothing: an overlay or manifest brings a network of its own.
    None,
}

impl FlannelBackend {
    /// As k3s spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vxlan => "vxlan",
            Self::HostGw => "host-gw",
            Self::WireguardNative => "wireguard-native",
            Self::None => "none",
        }
    }
}

/// A packaged component of k3s that may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// Name service of the cluster.
    Coredns,
    /// The class `local-path`: volumes on the node's own disk.
    LocalStorage,
    /// Usage of processor and memory, for `kubectl top`.
    MetricsServer,
    /// Classes for further container runtimes.
    Runtimes,
    /// Services of type LoadBalancer on the nodes' addresses.
    Servicelb,
    /// The ingress controller.
    Traefik,
}

impl Component {
    /// As k3s spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coredns => "coredns",
            Self::LocalStorage => "local-storage",
            Self::MetricsServer => "metrics-server",
            Self::Runtimes => "runtimes",
            Self::Servicelb => "servicelb",
            Self::Traefik => "traefik",
        }
    }
}

/// Where the cluster keeps its state.
#[derive(Debug, Clone)]
pub enum Datastore {
    /// A file on the only server.
    Sqlite,
    /// etcd inside k3s, on one server or on an odd number of at least three.
    Etcd,
    /// A database elsewhere, used by any number of servers.
    External(Box<External>),
}

/// A database elsewhere.
#[derive(Debug, Clone)]
pub struct External {
    /// Where it is, and how to get in.
    pub endpoint: DatastoreEndpoint,
    /// The authority that its certificate is checked against, PEM.
    pub ca: Option<String>,
    /// The certificate that k3s shows it and the key to it, both PEM.
    pub client: Option<(String, Secret)>,
}

/// Settings that go to k3s's `config.yaml` as they are, by key; none of them is one that hcimage sets itself.
///
/// Prints keys only: some values are secrets.
#[derive(Clone, Default, PartialEq)]
pub struct Settings(pub BTreeMap<String, Setting>);

/// The value of a setting. Does not print.
#[derive(Clone, PartialEq)]
pub enum Setting {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A switch.
    Switch(bool),
    /// A flag that may be given several times.
    List(Vec<String>),
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
