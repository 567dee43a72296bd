//! Static routes, and further addresses of the nodes.

use crate::cluster::file::{File, NodeTable, RouteTable};
use crate::cluster::problem::Problems;
use crate::value::{InterfaceAddress, Route, Subnet};

use super::{cidr, fixed_address, unique};

pub(super) fn check(file: &File, problems: &mut Problems<'_>) {
    for node in &file.nodes {
        more_addresses(node, file, problems);
    }
    let targets = file.network.routes.iter().filter_map(|route| route.to.as_ref());
    let message = |to: &String| format!("duplicate route to {to}");
    let targets = targets.map(|to| (to.value.to_string(), &to.span));
    unique::check(problems, targets, message, "remove one of the two");
    for route in &file.network.routes {
        one_route(route, file, problems);
    }
}

fn more_addresses(node: &NodeTable, file: &File, problems: &mut Problems<'_>) {
    let Some(first) = node.more_addresses.first() else { return };
    if fixed_address(node).is_none() && problems.is_whole() {
        problems.error(
            &first.span,
            "a node with DHCP cannot have `more-addresses`: which one k3s would use is open",
            "set the node's `address`, and `subnet` in [network]",
        );
    }
    for field in &node.more_addresses {
        if file.network.gateway.as_ref().is_some_and(|gateway| gateway.value.0 == field.value.ip()) {
            problems.error(
                &field.span,
                format!("address {} is the gateway", field.value.ip()),
                "give the node another address, or fix `gateway` in [network]",
            );
        }
        if let Some((key, other)) = overlapped(file, &field.value.subnet()) {
            problems.error(
                &field.span,
                format!("the network of {} overlaps {other}, the cluster's `{key}`", field.value),
                format!("use another network, or set `{key}` in [k3s] to one that you do not use"),
            );
        }
    }
}

fn one_route(route: &RouteTable, file: &File, problems: &mut Problems<'_>) {
    let (Some(to), Some(via)) = (&route.to, &route.via) else { return };
    if let Err(error) = Route::new(to.value, via.value.0) {
        problems.invalid(&via.span, error);
        return;
    }
    if let Some(own) = file.network.subnet.as_ref().filter(|own| own.value.overlaps(&to.value)) {
        problems.error(
            &to.span,
            format!("{} overlaps {}, the network of the nodes", to.value, own.value),
            "name the network behind the router alone",
        );
        return;
    }
    if let Some((key, other)) = overlapped(file, &to.value) {
        problems.error(
            &to.span,
            format!("{} overlaps {other}, the cluster's `{key}`", to.value),
            format!("set `{key}` in [k3s] to a private network that you do not use"),
        );
    }
    // What DHCP will give is not known here.
    for node in file.nodes.iter().filter(|node| fixed_address(node).is_some()) {
        let networks = addresses(node, file);
        if networks.iter().any(|address| address.ip() == via.value.0) {
            let name = name(node);
            let message = format!("{} is the address of the node {name} itself", via.value.0);
            problems.error(&via.span, message, "use the address of the router");
            return;
        }
        if !networks.is_empty() && !networks.iter().any(|address| address.contains(via.value.0)) {
            problems.error(
                &via.span,
                format!("the node {} cannot reach {}: it is in none of its networks", name(node), via.value.0),
                "use a router in `subnet`, or give every node an address in the router's network with `more-addresses`",
            );
            return;
        }
    }
}

fn name(node: &NodeTable) -> String {
    node.name.as_ref().map(|name| name.value.to_string()).unwrap_or_default()
}

/// The fixed addresses of a node, as far as they are valid.
fn addresses(node: &NodeTable, file: &File) -> Vec<InterfaceAddress> {
    let subnet = file.network.subnet.as_ref();
    let first = fixed_address(node).and_then(|address| subnet?.value.host(address).ok());
    first.into_iter().chain(node.more_addresses.iter().map(|field| field.value)).collect()
}

/// The network of pods or services that shares addresses with one, by its key.
fn overlapped(file: &File, network: &Subnet) -> Option<(&'static str, Subnet)> {
    let mut all = cidr::networks(file).into_iter().map(|(key, other, _)| (key, other));
    all.find(|(_, other)| other.overlaps(network))
}
