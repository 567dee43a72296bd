//! Nodes, each with all of its settings.

use crate::cluster::field::Field;
use crate::cluster::file::{DataDiskTable, File, NetworkTable, NodeTable, RouteTable, WifiTable};
use crate::cluster::model::*;
use crate::source::digest::Sha256Digest;
use crate::value::{
    BootstrapRole, DirMode, Hostname, NodeAddress, NodeId, Role, Route, StaticNetwork, ValueError,
};

use super::read::Reader;
use super::{all, bare};

/// Settings that all nodes share.
struct Common<'a> {
    network: &'a NetworkTable,
    routes: Vec<Route>,
    wifi: Option<Wifi>,
    disk: Option<DataDisk>,
    /// The cluster's name, where nodes have IDs in their names.
    ids_of: Option<String>,
}

pub(super) fn nodes(file: &mut File, reader: &mut Reader<'_, '_>) -> Option<Nodes> {
    let wifi = file.network.wifi.take().and_then(|table| wifi(table, reader));
    let disk = data_disk(file.data_disk.take());
    let has_ids = file.k3s.with_node_id.as_ref().is_some_and(|field| field.value);
    let ids_of = file.name.as_ref().filter(|_| has_ids).map(|name| name.value.to_string());
    let common = Common { network: &file.network, routes: routes(&file.network)?, wifi, disk, ids_of };
    let nodes: Vec<Option<Node>> =
        std::mem::take(&mut file.nodes).into_iter().map(|table| node(table, &common, reader)).collect();
    let nodes: Option<Vec<Node>> = nodes.into_iter().collect();
    match file.join {
        Some(_) => Nodes::joining_elsewhere(nodes?),
        None => Nodes::new(nodes?),
    }
}

fn wifi(table: WifiTable, reader: &mut Reader<'_, '_>) -> Option<Wifi> {
    let psk = reader.secret(table.psk?);
    Some(Wifi {
        ssid: table.ssid?.value,
        psk: psk?,
        country: table.country?.value,
        security: bare(table.security).unwrap_or_default(),
        hidden: bare(table.hidden).unwrap_or(false),
    })
}

/// The disk of all nodes. It is required if the file has the table, otherwise optional (see the decision "the data disk
/// is optional unless named").
fn data_disk(table: Option<DataDiskTable>) -> Option<DataDisk> {
    let required = table.is_some();
    let table = table.unwrap_or_default();
    let default = DataDisk::optional().ok()?;
    let dir = |dir: crate::cluster::file::DirTable| {
        Some(DataDir {
            path: dir.path?.value,
            mode: bare(dir.mode).unwrap_or(DirMode::DEFAULT),
            uid: bare(dir.uid).unwrap_or(0),
            gid: bare(dir.gid).unwrap_or(0),
        })
    };
    Some(DataDisk {
        label: bare(table.label).unwrap_or(default.label),
        mount: bare(table.mount).unwrap_or(default.mount),
        datastore: bare(table.datastore).unwrap_or(false),
        required,
        format: bare(table.format).unwrap_or(default.format),
        dirs: table.dirs.into_iter().map(dir).collect::<Option<_>>()?,
    })
}

/// Its ID and its name in the cluster. The same names give the same ID.
fn kube_name(
    name: &Field<Hostname>,
    cluster: &str,
    reader: &mut Reader<'_, '_>,
) -> Option<(NodeId, Hostname)> {
    let digest = Sha256Digest::of(format!("{cluster}/{}", name.value).as_bytes()).to_string();
    let id = NodeId::of_digest(&digest)?;
    match id.appended_to(&name.value) {
        Ok(kube_name) => Some((id, kube_name)),
        Err(error) => {
            reader.problems.error(
                &name.span,
                error.to_string(),
                "shorten the name, or leave out `with-node-id`",
            );
            None
        }
    }
}

fn node(table: NodeTable, common: &Common<'_>, reader: &mut Reader<'_, '_>) -> Option<Node> {
    let link = match bare(table.wifi) {
        Some(true) => Link::Wifi(common.wifi.clone()?),
        Some(false) | None => Link::Ethernet { vlan: bare(table.vlan) },
    };
    let addressing = match bare(table.address) {
        Some(NodeAddress::Fixed(address)) => Addressing::Static(fixed(address, common.network)?.ok()?),
        Some(NodeAddress::Dhcp) | None => Addressing::Dhcp,
    };
    let is_server = table.role.as_ref().is_some_and(|role| role.value == Role::Server);
    let data_disk = common
        .disk
        .clone()
        .filter(|_| bare(table.data_disk).unwrap_or(true))
        .map(|disk| DataDisk { datastore: disk.datastore && is_server, ..disk });
    let name = table.name?;
    let (id, kube_name) = match &common.ids_of {
        Some(cluster) => kube_name(&name, cluster, reader).map(|(id, name)| (Some(id), name))?,
        None => (None, name.value.clone()),
    };
    Some(Node {
        name: name.value,
        id,
        kube_name,
        bootstrap_role: match table.role?.value {
            // `Nodes` decides which of the servers starts the cluster, if any does.
            Role::Server => BootstrapRole::JoinServer,
            Role::Agent => BootstrapRole::Agent,
        },
        board: table.board?.value.0,
        network: NodeNetwork {
            link,
            interface: bare(table.interface),
            addressing,
            more_addresses: all(table.more_addresses),
            routes: common.routes.clone(),
            mtu: common.network.mtu.as_ref().map(|field| field.value),
        },
        mac: bare(table.mac),
        serial: bare(table.serial),
        memory: bare(table.memory),
        labels: table.labels.0.into_iter().map(|(key, value)| (key.value, value.value)).collect(),
        taints: all(table.taints),
        data_disk,
        raw_disks: Vec::new(),
    })
}

fn routes(network: &NetworkTable) -> Option<Vec<Route>> {
    let route = |table: &RouteTable| Route::new(table.to.as_ref()?.value, table.via.as_ref()?.value.0).ok();
    network.routes.iter().map(route).collect()
}

fn fixed(address: std::net::IpAddr, network: &NetworkTable) -> Option<Result<StaticNetwork, ValueError>> {
    let ip = |field: &Field<crate::cluster::field_type::Gateway>| field.value.0;
    let subnet = network.subnet.as_ref()?;
    let gateway = network.gateway.as_ref().map(ip);
    let dns = network.dns.iter().map(ip).collect();
    Some(subnet.value.host(address).and_then(|address| StaticNetwork::new(address, gateway, dns)))
}
