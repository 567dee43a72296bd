//! Nodes.

use std::collections::BTreeMap;

use crate::value::{
    BoardSerial, BootstrapRole, Hostname, LabelKey, LabelValue, MacAddress, NodeId, Quantity, Role, Taint,
};

use super::data_disk::DataDisk;
use super::network::NodeNetwork;

/// One node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its host name.
    pub name: Hostname,
    /// What its name in the cluster has more; none where that is its host name.
    pub id: Option<NodeId>,
    /// The name of the Kubernetes node.
    pub kube_name: Hostname,
    /// Its role in forming the cluster.
    pub bootstrap_role: BootstrapRole,
    /// Its board, a key of [`super::Cluster::boards`].
    pub board: String,
    /// How it is connected.
    pub network: NodeNetwork,
    /// The MAC address of the interface of [`Self::network`].
    pub mac: Option<MacAddress>,
    /// The serial number of the board that the image is for.
    pub serial: Option<BoardSerial>,
    /// The memory of its board, where the file says it.
    pub memory: Option<Quantity>,
    /// Labels that the node gives itself when it joins.
    pub labels: BTreeMap<LabelKey, LabelValue>,
    /// Taints that the node gives itself when it joins.
    pub taints: Vec<Taint>,
    /// Its data disk; `None` if it was disabled.
    pub data_disk: Option<DataDisk>,
    /// Disks that overlays take whole, by their paths on the node.
    pub raw_disks: Vec<String>,
}

impl Node {
    /// Whether it has this name: its host name, as the cluster file has it, or that in the cluster, as templates of overlays have it.
    pub fn is_called(&self, name: &Hostname) -> bool {
        [&self.name, &self.kube_name].contains(&name)
    }
}

/// At least one node, of which one is the first server, unless all join a cluster that exists.
#[derive(Debug, Clone)]
pub struct Nodes {
    first: Option<Node>,
    joining: Vec<Node>,
}

impl Nodes {
    /// Splits the nodes of a file: the first server in it starts the cluster. `None` without a server.
    pub(in crate::cluster) fn new(mut nodes: Vec<Node>) -> Option<Self> {
        let position = nodes.iter().position(|node| node.bootstrap_role.role() == Role::Server)?;
        let mut first = nodes.remove(position);
        first.bootstrap_role = BootstrapRole::InitServer;
        Some(Self { first: Some(first), joining: nodes })
    }

    /// Nodes that join a cluster which exists. `None` without any.
    pub(in crate::cluster) fn joining_elsewhere(nodes: Vec<Node>) -> Option<Self> {
        (!nodes.is_empty()).then_some(Self { first: None, joining: nodes })
    }

    /// One node alone.
    pub(in crate::cluster) fn single_node(first: Node) -> Self {
        Self { first: Some(first), joining: Vec::new() }
    }

    /// The server that starts the cluster, unless it exists already.
    pub fn init_server(&self) -> Option<&Node> {
        self.first.as_ref()
    }

    /// All nodes: the first server, then the others as the file has them.
    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        self.first.iter().chain(&self.joining)
    }

    /// The same, to complete them.
    pub(in crate::cluster) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.first.iter_mut().chain(&mut self.joining)
    }

    /// All nodes but the first server.
    pub fn joining(&self) -> &[Node] {
        &self.joining
    }

    /// All servers, the first one first.
    pub fn servers(&self) -> impl Iterator<Item = &Node> {
        self.iter().filter(|node| node.bootstrap_role.role() == Role::Server)
    }

    /// All agents.
    pub fn agents(&self) -> impl Iterator<Item = &Node> {
        self.iter().filter(|node| node.bootstrap_role.role() == Role::Agent)
    }

    /// The node of that name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.iter().find(|node| node.name.as_str() == name)
    }
}
