//! What the node is in the cluster.

use std::path::PathBuf;

use hc_common::value::{self, Hostname};
use serde::{Deserialize, Serialize};

use super::value::{Endpoint, NamespacedName};

/// What the node is in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The server that makes the cluster; it also waits until the cluster is whole.
    InitServer(InitServer),
    /// A server that joins the first one.
    Server(Join),
    /// A node without a control plane.
    Agent(Join),
}

/// What the first server waits for after its own node is Ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitServer {
    /// The names of all other nodes of the cluster. Those missing at the end of the wait are named in the report,
    /// and do not make it a failure: they may be switched on later.
    #[serde(default)]
    pub nodes: Vec<Hostname>,
    /// How long to wait for them, in seconds.
    pub join_seconds: u64,
    /// What is to run in the cluster.
    pub workload: Workload,
}

/// What is to run in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The packaged components of k3s that are not disabled.
    #[serde(default)]
    pub components: Vec<Component>,
    /// Addons, one for each manifest: the file's name up to its first dot.
    #[serde(default)]
    pub addons: Vec<String>,
    /// HelmCharts whose job must be done, as `namespace/name`.
    #[serde(default)]
    pub charts: Vec<NamespacedName>,
    /// Deployments that must be available, as `namespace/name`.
    #[serde(default)]
    pub deployments: Vec<NamespacedName>,
    /// StatefulSets with all their replicas ready.
    #[serde(default)]
    pub stateful_sets: Vec<NamespacedName>,
    /// DaemonSets that are ready on all nodes that they are for.
    #[serde(default)]
    pub daemon_sets: Vec<NamespacedName>,
    /// Services that must have the address of a load balancer.
    #[serde(default)]
    pub load_balancers: Vec<NamespacedName>,
    /// Certificates of cert-manager that must be issued.
    #[serde(default)]
    pub certificates: Vec<NamespacedName>,
    /// How long all of it may take, in seconds.
    pub wait_seconds: u64,
}

impl Workload {
    /// Whether there is nothing to wait for.
    pub fn is_empty(&self) -> bool {
        let named = [
            &self.charts,
            &self.deployments,
            &self.stateful_sets,
            &self.daemon_sets,
            &self.load_balancers,
            &self.certificates,
        ];
        self.components.is_empty() && self.addons.is_empty() && named.iter().all(|names| names.is_empty())
    }
}

/// A packaged component of k3s that runs pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The DNS service of the cluster.
    Coredns,
    /// Volumes on the node's own disk.
    LocalStorage,
    /// CPU and memory usage.
    MetricsServer,
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
            Self::LocalStorage => "local-storage",
            Self::MetricsServer => "metrics-server",
            Self::Servicelb => "servicelb",
            Self::Traefik => "traefik",
        }
    }
}

/// How a further node joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The servers to join, as `host` or `host:port`, the one in k3s's own configuration first. Any of them that
    /// answers is good enough.
    pub servers: Vec<Endpoint>,
    /// The file with the join token in its secure form, `K10<hash>::<user>:<password>`.
    pub token_file: PathBuf,
    /// How long to wait for a server that lets the node in, in seconds. Nodes may be switched on in any order.
    pub wait_seconds: u64,
}

impl Role {
    /// The unit that runs k3s.
    pub fn unit(&self) -> &'static str {
        let role = if self.is_agent() { value::Role::Agent } else { value::Role::Server };
        role.unit()
    }

    /// Whether the node has no control plane.
    pub fn is_agent(&self) -> bool {
        matches!(self, Self::Agent(_))
    }

    /// How it joins; none for the first server.
    pub fn join(&self) -> Option<&Join> {
        match self {
            Self::InitServer(_) => None,
            Self::Server(join) | Self::Agent(join) => Some(join),
        }
    }

    /// What the first server waits for; none for the others.
    pub fn init_server(&self) -> Option<&InitServer> {
        match self {
            Self::InitServer(first) => Some(first),
            Self::Server(_) | Self::Agent(_) => None,
        }
    }
}
