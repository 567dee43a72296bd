//! k3s and its datastore.

use std::collections::BTreeMap;
use std::fmt;

use crate::cluster::{DEFAULT_CLUSTER_CIDR, DEFAULT_SERVICE_CIDR};
use crate::secrets::OwnTokens;
use crate::source::k3s_version::K3sVersionReq;
use crate::value::{DatastoreEndpoint, KubeconfigMode, Role, Secret, Subnet};

/// The k3s settings of all nodes.
#[derive(Debug, Clone)]
pub struct K3s {
    /// The release.
    pub version: K3sVersionReq,
    /// How packets travel between pods on different nodes.
    pub flannel_backend: FlannelBackend,
    /// Disabled packaged components, each once.
    pub disable: Vec<Component>,
    /// Networks of the pods, at most one per address family; empty for k3s's default 10.42.0.0/16.
    pub cluster_cidr: Vec<Subnet>,
    /// Networks of the services; empty for k3s's default 10.43.0.0/16.
    pub service_cidr: Vec<Subnet>,
    /// Keys of `[k3s]` that mean something to k3s alone, by the name that k3s gives them.
    pub passed_on: BTreeMap<&'static str, Setting>,
    /// Permissions of the kubeconfig on the servers, if they are not k3s's default 0600.
    pub kubeconfig_mode: Option<KubeconfigMode>,
    /// Tokens that the user chose.
    pub tokens: OwnTokens,
    /// More settings of the servers.
    pub server: Settings,
    /// More settings of the agents.
    pub agent: Settings,
}

impl K3s {
    /// The settings of a role.
    pub fn settings(&self, role: Role) -> &Settings {
        match role {
            Role::Server => &self.server,
            Role::Agent => &self.agent,
        }
    }

    /// The networks of the pods: k3s's own where the file names none.
    pub fn pod_networks(&self) -> Vec<Subnet> {
        or_default(&self.cluster_cidr, DEFAULT_CLUSTER_CIDR)
    }

    /// The networks of the services, likewise.
    pub fn service_networks(&self) -> Vec<Subnet> {
        or_default(&self.service_cidr, DEFAULT_SERVICE_CIDR)
    }
}

fn or_default(given: &[Subnet], default: &str) -> Vec<Subnet> {
    match given {
        [] => default.parse().into_iter().collect(),
        given => given.to_vec(),
    }
}

/// How packets travel between pods on different nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlannelBackend {
    /// In UDP packets on port 8472.
    Vxlan,
    /// By routes, between nodes of one network.
    HostGw,
    /// Encrypted, by the kernel's WireGuard.
    WireguardNative,
    /// Disabled: an overlay or manifest installs a pod network.
    None,
}

impl FlannelBackend {
    /// The name that k3s uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vxlan => "vxlan",
            Self::HostGw => "host-gw",
            Self::WireguardNative => "wireguard-native",
            Self::None => "none",
        }
    }
}

/// A packaged component of k3s that can be disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The DNS service of the cluster.
    Coredns,
    /// The definitions of the Gateway API, in k3s 1.37 and later.
    GatewayApiCrd,
    /// The storage class `local-path`: volumes on the node's own disk.
    LocalStorage,
    /// CPU and memory usage, for `kubectl top`.
    MetricsServer,
    /// Runtime classes for other container runtimes.
    Runtimes,
    /// Services of type LoadBalancer on the nodes' addresses.
    Servicelb,
    /// The ingress controller.
    Traefik,
}

impl Component {
    /// The name that k3s uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coredns => "coredns",
            Self::GatewayApiCrd => "gateway-api-crd",
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
    /// An external database, used by any number of servers.
    External(Box<External>),
}

/// An external database.
#[derive(Debug, Clone)]
pub struct External {
    /// Its address and credentials.
    pub endpoint: DatastoreEndpoint,
    /// The CA certificate that verifies its certificate, PEM.
    pub ca: Option<String>,
    /// The client certificate and its key, both PEM.
    pub client: Option<(String, Secret)>,
}

/// Settings for k3s's `config.yaml`, unchanged, by key. None of them is set by hcimage itself.
///
/// `Debug` prints the keys only: some values are secrets.
#[derive(Clone, Default, PartialEq)]
pub struct Settings(pub BTreeMap<String, Setting>);

/// The value of a setting. `Debug` hides it.
#[derive(Clone, PartialEq)]
pub enum Setting {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A switch.
    Switch(bool),
    /// A flag that can be given several times.
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
