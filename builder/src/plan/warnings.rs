//! What a user should know of a cluster on these images, though it can be built.

use crate::cluster::{Addressing, Cluster};
use crate::os::Facts;
use crate::value::{DomainName, Host};

/// The warnings for a cluster whose first server has an image with these facts.
pub fn warnings(cluster: &Cluster, of_first: &Facts) -> Vec<String> {
    unanswered_name(cluster, of_first).into_iter().collect()
}

/// Without a fixed address, a fixed name or a search domain, the kubeconfig has the first server's name for multicast DNS.
fn unanswered_name(cluster: &Cluster, of_first: &Facts) -> Option<String> {
    let first = cluster.nodes.init_server();
    let own_name = DomainName::local().host(&first.name).map(Host::Name);
    let is_used = own_name.as_ref() == Some(cluster.api_host());
    if !is_used || first.network.addressing != Addressing::Dhcp || of_first.mdns {
        return None;
    }
    Some(format!(
        "the kubeconfig names the first server {}, and nothing in its image answers for that name: avahi-daemon is not \
         enabled. Give the server an `address`, set `api` at the top of the cluster file, or replace the name in the \
         kubeconfig with the address that the node gets by DHCP",
        cluster.api_host()
    ))
}
