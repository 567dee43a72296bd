//! What a node's k3s is told of the node and its cluster. Which keys there are, whose they are, their defaults and which of
//! them an agent knows is in [`crate::formats::k3s_config::keys`].

use crate::cluster::Datastore;
use crate::formats::yaml::Node;
use crate::value::{BootstrapRole, Subnet};

use super::builder::PlanBuilder;
use super::error::PlanError;
use super::k3s_config::of_user;
use super::network;
use super::request::Request;

/// How each is computed. What is empty stays unsaid.
pub(super) fn add(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let (cluster, k3s, node) = (request.cluster, &request.cluster.k3s, request.node);
    let interface = network::interface(builder, request)?;
    let joins = joins(request).then(|| cluster.join_url()).flatten();
    let starts_etcd = matches!(cluster.datastore, Datastore::Etcd) && !node.bootstrap_role.joins();
    let labels = node.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let settings = [
        ("node-name", Node::text(&node.kube_name)),
        ("node-ip", optional(node.network.static_address())),
        // Needed with node-ip where there is no default route, else k3s stops.
        ("flannel-iface", optional(interface)),
        ("server", optional(joins)),
        ("node-label", Node::list(labels)),
        ("node-taint", Node::list(&node.taints)),
        ("prefer-bundled-bin", Node::Switch(builder.facts.old_iptables)),
        ("cluster-init", Node::Switch(starts_etcd)),
        ("flannel-backend", Node::text(k3s.flannel_backend.as_str())),
        ("cluster-cidr", subnets(&k3s.cluster_cidr)),
        ("service-cidr", subnets(&k3s.service_cidr)),
        ("tls-san", names(request)),
        ("disable", Node::list(k3s.disable.iter().map(|component| component.as_str()))),
    ];
    settings.into_iter().for_each(|(key, node)| builder.setting(key, node));
    for (key, setting) in &k3s.passed_on {
        builder.setting(key, of_user(None, setting));
    }
    Ok(())
}

fn optional(value: Option<impl ToString>) -> Node {
    Node::Text(value.map(|value| value.to_string()).unwrap_or_default())
}

fn subnets(subnets: &[Subnet]) -> Node {
    Node::Text(subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

/// Servers that share a database find each other in it (<https://docs.k3s.io/datastore/ha>); all others are told where.
fn joins(request: &Request<'_>) -> bool {
    match (request.node.bootstrap_role, &request.cluster.datastore) {
        (BootstrapRole::InitServer, _) | (BootstrapRole::JoinServer, Datastore::External(_)) => false,
        (BootstrapRole::JoinServer | BootstrapRole::Agent, _) => true,
    }
}

/// Names and addresses of the API. Where k3s makes its own authorities no kubeconfig names anything but the node itself.
fn names(request: &Request<'_>) -> Node {
    match request.secrets {
        Some(_) => Node::list(request.cluster.all_tls_san()),
        None => Node::List(Vec::new()),
    }
}
