//! Detects the network service by its enabling links and its configuration files.

use hc_common::network::{NetworkStack, dhcpcd_conf, interfaces};

use crate::fs::{ImagePath, Kind};

use super::error::OsError;
use super::image::fixed;
use super::probe::root;
use super::snapshot::Snapshot;
use super::tree::Tree;

const ENABLED: &str = "/etc/systemd/system";

/// All services that would set up an interface.
pub(super) fn active(tree: &Tree, files: &mut Snapshot) -> Result<Vec<NetworkStack>, OsError> {
    let mut active = Vec::new();
    for stack in NetworkStack::ALL {
        if is_active(stack, tree, files, &active)? {
            active.push(stack);
        }
    }
    Ok(active)
}

/// Whether a service sets up an interface; `before` are those of [`NetworkStack::ALL`] in front of it that do.
fn is_active(
    stack: NetworkStack,
    tree: &Tree,
    files: &mut Snapshot,
    before: &[NetworkStack],
) -> Result<bool, OsError> {
    match stack {
        NetworkStack::NetworkManager => enabled(tree, "NetworkManager.service"),
        // The service may be enabled and its configuration gone; then it is not the one that sets up the network.
        NetworkStack::Dhcpcd => {
            Ok(enabled(tree, "dhcpcd.service")? && text(tree, files, dhcpcd_conf::PATH)?.is_some())
        }
        NetworkStack::Ifupdown => {
            Ok(enabled(tree, "networking.service")? && ifupdown_has_interface(tree, files)?)
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

fn ifupdown_has_interface(tree: &Tree, files: &mut Snapshot) -> Result<bool, OsError> {
    let main = text(tree, files, interfaces::PATH)?.unwrap_or_default();
    let mut texts = vec![main.to_owned()];
    if interfaces::reads_dir(main) {
        for path in names(tree, interfaces::DIR, "")? {
            texts.extend(files.take_text(tree, &path).map_err(root)?.map(str::to_owned));
        }
    }
    Ok(texts.iter().any(|text| !interfaces::configured(text).is_empty()))
}

fn text<'f>(tree: &Tree, files: &'f mut Snapshot, path: &str) -> Result<Option<&'f str>, OsError> {
    files.take_text(tree, &fixed(path)).map_err(root)
}

fn enabled(tree: &Tree, unit: &str) -> Result<bool, OsError> {
    for target in ["multi-user.target.wants", "network-online.target.wants"] {
        if is_there(tree, &format!("{ENABLED}/{target}/{unit}"))? {
            return Ok(true);
        }
    }
    Ok(false)
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
