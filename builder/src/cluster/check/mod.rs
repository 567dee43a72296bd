//! Checks of several keys together: the parts of a file against each other and against the boards.
//!
//! They run on all parts that could be read. A check for a missing part calls [`Problems::is_whole`] first.

mod base;
mod charts;
mod cidr;
mod control_plane;
mod extras;
mod join;
mod network;
mod node_choice;
mod nodes;
mod packages;
mod registries;
mod routes;
mod settings;
mod unique;

pub use base::{CgroupV1Unsupported, check_base};

use std::net::IpAddr;

use crate::board::Boards;
use crate::value::{NodeAddress, Role};

use super::file::{File, NodeTable};
use super::problem::Problems;

/// Runs all checks.
pub(super) fn all(file: &File, boards: &Boards, problems: &mut Problems<'_>) {
    nodes::check(file, boards, problems);
    control_plane::count(file, problems);
    control_plane::storage(file, boards, problems);
    join::check(file, problems);
    network::check(file, problems);
    cidr::check(file, problems);
    routes::check(file, problems);
    settings::check(file, problems);
    extras::check(file, problems);
    registries::check(file, problems);
    charts::check(file, problems);
    packages::check(file, problems);
}

/// The node's fixed address; none is DHCP.
fn fixed_address(node: &NodeTable) -> Option<IpAddr> {
    match node.address.as_ref()?.value {
        NodeAddress::Fixed(address) => Some(address),
        NodeAddress::Dhcp => None,
    }
}

fn of_role(file: &File, role: Role) -> impl Iterator<Item = &NodeTable> {
    file.nodes.iter().filter(move |node| node.role.as_ref().is_some_and(|field| field.value == role))
}
