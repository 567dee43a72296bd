//! A cluster that exists already: what belongs to making one has no place beside it.

use crate::cluster::field::Span;
use crate::cluster::field_type::DatastoreKind;
use crate::cluster::file::{File, JoinTable};
use crate::cluster::problem::Problems;
use crate::value::{Host, NodeAddress, Role};

use super::of_role;

pub(super) fn check(file: &File, problems: &mut Problems<'_>) {
    let Some(join) = &file.join else { return };
    let unused: [(&str, Option<&Span>, &str); 4] = [
        (
            "api",
            file.api.as_ref().map(|field| &field.span),
            "nodes join at `server`, and no kubeconfig is written",
        ),
        (
            "manifests",
            file.manifests.first().map(|field| &field.span),
            "the server that starts a cluster applies them; use kubectl",
        ),
        (
            "token",
            file.k3s.token.as_ref().map(|field| &field.span),
            "the cluster has its token; set it in [join]",
        ),
        (
            "agent-token",
            file.k3s.agent_token.as_ref().map(|field| &field.span),
            "the cluster has its token; set it in [join]",
        ),
    ];
    for (key, span, why) in unused {
        if let Some(span) = span {
            problems.error(span, format!("`{key}` cannot be used with [join]: {why}"), "remove it");
        }
    }
    address(file, join, problems);
    if problems.is_whole() {
        datastore(file, problems);
    }
}

/// A node cannot have the address of the server that it joins.
fn address(file: &File, join: &JoinTable, problems: &mut Problems<'_>) {
    let Some(Host::Address(server)) = join.server.as_ref().map(|field| field.value.host()) else { return };
    for address in file.nodes.iter().filter_map(|node| node.address.as_ref()) {
        if address.value == NodeAddress::Fixed(*server) {
            problems.error(
                &address.span,
                format!("{server} is the address of the server in [join]"),
                "give the node another address; a server of that cluster is not a node of this file",
            );
        }
    }
}

/// SQLite is a file on the one server of its cluster.
fn datastore(file: &File, problems: &mut Problems<'_>) {
    let kind = file.k3s.datastore.as_ref().map_or(DatastoreKind::Sqlite, |field| field.value);
    let server = of_role(file, Role::Server).find_map(|node| node.role.as_ref());
    if let Some(role) = server.filter(|_| kind == DatastoreKind::Sqlite) {
        problems.error(
            &role.span,
            "a further server cannot join a cluster with SQLite, which is a file on one server",
            "set `datastore` in [k3s] to that of the cluster, etcd or external, or make the node an agent",
        );
    }
}
