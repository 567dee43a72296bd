//! A cluster that has passed all checks: what is read from these types needs no second look.

mod data_disk;
mod k3s;
mod network;
mod node;
mod registries;
mod secret;
mod system;

pub use data_disk::{DataDisk, DataFolder, Format};
pub use k3s::{Component, Datastore, External, FlannelBackend, K3s, Setting, Settings};
pub use network::{Addressing, Link, NodeNetwork, Wifi};
pub use node::{Node, Nodes, Part};
pub use registries::{Mirror, Registries, RegistryAccess, RegistryAuth};
pub use secret::Secret;
pub use system::{Base, BoardChoice, Manifest, Overlay, User};

use std::collections::{BTreeMap, BTreeSet};

use crate::value::{DomainName, Host, ObjectName, TimeServer, TimeZone};

/// The port of k3s's API and of everything that joins.
pub const API_PORT: u16 = 6443;

/// A whole cluster.
///
/// What [`super::parse`] has checked: there is a first server, the number of servers fits the datastore, names and
/// addresses are unique, every board is known, and joining nodes know an address of the first server.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The cluster's name, also that of the kubeconfig's context.
    pub name: ObjectName,
    /// The fixed name or address of the API that the user gave.
    pub api: Option<Host>,
    /// Further names under which the API must be valid.
    pub tls_san: Vec<Host>,
    /// What all nodes' clocks show.
    pub time_zone: Option<TimeZone>,
    /// k3s itself.
    pub k3s: K3s,
    /// Where the cluster keeps its state.
    pub datastore: Datastore,
    /// NTP servers, asked in this order; none leaves it to the base's own service.
    pub ntp: Vec<TimeServer>,
    /// The search domain of all nodes.
    pub domain: Option<DomainName>,
    /// The nodes.
    pub nodes: Nodes,
    /// The boards of the nodes, by name, each with what it is built from.
    pub boards: BTreeMap<String, BoardChoice>,
    /// Accounts on every node.
    pub users: Vec<User>,
    /// Private registries; none where the file names none.
    pub registries: Option<Registries>,
    /// Overlays, by name.
    pub overlays: Vec<Overlay>,
    /// Manifests that k3s applies, in the order of the file.
    pub manifests: Vec<Manifest>,
}

impl Cluster {
    /// Where joining nodes reach the first server: its own fixed address, else what the user calls the API. `None`
    /// only where no node joins.
    pub fn join_host(&self) -> Option<Host> {
        match self.nodes.first_server().network.static_address() {
            Some(address) => Some(Host::Address(address)),
            None => self.api.clone(),
        }
    }

    /// The `server` of joining nodes, such as `https://192.168.1.11:6443`.
    pub fn join_url(&self) -> Option<String> {
        self.join_host().map(|host| format!("https://{}", host.with_port(API_PORT)))
    }

    /// Where the kubeconfig looks for the API: the fixed name or address, else the first server's address, else its
    /// name: in the search domain where there is one, else by multicast DNS.
    pub fn api_host(&self) -> Host {
        if let Some(host) = self.api.clone().or_else(|| self.join_host()) {
            return host;
        }
        let name = self.nodes.first_server().name.as_str();
        let domain = self.domain.as_ref().map_or("local", DomainName::as_str);
        // A host name behind a domain is a domain name; where the two are too long together, the name alone is one.
        let full = format!("{name}.{domain}").parse().or_else(|_| name.parse());
        full.map_or(Host::Address(std::net::Ipv4Addr::LOCALHOST.into()), Host::Name)
    }

    /// The address of the API as the kubeconfig has it.
    pub fn api_url(&self) -> String {
        format!("https://{}", self.api_host().with_port(API_PORT))
    }

    /// All names and addresses for which the servers' certificate must be valid, beside those that k3s adds itself.
    pub fn all_tls_san(&self) -> BTreeSet<Host> {
        let own = self.nodes.iter().filter(|node| node.part.role() == crate::value::Role::Server);
        let of_servers = own.flat_map(|node| {
            let domains = [None, Some("local"), self.domain.as_ref().map(DomainName::as_str)];
            let names = domains.map(|domain| match domain {
                None => node.name.to_string(),
                Some(domain) => format!("{}.{domain}", node.name),
            });
            let names = names.into_iter().filter_map(|name| name.parse().ok().map(Host::Name));
            names.chain(node.network.static_address().map(Host::Address)).collect::<Vec<_>>()
        });
        of_servers.chain(self.tls_san.iter().cloned()).chain([self.api_host()]).collect()
    }
}
