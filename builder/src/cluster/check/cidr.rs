//! The networks of pods and services.

use crate::cluster::field::{Field, Span};
use crate::cluster::file::File;
use crate::cluster::problem::Problems;
use crate::cluster::{DEFAULT_CLUSTER_CIDR, DEFAULT_SERVICE_CIDR};
use crate::value::{NodeAddress, Subnet};

pub(super) fn check(file: &File, problems: &mut Problems<'_>) {
    let (pods, services) = (&file.k3s.cluster_cidr, &file.k3s.service_cidr);
    for (key, list) in [("cluster-cidr", pods), ("service-cidr", services)] {
        families(key, list, problems);
    }
    sizes(file, problems);
    overlaps(file, problems);
    if problems.is_whole() {
        same_families(pods, services, problems);
        ipv6_only(file, problems);
        dual_stack(file, problems);
    }
}

/// At most one network of each address family.
fn families(key: &str, list: &[Field<Subnet>], problems: &mut Problems<'_>) {
    for (index, field) in list.iter().enumerate() {
        if list.iter().take(index).any(|earlier| earlier.value.is_ipv4() == field.value.is_ipv4()) {
            let kind = if field.value.is_ipv4() { "IPv4" } else { "IPv6" };
            problems.error(
                &field.span,
                format!("`{key}` has more than one {kind} network"),
                "use at most one IPv4 and one IPv6 network",
            );
        }
    }
}

/// The defaults of k3s are IPv4 networks.
fn same_families(pods: &[Field<Subnet>], services: &[Field<Subnet>], problems: &mut Problems<'_>) {
    let kinds = |list: &[Field<Subnet>]| match list {
        [] => (true, false),
        list => (list.iter().any(|one| one.value.is_ipv4()), list.iter().any(|one| !one.value.is_ipv4())),
    };
    if kinds(pods) != kinds(services)
        && let Some(given) = services.first().or(pods.first())
    {
        problems.error(
            &given.span,
            "`cluster-cidr` and `service-cidr` have different address families",
            "use the same in both: IPv4, IPv6, or one of each",
        );
    }
}

/// Kubernetes gives each node a /24 of the pods' IPv4 network and a /64 of the IPv6 one, and supports at most 20 bits
/// of services (kube-apiserver, `--service-cluster-ip-range`).
fn sizes(file: &File, problems: &mut Problems<'_>) {
    for field in &file.k3s.cluster_cidr {
        let each: u8 = if field.value.is_ipv4() { 24 } else { 64 };
        let room = each.checked_sub(field.value.prefix()).and_then(|bits| 1_usize.checked_shl(bits.into()));
        if room.unwrap_or(usize::MAX) < file.nodes.len() || field.value.prefix() > each {
            problems.error(
                &field.span,
                format!(
                    "{} is too small for {} nodes, each of which gets a /{each}",
                    field.value,
                    file.nodes.len()
                ),
                "use a larger network: a shorter prefix",
            );
        }
    }
    for field in &file.k3s.service_cidr {
        let (least, most) = if field.value.is_ipv4() { (12, 28) } else { (108, 124) };
        if !(least..=most).contains(&field.value.prefix()) {
            problems.error(
                &field.span,
                format!("the prefix of {} is not between /{least} and /{most}", field.value),
                "use a network that Kubernetes supports, such as 10.43.0.0/16 or fd43::/112",
            );
        }
    }
}

/// The networks of pods and services, each with its key and, where the user has set it, its place.
pub(super) fn networks(file: &File) -> Vec<(&'static str, Subnet, Option<&Span>)> {
    let mut all = Vec::new();
    for (key, given, default) in [
        ("cluster-cidr", &file.k3s.cluster_cidr, DEFAULT_CLUSTER_CIDR),
        ("service-cidr", &file.k3s.service_cidr, DEFAULT_SERVICE_CIDR),
    ] {
        all.extend(given.iter().map(|field| (key, field.value, Some(&field.span))));
        let default = default.parse().ok().filter(|_| given.is_empty());
        all.extend(default.map(|value| (key, value, None)));
    }
    all
}

/// Overlapping networks make routing ambiguous.
fn overlaps(file: &File, problems: &mut Problems<'_>) {
    if let Some(subnet) = &file.network.subnet {
        for (key, value, span) in networks(file) {
            if value.overlaps(&subnet.value) {
                problems.error(
                    span.unwrap_or(&subnet.span),
                    format!("`subnet` {} overlaps {value}, the cluster's `{key}`", subnet.value),
                    format!("set `{key}` in [k3s] to a private network that you do not use"),
                );
            }
        }
    }
    for pods in &file.k3s.cluster_cidr {
        for services in &file.k3s.service_cidr {
            if pods.value.overlaps(&services.value) {
                problems.error(
                    &services.span,
                    format!("{} overlaps {}, the `cluster-cidr`", services.value, pods.value),
                    "use two networks that do not overlap",
                );
            }
        }
    }
}

fn ipv6_only(file: &File, problems: &mut Problems<'_>) {
    let Some(subnet) = file.network.subnet.as_ref().filter(|subnet| !subnet.value.is_ipv4()) else { return };
    let missing = |list: &[Field<Subnet>]| !list.iter().any(|one| !one.value.is_ipv4());
    if missing(&file.k3s.cluster_cidr) || missing(&file.k3s.service_cidr) {
        problems.error(
            &subnet.span,
            "the nodes have IPv6 only, but the networks of pods and services are IPv4",
            "set `cluster-cidr = [\"fd42::/56\"]` and `service-cidr = [\"fd43::/112\"]` in [k3s]",
        );
    }
}

/// k3s gets one fixed address of a node, and ends on a node whose addresses are of fewer families than the networks.
fn dual_stack(file: &File, problems: &mut Problems<'_>) {
    let cidrs = &file.k3s.cluster_cidr;
    let both = cidrs.iter().any(|one| one.value.is_ipv4()) && cidrs.iter().any(|one| !one.value.is_ipv4());
    let is_fixed = |address: &&Field<NodeAddress>| matches!(address.value, NodeAddress::Fixed(_));
    let fixed = file.nodes.iter().filter_map(|node| node.address.as_ref()).find(is_fixed);
    if let (true, Some(fixed)) = (both, fixed) {
        let family =
            if matches!(fixed.value, NodeAddress::Fixed(ip) if ip.is_ipv4()) { "IPv4" } else { "IPv6" };
        problems.error(
            &fixed.span,
            format!(
                "k3s gets one address of the node, of {family}, but the networks of pods and services are of IPv4 and IPv6, \
                 with which it does not start"
            ),
            format!("use {family} networks alone in `cluster-cidr` and `service-cidr` of [k3s]"),
        );
    }
}
