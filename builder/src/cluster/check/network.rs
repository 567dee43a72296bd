//! Addresses of the nodes, the router and the API.

use std::net::IpAddr;

use hc_common::network::profile::ETHERNET;
use hc_common::text::glob;

use crate::cluster::field::Field;
use crate::cluster::file::File;
use crate::cluster::problem::Problems;
use crate::value::{Host, NodeAddress, Role, StaticNetwork, VlanId};

use super::{fixed_address, of_role};

pub(super) fn check(file: &File, problems: &mut Problems<'_>) {
    let fixed: Vec<(IpAddr, &Field<NodeAddress>)> = file
        .nodes
        .iter()
        .filter_map(|node| node.address.as_ref())
        .filter_map(|field| match field.value {
            NodeAddress::Fixed(address) => Some((address, field)),
            NodeAddress::Dhcp => None,
        })
        .collect();
    match fixed.first() {
        Some((_, first)) => static_network(file, first, &fixed, problems),
        None if problems.is_whole() => unused(file, problems),
        None => {}
    }
    api(file, problems);
    if problems.is_whole() {
        wifi(file, problems);
        interface_kinds(file, problems);
        vlans(file, problems);
        join(file, problems);
    }
}

fn static_network(
    file: &File,
    first: &Field<NodeAddress>,
    fixed: &[(IpAddr, &Field<NodeAddress>)],
    problems: &mut Problems<'_>,
) {
    let network = &file.network;
    if network.gateway.is_none() && problems.is_whole() {
        problems.error(
            &first.span,
            "a node with a fixed address needs a gateway: k3s does not start without a default route",
            "set `gateway` in [network]",
        );
    }
    if network.dns.is_empty() && problems.is_whole() {
        problems.warning(
            &first.span,
            "nodes with a fixed address have no name server: they cannot resolve registries and time servers by name",
            "set `dns` in [network], usually to the router's address",
        );
    }
    let Some(subnet) = &network.subnet else {
        if problems.is_whole() {
            problems.error(
                &first.span,
                "a node with a fixed address needs the prefix length of its network",
                "set `subnet` in [network], such as 192.168.1.0/24",
            );
        }
        return;
    };
    for (address, field) in fixed {
        match subnet.value.host(*address) {
            Err(error) => problems.invalid(&field.span, error),
            Ok(_) if network.gateway.as_ref().is_some_and(|gateway| gateway.value.0 == *address) => problems
                .error(
                    &field.span,
                    format!("address {address} is the gateway"),
                    "give the node another address, or fix `gateway` in [network]",
                ),
            Ok(_) => {}
        }
    }
    let some_host = fixed.iter().find_map(|(address, _)| subnet.value.host(*address).ok());
    let Some(host) = some_host else { return };
    if let Some(gateway) = &network.gateway
        && gateway.value.0 != host.ip()
        && let Err(error) = StaticNetwork::new(host, Some(gateway.value.0), Vec::new())
    {
        problems.invalid(&gateway.span, error);
    }
    for server in &network.dns {
        if let Err(error) = StaticNetwork::new(host, None, vec![server.value.0]) {
            problems.invalid(&server.span, error);
        }
    }
}

/// Warns of keys that only nodes with a fixed address use.
fn unused(file: &File, problems: &mut Problems<'_>) {
    let network = &file.network;
    let given = [
        network.subnet.as_ref().map(|field| ("subnet", &field.span)),
        network.gateway.as_ref().map(|field| ("gateway", &field.span)),
        network.dns.first().map(|field| ("dns", &field.span)),
    ];
    for (key, span) in given.into_iter().flatten() {
        problems.warning(
            span,
            format!("`{key}` is not used: all nodes use DHCP"),
            "give the nodes an `address`, or remove the key",
        );
    }
}

fn wifi(file: &File, problems: &mut Problems<'_>) {
    let on = |field: &&Field<bool>| field.value;
    let mut users = file.nodes.iter().filter_map(|node| node.wifi.as_ref()).filter(on).peekable();
    match &file.network.wifi {
        None => {
            for user in users {
                problems.error(
                    &user.span,
                    "the node uses Wi-Fi, but [network.wifi] is missing",
                    "add a table [network.wifi] with ssid, psk and country",
                );
            }
        }
        Some(wifi) if users.peek().is_none() => {
            let span = wifi.ssid.as_ref().map_or(0..0, |ssid| ssid.span.clone());
            problems.warning(
                &span,
                "no node uses [network.wifi]",
                "set `wifi = true` on the nodes that use it, or remove the table",
            );
        }
        Some(_) => {}
    }
}

/// The names of the kernel and of systemd.net-naming-scheme(7) tell Ethernet and Wi-Fi apart.
fn interface_kinds(file: &File, problems: &mut Problems<'_>) {
    for node in &file.nodes {
        let Some(interface) = &node.interface else { continue };
        let name = interface.value.as_str();
        let on_wifi = node.wifi.as_ref().is_some_and(|wifi| wifi.value);
        let wireless = name.starts_with("wl");
        let wired = glob::matches(ETHERNET, name);
        if wireless && !on_wifi {
            problems.error(
                &interface.span,
                format!("{name} is a Wi-Fi interface, but the node uses Ethernet"),
                "set `wifi = true` for the node, or use the name of an Ethernet port, such as eth0",
            );
        } else if wired && on_wifi {
            problems.error(
                &interface.span,
                format!("{name} is an Ethernet interface, but the node uses Wi-Fi"),
                "remove `wifi`, or use the name of the Wi-Fi interface, such as wlan0",
            );
        }
    }
}

/// A VLAN needs Ethernet, and has its own interface above the port's.
fn vlans(file: &File, problems: &mut Problems<'_>) {
    for node in &file.nodes {
        let vlan = node.vlan.as_ref();
        if let Some(vlan) = vlan.filter(|_| node.wifi.as_ref().is_some_and(|wifi| wifi.value)) {
            problems.error(
                &vlan.span,
                "Wi-Fi does not support `vlan`",
                "remove `vlan` or `wifi`; the access point decides the VLAN of a wireless network",
            );
        }
        let Some(interface) = &node.interface else { continue };
        let Some((port, id)) = VlanId::of_interface(&interface.value) else { continue };
        let (what, hint) = match (vlan, port) {
            (Some(_), _) => (
                "a VLAN itself".to_owned(),
                "use the name of the port, such as eth0, or remove `interface`".to_owned(),
            ),
            (None, port) => {
                let instead = port
                    .map_or("remove `interface`".to_owned(), |port| format!("set `interface = \"{port}\"`"));
                (format!("VLAN {id}, which nothing creates"), format!("set `vlan = {id}` and {instead}"))
            }
        };
        problems.error(&interface.span, format!("{} is the interface of {what}", interface.value), hint);
    }
    one_network(file, problems);
}

/// All fixed addresses are in one subnet, which is rarely spread over several VLANs. A node without `vlan` is not
/// suspicious: its port may carry the same VLAN untagged.
fn one_network(file: &File, problems: &mut Problems<'_>) {
    let fixed = file.nodes.iter().filter(|node| fixed_address(node).is_some());
    let mut vlans = fixed.filter_map(|node| node.vlan.as_ref());
    let Some(first) = vlans.next() else { return };
    if let Some(other) = vlans.find(|vlan| vlan.value != first.value) {
        problems.warning(
            &other.span,
            format!(
                "nodes of one subnet are in different VLANs, {} and {}: they cannot reach each other unless the VLANs \
                are bridged",
                first.value, other.value
            ),
            "use the same `vlan` for all of them",
        );
    }
}

/// The API's address must not belong to the router or an agent.
fn api(file: &File, problems: &mut Problems<'_>) {
    let Some(api) = &file.api else { return };
    let Host::Address(address) = api.value else { return };
    let hint = "use an address of the first server, a name, or an unused virtual address";
    if file.network.gateway.as_ref().is_some_and(|gateway| gateway.value.0 == address) {
        problems.error(&api.span, format!("`api` {address} is the address of the gateway"), hint);
    }
    for agent in of_role(file, Role::Agent) {
        if fixed_address(agent) == Some(address) {
            problems.error(&api.span, format!("`api` {address} is the address of an agent"), hint);
        }
    }
}

/// Whether joining nodes know the address of the first server.
fn join(file: &File, problems: &mut Problems<'_>) {
    let Some(first) = of_role(file, Role::Server).next() else { return };
    let by_dhcp = first.address.as_ref().is_none_or(|address| address.value == NodeAddress::Dhcp);
    if !by_dhcp || file.nodes.len() < 2 || file.join.is_some() {
        return;
    }
    let Some(name) = &first.name else { return };
    let span = first.address.as_ref().map_or(&name.span, |address| &address.span);
    match &file.api {
        None => problems.error(
            span,
            format!("unknown address of the first server, {}, where the other nodes join", name.value),
            "give it a fixed address, or reserve one in your DHCP server and set `api` at the top of the file to that \
            address, or to a name that your DNS resolves to it",
        ),
        Some(api) if of_role(file, Role::Server).nth(1).is_some() => problems.warning(
            &api.span,
            format!("the other nodes join at {}, which must lead to {} until all have joined", api.value, name.value),
            "give the first server a fixed address: the other nodes then join there instead of at `api`",
        ),
        Some(_) => {}
    }
}
