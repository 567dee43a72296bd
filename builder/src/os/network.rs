//! Detects the network service by its enabling links and its configuration files.

use hc_common::network::interfaces::Parts;
use hc_common::network::{FileError, FileProblem, NetworkStack, dhcpcd_conf, interfaces};

use crate::fs::{ImagePath, Kind};

use super::error::OsError;
use super::image::fixed;
use super::probe::root;
use super::snapshot::Snapshot;
use super::tree::Tree;

const ENABLED: &str = "/etc/systemd/system";

/// More files and directories than these are no configuration of ifupdown.
const MOST_SOURCES: usize = 64;

/// All services that would set up an interface.
pub(super) fn active(tree: &Tree, files: &mut Snapshot) -> Result<Vec<NetworkStack>, OsError> {
    let parts = ifupdown_parts(tree, files)?;
    let mut active = Vec::new();
    for stack in NetworkStack::ALL {
        if is_active(stack, tree, files, &parts, &active)? {
            active.push(stack);
        }
    }
    // One that sets up nothing yet is the image's service all the same.
    if active.is_empty() && enabled(tree, "networking.service")? {
        active.push(NetworkStack::Ifupdown);
    }
    Ok(active)
}

/// What ifupdown reads, also where another service looks into it. What its files name is taken on the way. A file that is
/// no text counts only where a plan needs it.
fn ifupdown_parts(tree: &Tree, files: &mut Snapshot) -> Result<Parts, OsError> {
    for _ in 0..MOST_SOURCES {
        let path = match interfaces::read_all(files) {
            Ok(parts) => return Ok(parts),
            Err(FileError { path, problem: FileProblem::NotTaken }) => path,
            Err(_) => return Ok(Parts::default()),
        };
        let Ok(path) = ImagePath::parse(&path) else { return Ok(Parts::default()) };
        if tree.kind(&path).map_err(root)? == Some(Kind::Dir) {
            files.take_config_dir(tree, &path).map_err(root)?;
        } else {
            files.take_followed(tree, &path).map_err(root)?;
        }
    }
    let problem = "its lines `source` name too many files and directories".to_owned();
    Err(OsError::File { path: interfaces::PATH.to_owned(), problem })
}

/// Whether a service sets up an interface; `before` are those of [`NetworkStack::ALL`] in front of it that do.
fn is_active(
    stack: NetworkStack,
    tree: &Tree,
    files: &mut Snapshot,
    parts: &Parts,
    before: &[NetworkStack],
) -> Result<bool, OsError> {
    match stack {
        NetworkStack::NetworkManager => enabled(tree, "NetworkManager.service"),
        // The service may be enabled and its configuration gone; then it is not the one that sets up the network.
        NetworkStack::Dhcpcd => {
            Ok(enabled(tree, "dhcpcd.service")? && text(tree, files, dhcpcd_conf::PATH)?.is_some())
        }
        NetworkStack::Ifupdown => {
            let sets_up = parts.files.iter().any(|(_, text)| !interfaces::configured(text).is_empty());
            Ok(sets_up && enabled(tree, "networking.service")?)
        }
        // netplan's generator starts systemd-networkd itself. What makes its files for another service has that enabled.
        NetworkStack::Netplan => Ok(before.is_empty() && exists(tree, "/usr/sbin/netplan")?),
        // Behind netplan only where the base has files of its own.
        NetworkStack::Networkd => {
            let behind_netplan = before.contains(&NetworkStack::Netplan);
            let own_files = || names(tree, "/etc/systemd/network", ".network").map(|names| !names.is_empty());
            Ok(enabled(tree, "systemd-networkd.service")? && (!behind_netplan || own_files()?))
        }
    }
}

/// Whether a program answers for the machine's name with `.local`.
pub(super) fn mdns(tree: &Tree) -> Result<bool, OsError> {
    enabled(tree, "avahi-daemon.service")
}

/// Whether a resolver gets name servers from systemd-networkd or ifupdown.
pub(super) fn resolver(tree: &Tree) -> Result<bool, OsError> {
    for hook in [
        "/etc/systemd/system/dbus-org.freedesktop.resolve1.service",
        "/etc/network/if-up.d/000resolvconf",
        "/etc/network/if-up.d/resolved",
    ] {
        if is_there(tree, hook)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn text<'f>(tree: &Tree, files: &'f mut Snapshot, path: &str) -> Result<Option<&'f str>, OsError> {
    files.take_text(tree, &fixed(path)).map_err(root)
}

/// Whether a target starts the unit. A masked one never starts, whatever links there are.
fn enabled(tree: &Tree, unit: &str) -> Result<bool, OsError> {
    if is_masked(tree, unit)? {
        return Ok(false);
    }
    for target in ["multi-user.target.wants", "network-online.target.wants"] {
        if is_there(tree, &format!("{ENABLED}/{target}/{unit}"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the unit is a link to `/dev/null`, or an empty file (systemd.unit(5)).
fn is_masked(tree: &Tree, unit: &str) -> Result<bool, OsError> {
    let path = fixed(&format!("{ENABLED}/{unit}"));
    Ok(match tree.stat(&path).map_err(root)? {
        Some(stat) if stat.kind == Kind::Symlink => {
            tree.read_link(&path).map_err(root)?.ends_with("/dev/null")
        }
        Some(stat) => stat.kind == Kind::File && stat.size == 0,
        None => false,
    })
}

/// Whether the name exists, including a dangling link, which may lead to another partition of the running system.
fn is_there(tree: &Tree, path: &str) -> Result<bool, OsError> {
    Ok(tree.stat(&fixed(path)).map_err(root)?.is_some())
}

fn exists(tree: &Tree, path: &str) -> Result<bool, OsError> {
    tree.exists(&fixed(path)).map_err(root)
}

fn names(tree: &Tree, dir: &str, suffix: &str) -> Result<Vec<ImagePath>, OsError> {
    let dir = fixed(dir);
    if tree.kind(&dir).map_err(root)? != Some(Kind::Dir) {
        return Ok(Vec::new());
    }
    let entries = tree.list(&tree.resolve(&dir).map_err(root)?).map_err(root)?;
    let names = entries.iter().map(|entry| entry.name.as_str()).filter(|name| name.ends_with(suffix));
    // A name that is not a valid path cannot be used by a program of the image either.
    Ok(names.filter_map(|name| dir.join(name).ok()).collect())
}
