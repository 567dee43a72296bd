//! Where a data disk is mounted.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::text_value;

/// An absolute, plain path on which a disk may be mounted without hiding a part of the system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MountPoint(String);

/// Directories of the system: a disk mounted on one would hide what the node boots from.
const SYSTEM: [&str; 14] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp",
    "/usr", "/var",
];

/// Made anew by the kernel at each boot: nothing below them is on the disk.
const VIRTUAL: [&str; 4] = ["/dev/", "/proc/", "/run/", "/sys/"];

impl MountPoint {
    /// The path as text, without a closing slash.
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
            return refuse("is the root of the system", "name a directory of its own, such as /k8s-data");
        }
        if text.chars().any(char::is_control) {
            return refuse("has a control character", "name a plain directory, such as /k8s-data");
        }
        if inside.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("is not a plain path", "leave out '.', '..' and doubled slashes");
        }
        let path = format!("/{inside}");
        if SYSTEM.contains(&path.as_str()) || VIRTUAL.iter().any(|dir| path.starts_with(dir)) {
            return refuse(
                "would hide a part of the system",
                "name a directory of its own, such as /k8s-data or /srv/data",
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
    fn mount_points_are_plain_and_hide_nothing() {
        for (good, want) in [
            ("/k8s-data", "/k8s-data"),
            ("/k8s-data/", "/k8s-data"),
            ("/var/lib/rancher", "/var/lib/rancher"),
            ("/srv/my data", "/srv/my data"),
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
        ] {
            let error = bad.parse::<MountPoint>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }
}
