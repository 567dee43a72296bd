//! The mount point of a data disk.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::text_value;

/// An absolute, normalized path where a disk can be mounted without hiding a part of the system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MountPoint(String);

/// Directories that the node needs to boot, or that hold what it must keep: a disk mounted on one would hide them.
const SYSTEM: [&str; 14] = [
    "/root",
    "/usr",
    "/usr/local",
    "/var",
    "/var/lib",
    "/var/lib/cloud",
    "/var/lib/dbus",
    "/var/lib/dhcpcd",
    "/var/lib/dpkg",
    "/var/lib/hcimage",
    "/var/lib/NetworkManager",
    "/var/lib/private",
    "/var/lib/systemd",
    "/var/tmp",
];

/// Directories that are the system's to the last: programs and their settings, what is there before any disk is mounted,
/// and what is made anew or emptied at each boot.
const WHOLE: [&str; 18] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/lost+found",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/sbin",
    "/usr/share",
];

impl MountPoint {
    /// The path as text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl FromStr for MountPoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::new("mount point", text, cause, hint));
        let Some(inside) = text.strip_prefix('/') else {
            return refuse("is not absolute", "begin it with a slash, such as /k8s-data");
        };
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        if inside.is_empty() {
            return refuse("is the root directory", "use a separate directory, such as /k8s-data");
        }
        if text.chars().any(char::is_control) {
            return refuse("has a control character", "use a plain path, such as /k8s-data");
        }
        if inside.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("is not a plain path", "remove '.', '..' and double slashes");
        }
        let path = format!("/{inside}");
        let is_inside =
            |dir: &&str| path.strip_prefix(*dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if SYSTEM.contains(&path.as_str()) || WHOLE.iter().any(is_inside) {
            return refuse(
                "would hide a part of the system",
                "use a separate directory, such as /k8s-data or /srv/data",
            );
        }
        Ok(Self(path))
    }
}

impl fmt::Display for MountPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(MountPoint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_a_plain_path_that_hides_no_system_directory() {
        for (good, want) in [
            ("/k8s-data", "/k8s-data"),
            ("/k8s-data/", "/k8s-data"),
            ("/var/lib/rancher", "/var/lib/rancher"),
            ("/srv/my data", "/srv/my data"),
            ("/usr/local/data", "/usr/local/data"),
            ("/etcetera", "/etcetera"),
            ("/var/log", "/var/log"),
        ] {
            assert_eq!(good.parse::<MountPoint>().unwrap().as_str(), want);
        }
        for (bad, want) in [
            ("", "not absolute"),
            ("data", "not absolute"),
            ("/", "the root"),
            ("//", "the root"),
            ("/a//b", "not a plain path"),
            ("/a/../b", "not a plain path"),
            ("/a/.", "not a plain path"),
            ("/a\nb", "control character"),
            ("/etc", "hide a part"),
            ("/usr/", "hide a part"),
            ("/dev/shm", "hide a part"),
            ("/etc/rancher", "hide a part"),
            ("/usr/lib/systemd", "hide a part"),
            ("/var/lib/dpkg", "hide a part"),
            ("/boot/firmware", "hide a part"),
        ] {
            let error = bad.parse::<MountPoint>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }
}
