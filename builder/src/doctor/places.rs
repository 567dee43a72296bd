//! Places: what of a card may have secrets, and what of it this machine has mounted.

use std::fs;
use std::path::Path;

/// Files of the boot partition that may have secrets.
pub(super) const MAY_HAVE_SECRETS: [&str; 10] = [
    "user-data",
    "meta-data",
    "network-config",
    "vendor-data",
    "wpa_supplicant.conf",
    "userconf.txt",
    "userconf",
    "custom.toml",
    "hcimage.toml",
    "firstrun.sh",
];

/// Trees of the root that may have secrets, with their depths: of k3s without what containerd unpacks.
pub(super) const SECRET_TREES: [(&str, usize); 19] = [
    ("/etc/hcimage", 2),
    ("/etc/rancher", 4),
    ("/etc/NetworkManager", 2),
    ("/etc/wpa_supplicant", 1),
    ("/etc/systemd/network", 1),
    // Environment files of k3s lie beside its unit.
    ("/etc/systemd/system", 2),
    ("/etc/wireguard", 1),
    ("/etc/ssh", 1),
    ("/etc/cloud", 2),
    ("/etc/default", 0),
    ("/etc/sysconfig", 0),
    ("/etc/age", 1),
    ("/etc", 0),
    ("/root", 3),
    ("/home", 4),
    ("/var/lib/hcimage", 1),
    ("/var/lib/rancher/k3s/server", 4),
    ("/var/lib/rancher/k3s/agent", 0),
    ("/var/lib/cloud/seed", 3),
];

/// Whether a file of passwords is readable for a group.
pub(super) fn is_shadow(path: &str) -> bool {
    matches!(path, "/etc/shadow" | "/etc/gshadow" | "/etc/shadow-" | "/etc/gshadow-")
}

/// Whether every longer word of a private file is a key: files of settings have other words too.
pub(super) fn has_keys(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let ends =
        [".key", ".pem", "_key", "token", "password", "passwd", ".age", ".txt", "kubeconfig", ".netrc"];
    is_shadow(path)
        || ends.iter().any(|end| name.ends_with(end))
        || ["/tls/", "/cred/", "/.ssh/", "/etc/ssh/", "/etc/age/", "/etc/wireguard/"]
            .iter()
            .any(|dir| path.contains(dir))
}

/// Whether a disk or a partition of it is mounted on this machine.
pub(super) fn is_mounted(disk: &Path) -> bool {
    let disk = fs::canonicalize(disk).unwrap_or_else(|_| disk.to_owned());
    let Some(disk) = disk.to_str() else { return false };
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().filter_map(|line| line.split(' ').next()).any(|source| {
        source
            .strip_prefix(disk)
            .is_some_and(|rest| rest.trim_start_matches('p').chars().all(|c| c.is_ascii_digit()))
    })
}
