//! The servers: their number and the storage of their state.

use hc_common::paths::K3S_DATASTORE_DIR;

use crate::arch::Arch;
use crate::board::{Boards, Storage};
use crate::cluster::field_type::DatastoreKind;
use crate::cluster::file::File;
use crate::cluster::problem::Problems;
use crate::value::{NodeAddress, Role};

use super::extras::K3S;
use super::of_role;

fn kind(file: &File) -> DatastoreKind {
    file.k3s.datastore.as_ref().map_or(DatastoreKind::Sqlite, |field| field.value)
}

/// Whether the number of servers fits the datastore.
pub(super) fn count(file: &File, problems: &mut Problems<'_>) {
    if !problems.is_whole() {
        return;
    }
    let servers: Vec<_> = of_role(file, Role::Server).filter_map(|node| node.role.as_ref()).collect();
    let first_node = file.nodes.first().and_then(|node| node.name.as_ref());
    match (kind(file), servers.as_slice()) {
        (_, []) if first_node.is_none() => problems.error(
            &(0..0),
            "the cluster has no nodes",
            "add a [[nodes]] table with name, role and board for each node",
        ),
        // The servers of a cluster that exists are not in this file.
        _ if file.join.is_some() => {}
        (_, []) => problems.error(
            &first_node.map_or(0..0, |node| node.span.clone()),
            "the cluster has no server for its agents to join",
            "give one node the role server, or name the cluster that they join in [join]",
        ),
        (DatastoreKind::Sqlite, [_, second, ..]) => problems.error(
            &second.span,
            format!("{} servers cannot share SQLite, which is a file on one server", servers.len()),
            "use one server and make the others agents, or set `datastore = \"etcd\"` in [k3s] with three servers",
        ),
        (DatastoreKind::Etcd, [.., last]) if servers.len() % 2 == 0 => problems.error(
            &last.span,
            format!(
                "{} servers with etcd tolerate no more failures than {}: etcd needs more than half of the servers",
                servers.len(),
                servers.len().saturating_sub(1)
            ),
            "use an odd number of servers: add one, or make this one an agent",
        ),
        _ => {}
    }
    external(file, problems);
    on_data_disk(file, problems);
}

/// The state of the cluster on data disks.
fn on_data_disk(file: &File, problems: &mut Problems<'_>) {
    let Some(disk) = &file.data_disk else { return };
    let Some(wanted) = disk.datastore.as_ref().filter(|wanted| wanted.value) else { return };
    if kind(file) == DatastoreKind::External {
        problems.error(
            &wanted.span,
            "the state of this cluster is in the database of [external-datastore]",
            "remove `datastore` from [data-disk]",
        );
        return;
    }
    if let Some(mount) = disk.mount.as_ref().filter(|mount| mount.value.as_path().starts_with(K3S)) {
        problems.error(
            &mount.span,
            format!("a disk at {} cannot have the datastore in a directory of its own", mount.value),
            "remove `mount`, or choose one that is not below /var/lib/rancher/k3s, such as /k8s-data",
        );
    }
    if of_role(file, Role::Server).next().is_none() {
        problems.error(
            &wanted.span,
            "no node of this file is a server, and only servers have a datastore",
            "remove `datastore` from [data-disk]",
        );
    }
    for node in of_role(file, Role::Server) {
        if let Some(none) = node.data_disk.as_ref().filter(|has_disk| !has_disk.value) {
            problems.error(
                &none.span,
                "the datastore of this server is to be on its data disk, and it has none",
                "remove `data-disk = false` here, or `datastore` from [data-disk]",
            );
        }
    }
}

fn external(file: &File, problems: &mut Problems<'_>) {
    let given = file.external_datastore.as_ref();
    let endpoint = given.and_then(|table| table.endpoint.as_ref());
    match (&file.k3s.datastore, kind(file), given) {
        (Some(datastore), DatastoreKind::External, None) => problems.error(
            &datastore.span,
            "missing [external-datastore] for `datastore = \"external\"`",
            "add a table [external-datastore] with its `endpoint`",
        ),
        (_, DatastoreKind::Sqlite | DatastoreKind::Etcd, Some(_)) => problems.error(
            &endpoint.map_or(0..0, |endpoint| endpoint.span.clone()),
            "[external-datastore] is not used",
            "set `datastore = \"external\"` in [k3s], or remove the table",
        ),
        _ => {}
    }
}

/// The requirements of etcd: fast storage, a supported architecture, fixed addresses.
pub(super) fn storage(file: &File, boards: &Boards, problems: &mut Problems<'_>) {
    if kind(file) != DatastoreKind::Etcd {
        return;
    }
    let disk = file.data_disk.as_ref();
    let holds_state = disk.is_some_and(|disk| {
        disk.datastore.as_ref().is_some_and(|wanted| wanted.value)
            || disk.mount.as_ref().is_some_and(|mount| mount.value.as_str() == K3S_DATASTORE_DIR)
    });
    for node in of_role(file, Role::Server) {
        let Some(board) = &node.board else { continue };
        let has_disk = node.data_disk.as_ref().is_none_or(|field| field.value);
        let on_card = boards.get(&board.value.0).is_ok_and(|board| board.storage == Storage::Card);
        if on_card && !(holds_state && has_disk) {
            problems.warning(
                &board.span,
                "etcd syncs each of its many writes: SD cards and eMMC are too slow and wear out",
                "give the servers a [data-disk] with `datastore = true`, or boot the board from an SSD",
            );
        }
        if boards.get(&board.value.0).is_ok_and(|board| board.architecture == Arch::Armv7) {
            // etcd 3.5 listed 32-bit Arm as unstable; later versions do not list it (its documentation, "Supported
            // platforms").
            problems.warning(
                &board.span,
                "etcd does not support 32-bit processors",
                "use 64-bit boards as servers, or sqlite with this node as the only server",
            );
        }
        let by_dhcp = node.address.as_ref().is_none_or(|address| address.value == NodeAddress::Dhcp);
        if by_dhcp && problems.is_whole() {
            let span = node.address.as_ref().map(|address| &address.span);
            problems.warning(
                span.or(node.name.as_ref().map(|name| &name.span)).unwrap_or(&(0..0)),
                "etcd identifies its members by address, which DHCP may change",
                "give the server a fixed address, or reserve one for it in your DHCP server",
            );
        }
    }
}
