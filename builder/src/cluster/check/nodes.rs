//! Nodes: names, hardware, boards, labels and taints.

use crate::board::Boards;
use crate::cluster::file::{File, NodeTable};
use crate::cluster::problem::Problems;
use crate::cluster::suggest::nearest;
use crate::value::{DomainName, NodeAddress};

use super::unique;

/// Kubernetes itself is made for clusters of up to 5000 nodes.
const MOST_NODES: usize = 5000;

pub(super) fn check(file: &File, boards: &Boards, problems: &mut Problems<'_>) {
    if let Some(first) = file.nodes.get(MOST_NODES).and_then(|node| node.name.as_ref()) {
        let hint = format!("k3s supports far fewer; at most {MOST_NODES} can be named");
        problems.error(&first.span, format!("{} nodes are too many", file.nodes.len()), hint);
        return;
    }
    twice(file, problems);
    for node in &file.nodes {
        board(node, boards, problems);
        full_name(node, file, problems);
        taints(node, problems);
    }
    for (key, _) in &file.boards.0 {
        unknown_board(&key.value.0, &key.span, boards, problems);
        let known = boards.get(&key.value.0).is_ok();
        if known
            && problems.is_whole()
            && !file.nodes.iter().any(|node| node.board.as_ref().is_some_and(|used| used.value == key.value))
        {
            problems.warning(
                &key.span,
                format!("unused board {:?}: no node has it", key.value.0),
                "remove the table",
            );
        }
    }
}

fn twice(file: &File, problems: &mut Problems<'_>) {
    let names = file.nodes.iter().filter_map(|node| node.name.as_ref()).map(|name| (&name.value, &name.span));
    let message = |name: &&_| format!("duplicate node name {name}");
    unique::check(problems, names, message, "give each node a unique name");

    let fixed = file.nodes.iter().flat_map(|node| {
        let first = node.address.as_ref().and_then(|address| match address.value {
            NodeAddress::Fixed(ip) => Some((ip, &address.span)),
            NodeAddress::Dhcp => None,
        });
        first.into_iter().chain(node.more_addresses.iter().map(|field| (field.value.ip(), &field.span)))
    });
    let message = |address: &_| format!("duplicate node address {address}");
    unique::check(problems, fixed, message, "give each node a unique address");

    let macs = file.nodes.iter().filter_map(|node| node.mac.as_ref()).map(|mac| (mac.value, &mac.span));
    let message = |mac: &_| format!("duplicate MAC address {mac}");
    unique::check(problems, macs, message, "use the address of this node's own network port");

    let serials = file.nodes.iter().filter_map(|node| node.serial.as_ref()).map(|s| (&s.value, &s.span));
    let message = |serial: &&_| format!("duplicate serial number {serial}");
    unique::check(problems, serials, message, "use the number of this node's own board");
}

fn board(node: &NodeTable, boards: &Boards, problems: &mut Problems<'_>) {
    let Some(board) = &node.board else { return };
    unknown_board(&board.value.0, &board.span, boards, problems);
    let Ok(profile) = boards.get(&board.value.0) else { return };
    if let Some(warning) = &profile.warning {
        problems.warning(&board.span, &warning.message, &warning.hint);
    }
    let Some(role) = &node.role else { return };
    if !profile.roles.contains(&role.value) {
        let can = profile.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        problems.error(
            &role.span,
            format!("board {} cannot have the role {}", profile.name, role.value),
            format!("use the role {can}, or another board"),
        );
    }
}

fn unknown_board(name: &str, span: &std::ops::Range<usize>, boards: &Boards, problems: &mut Problems<'_>) {
    if boards.get(name).is_err() {
        let hint = match nearest(name, boards.names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known boards: {}", boards.names().collect::<Vec<_>>().join(", ")),
        };
        problems.error(span, format!("unknown board {name:?}"), hint);
    }
}

/// The full name, host name and domain, has a maximum length.
fn full_name(node: &NodeTable, file: &File, problems: &mut Problems<'_>) {
    let Some(name) = &node.name else { return };
    let domain = file.network.domain.as_ref().map(|domain| &domain.value);
    if domain.is_some_and(|domain: &DomainName| domain.host(&name.value).is_none()) {
        problems.error(
            &name.span,
            "the host name with the domain of [network] is too long",
            "shorten one of them: DNS allows 253 characters",
        );
    }
}

fn taints(node: &NodeTable, problems: &mut Problems<'_>) {
    let taints = node.taints.iter().map(|taint| (taint.value.identity(), &taint.span));
    let message = |(key, effect): &(&str, &str)| format!("duplicate taint {key} with effect {effect}");
    unique::check(problems, taints, message, "remove one of the two");
    for taint in &node.taints {
        if taint.value.identity().0.starts_with("node.kubernetes.io/") {
            problems.warning(
                &taint.span,
                "Kubernetes itself sets and removes taints of node.kubernetes.io",
                "use a key with your own prefix",
            );
        }
    }
}
