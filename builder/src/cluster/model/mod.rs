//! A cluster that has passed all checks: values of these types need no further checks.

mod chart;
mod containers;
mod data_disk;
mod image;
mod k3s;
mod manifest;
mod network;
mod node;
mod node_choice;
mod package;
mod pod_placement;
mod registries;
mod report;
mod system;

pub use crate::images::ImageSource;
pub use chart::{Chart, ChartOverlay};
pub use containers::{Container, containers_of};
pub use data_disk::{DataDir, DataDisk, Format};
pub use image::WantedImages;
pub use k3s::{Component, Datastore, External, FlannelBackend, K3s, Setting, Settings};
pub use manifest::{BadManifest, Manifest};
pub use network::{Addressing, Link, NodeNetwork, Wifi, WifiSecurity};
pub use node::{Node, Nodes};
pub use node_choice::NodeChoice;
pub use package::WantedPackage;
pub use pod_placement::PodPlacement;
pub use registries::{Mirror, Registries, RegistryAccess, RegistryAuth};
pub use report::StatusPage;
pub use system::{Base, BoardChoice, User};

use std::collections::{BTreeMap, BTreeSet};

use crate::overlays::ActiveOverlay;
use crate::packages::PackageRequest;
use crate::secrets::{Credentials, api_url};
use crate::value::{DnsLabel, DomainName, Host, Role, ServerAddress, TimeServer, TimeZone};

/// A whole cluster.
///
/// [`super::parse`] has checked it: a first server exists, or a cluster to join; the number of servers fits the datastore, names and addresses
/// are unique, every board is known, and joining nodes know an address of the first server.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The cluster's name, also that of the kubeconfig's context.
    pub name: DnsLabel,
    /// The fixed name or address of the API that the user gave.
    pub api: Option<Host>,
    /// The cluster that all nodes join, where they do not make one.
    pub join: Option<ExistingCluster>,
    /// The host in the kubeconfig: see [`Self::api_host`].
    pub(in crate::cluster) api_host: Host,
    /// More names for the API's certificate.
    pub tls_san: Vec<Host>,
    /// The time zone of all nodes.
    pub time_zone: Option<TimeZone>,
    /// k3s itself.
    pub k3s: K3s,
    /// Where the cluster keeps its state.
    pub datastore: Datastore,
    /// NTP servers, in order; empty for those of the base image.
    pub ntp: Vec<TimeServer>,
    /// The search domain of all nodes.
    pub domain: Option<DomainName>,
    /// The nodes.
    pub nodes: Nodes,
    /// The boards of the nodes, by name, each with its base image.
    pub boards: BTreeMap<String, BoardChoice>,
    /// Accounts on every node.
    pub users: Vec<User>,
    /// The page of each node, unless the file says that there is none.
    pub status_page: Option<StatusPage>,
    /// Private registries, if the file names any.
    pub registries: Option<Registries>,
    /// Manifests that k3s applies, in the order of the file.
    pub manifests: Vec<Manifest>,
    /// Container images that the nodes have from the start.
    pub images: Vec<WantedImages>,
    /// Helm charts that k3s installs.
    pub charts: Vec<Chart>,
    /// Packages of the bases' distributions.
    pub packages: Vec<WantedPackage>,
    /// Overlays that are switched on, those first that others need.
    pub overlays: Vec<ActiveOverlay>,
    /// The manifests of these overlays, with masks for secrets.
    pub overlay_manifests: Vec<Manifest>,
    /// Kernel modules that overlays need on every node.
    pub modules: Vec<String>,
    /// Kernel settings that overlays need on every node, by name.
    pub sysctls: BTreeMap<String, String>,
    /// Whether nodes may pull other images.
    pub online: bool,
}

/// A cluster that was made elsewhere.
#[derive(Debug, Clone)]
pub struct ExistingCluster {
    /// Where one of its servers listens.
    pub server: ServerAddress,
    /// What it is joined with.
    pub credentials: Credentials,
}

impl Cluster {
    /// Where joining nodes reach a server: that of the cluster which exists; otherwise the first server's fixed address, or
    /// `api` of the file. `None` only if no node joins.
    pub fn join_address(&self) -> Option<ServerAddress> {
        if let Some(existing) = &self.join {
            return Some(existing.server.clone());
        }
        let fixed = self.nodes.init_server()?.network.static_address().map(Host::Address);
        fixed.or(self.api.clone()).map(ServerAddress::of_host)
    }

    /// All servers that `node` can join at: the one in k3s's configuration first, then the other servers. A server with
    /// DHCP is reached by its name in the search domain; without one, by no name that k3s could resolve.
    pub fn join_addresses(&self, node: &Node) -> Vec<ServerAddress> {
        let host = |server: &Node| {
            let address = server.network.static_address().map(Host::Address);
            address.or_else(|| self.domain.as_ref()?.host(&server.name).map(Host::Name))
        };
        let first = self.join_address().filter(|_| node.bootstrap_role.joins());
        let others = self.nodes.servers().filter(|server| server.name != node.name).filter_map(host);
        let mut addresses: Vec<ServerAddress> = Vec::new();
        for address in first.into_iter().chain(others.map(ServerAddress::of_host)) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// The packages of its base's distribution that `node` gets, sorted.
    pub fn package_requests(&self, node: &Node) -> Vec<PackageRequest> {
        let wanted = self.packages.iter().filter(|package| package.nodes.includes(node));
        let mut requests: Vec<PackageRequest> = wanted.map(|package| package.request.clone()).collect();
        requests.sort();
        // One that is asked for twice is asked for with what it recommends, where either asks so.
        requests.reverse();
        requests.dedup_by(|later, first| later.name == first.name);
        requests.reverse();
        requests
    }

    /// All manifests: the user's, and those of overlays with masks for secrets.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.iter().chain(&self.overlay_manifests)
    }

    /// Where the container images come from that `node` gets, sorted.
    pub fn image_sources(&self, node: &Node) -> Vec<ImageSource> {
        let wanted = self.images.iter().filter(|images| images.nodes.includes(node));
        let mut sources: Vec<ImageSource> = wanted.map(|images| images.source.clone()).collect();
        sources.sort();
        sources.dedup();
        sources
    }

    /// Whether `node` is one of several servers that share an etcd.
    pub fn shares_etcd(&self, node: &Node) -> bool {
        matches!(self.datastore, Datastore::Etcd)
            && node.bootstrap_role.role() == Role::Server
            && self.nodes.servers().nth(1).is_some()
    }

    /// The `server` of joining nodes, such as `https://192.168.1.11:6443`.
    pub fn join_url(&self) -> Option<String> {
        self.join_address().map(|address| address.to_string())
    }

    /// The host of the API in the kubeconfig: the fixed name or address, otherwise the first server's address, otherwise
    /// its name, in the search domain if there is one, otherwise for multicast DNS. Of a cluster that exists, the host of
    /// its server.
    pub fn api_host(&self) -> &Host {
        &self.api_host
    }

    /// The URL of the API in the kubeconfig.
    pub fn api_url(&self) -> String {
        api_url(&self.api_host.to_string())
    }

    /// All names and addresses for the servers' certificate, except those that k3s adds itself.
    pub fn all_tls_san(&self) -> BTreeSet<Host> {
        let mut all: BTreeSet<Host> = self.tls_san.iter().chain([&self.api_host]).cloned().collect();
        for server in self.nodes.servers() {
            let domains = [Some(DomainName::local()), self.domain.clone()];
            let full = domains.iter().flatten().filter_map(|domain| domain.host(&server.name));
            // A name of digits only is a valid host name, but not a valid domain name: it is left out.
            let names = full.chain(server.name.as_str().parse()).map(Host::Name);
            all.extend(names.chain(server.network.all_addresses().map(Host::Address)));
        }
        all
    }
}
