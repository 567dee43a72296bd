//! Detects the network service by its enabling links and its configuration files.

use crate::formats::interfaces;
use crate::fs::{ImagePath, Kind};

use super::error::OsError;
use super::facts::NetworkStack;
use super::image::fixed;
use super::probe::root;
use super::snapshot::Snapshot;
use super::tree::Tree;

const ENABLED: &str = "/etc/systemd/system";

/// All services that would configure an interface. Adds the files of ifupdown and rfkill to `files`.
pub(super) fn active(tree: &Tree, files: &mut Snapshot) -> Result<Vec<NetworkStack>, OsError> {
    take_all(tree, files, interfaces::DIR)?;
    take_all(tree, files, "/var/lib/systemd/rfkill")?;
    let mut active = Vec::new();
    if enabled(tree, "NetworkManager.service")? {
        active.push(NetworkStack::NetworkManager);
    }
    // Without its configuration an enabled service does not configure the network.
    if enabled(tree, "dhcpcd.service")? && files.text(&fixed("/etc/dhcpcd.conf")).is_some() {
        active.push(NetworkStack::Dhcpcd);
    }
    if enabled(tree, "networking.service")? && ifupdown_has_interface(files) {
        active.push(NetworkStack::Ifupdown);
    }
    // netplan's generator starts systemd-networkd itself. If it generates files for another service, that one is enabled.
    let netplan = exists(tree, "/usr/sbin/netplan")? && active.is_empty();
    let own_files = !names(tree, "/etc/systemd/network", ".network")?.is_empty();
    if netplan {
        active.push(NetworkStack::Netplan);
    }
    let networkd = enabled(tree, "systemd-networkd.service")?;
    if networkd && (!netplan || own_files) {
        active.push(NetworkStack::Networkd);
    }
    Ok(active)
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

fn ifupdown_has_interface(files: &Snapshot) -> bool {
    let main = files.text(&fixed(interfaces::PATH)).unwrap_or_default();
    let dir = fixed(interfaces::DIR);
    let others = files.below(&dir).filter_map(|(path, _)| files.text(path));
    let others = others.filter(|_| interfaces::reads_dir(main));
    std::iter::once(main).chain(others).any(|text| !interfaces::configured(text).is_empty())
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

fn take_all(tree: &Tree, files: &mut Snapshot, dir: &str) -> Result<(), OsError> {
    for path in names(tree, dir, "")? {
        files.take(tree, &path).map_err(root)?;
    }
    Ok(())
}
