//! What a user should know of a node on this image, though it can be built.

use crate::cluster::Addressing;
use crate::os::Facts;
use crate::value::{DomainName, Host};

use super::boot;
use super::request::Request;

/// The warnings for a node, a line each.
pub fn warnings(facts: &Facts, request: &Request<'_>) -> Vec<String> {
    let effects = facts.cloud_init.iter().flat_map(|cloud| &cloud.effects).map(ToString::to_string);
    boot::warnings(facts, request).into_iter().chain(effects).chain(unanswered_name(facts, request)).collect()
}

/// Without a fixed address, a fixed name or a search domain, the kubeconfig has the first server's name for multicast DNS.
/// Without the cluster's secrets there is no kubeconfig.
fn unanswered_name(facts: &Facts, request: &Request<'_>) -> Option<String> {
    let Request { cluster, node, secrets, .. } = request;
    secrets.as_ref()?;
    let first = cluster.nodes.init_server()?;
    let own_name = DomainName::local().host(&first.name).map(Host::Name);
    let is_used = node.name == first.name && own_name.as_ref() == Some(cluster.api_host());
    if !is_used || first.network.addressing != Addressing::Dhcp || facts.mdns {
        return None;
    }
    Some(format!(
        "the kubeconfig names the first server {}, and nothing in its image answers for that name: avahi-daemon is not \
         enabled. Give the server an `address`, set `api` at the top of the cluster file, or replace the name in the \
         kubeconfig with the address that the node gets by DHCP",
        cluster.api_host()
    ))
}
