//! A cluster of one node, as built by `hcimage build --board` without a cluster file.

use std::collections::{BTreeMap, BTreeSet};

use crate::board::Board;
use crate::secrets::OwnTokens;
use crate::source::k3s_version::K3sVersionReq;
use crate::value::{
    BootstrapRole, DnsLabel, DomainName, Host, Hostname, KubeconfigMode, TimeServer, ValueError,
};

use super::model::*;

/// The settings of the node from the command line.
#[derive(Debug, Clone)]
pub struct SingleNode {
    /// Its board.
    pub board: Board,
    /// Its name.
    pub hostname: Hostname,
    /// Where its address comes from.
    pub addressing: Addressing,
    /// Its data disk.
    pub data_disk: DataDisk,
    /// The mode of the kubeconfig on the node, if it is not k3s's default 0600.
    pub kubeconfig_mode: Option<KubeconfigMode>,
    /// NTP servers.
    pub ntp: Vec<TimeServer>,
    /// Manifests that k3s applies.
    pub manifests: Vec<Manifest>,
    /// Archives and layouts of container images.
    pub images: Vec<ImageSource>,
    /// Whether the node may pull others.
    pub online: bool,
    /// The release.
    pub k3s: K3sVersionReq,
}

/// Why the settings are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSingleNode {
    /// The node's name is not valid as the name of a cluster.
    #[error(transparent)]
    Name(#[from] ValueError),
    /// Two manifests have the same name.
    #[error(
        "two manifests are named {name}: k3s uses the file name up to the first dot as its name; rename one"
    )]
    SameManifest {
        /// The file name of the second one.
        name: String,
    },
}

fn on_it(source: ImageSource) -> WantedImages {
    WantedImages { source, nodes: NodeChoice::default() }
}

/// The cluster of one node, with the name of the node.
pub fn single_node(wanted: SingleNode) -> Result<Cluster, InvalidSingleNode> {
    let mut addons = BTreeSet::new();
    if let Some(twice) = wanted.manifests.iter().find(|manifest| !addons.insert(manifest.addon())) {
        return Err(InvalidSingleNode::SameManifest { name: twice.name().to_owned() });
    }
    let name: DnsLabel = wanted.hostname.as_str().parse()?;
    let board = wanted.board.name.clone();
    let network = NodeNetwork {
        link: Link::Ethernet { vlan: None },
        interface: None,
        addressing: wanted.addressing.clone(),
        more_addresses: Vec::new(),
        routes: Vec::new(),
        mtu: None,
    };
    let api_host = match network.static_address() {
        Some(address) => Host::Address(address),
        None => DomainName::local()
            .host(&wanted.hostname)
            .map(Host::Name)
            .map_or_else(|| name.as_str().parse(), Ok)?,
    };
    let node = Node {
        kube_name: wanted.hostname.clone(),
        name: wanted.hostname,
        id: None,
        bootstrap_role: BootstrapRole::InitServer,
        board: board.clone(),
        network,
        mac: None,
        serial: None,
        memory: None,
        labels: BTreeMap::new(),
        taints: Vec::new(),
        data_disk: Some(wanted.data_disk),
        raw_disks: Vec::new(),
    };
    Ok(Cluster {
        name,
        api: None,
        join: None,
        api_host,
        tls_san: Vec::new(),
        time_zone: None,
        k3s: K3s {
            version: wanted.k3s,
            flannel_backend: FlannelBackend::Vxlan,
            disable: Vec::new(),
            cluster_cidr: Vec::new(),
            service_cidr: Vec::new(),
            passed_on: BTreeMap::new(),
            kubeconfig_mode: wanted.kubeconfig_mode,
            tokens: OwnTokens::default(),
            server: Settings::default(),
            agent: Settings::default(),
        },
        datastore: Datastore::Sqlite,
        ntp: wanted.ntp,
        domain: None,
        nodes: Nodes::single_node(node),
        boards: BTreeMap::from([(board, BoardChoice { profile: wanted.board, base: None })]),
        users: Vec::new(),
        status_page: Some(StatusPage::default()),
        registries: None,
        manifests: wanted.manifests,
        images: wanted.images.into_iter().map(on_it).collect(),
        charts: Vec::new(),
        packages: Vec::new(),
        overlays: Vec::new(),
        overlay_manifests: Vec::new(),
        modules: Vec::new(),
        sysctls: BTreeMap::new(),
        online: wanted.online,
    })
}
