//! What the values of a seed must be.

use std::path::{Component, Path};

use super::{AGENT_UNIT, BundleFile, DataDisk, Folder, SERVER_UNIT, Seed, SeedError};
use crate::sntp::Server;

/// Bytes in the label of an ext4 file system (`s_volume_name`), the longest that a data disk may have.
const LABEL_BYTES: usize = 16;

/// The longest wait that makes sense, one day; it also keeps sums of waits far from overflow.
const LONGEST_WAIT: u64 = 86_400;

type Checked = Result<(), SeedError>;

impl Seed {
    /// Judges every value; the first wrong one is named.
    pub(super) fn check(&self) -> Checked {
        hostname("node.hostname", &self.node.hostname)?;
        wait("network.wait_seconds", self.network.wait_seconds)?;
        self.check_clock()?;
        if let Some(disk) = &self.data_disk {
            data_disk(disk)?;
        }
        self.check_k3s()?;
        absolute("report.boot_folder", &self.report.boot_folder)?;
        self.bundle.iter().enumerate().try_for_each(|(i, file)| bundle_file(i, file))
    }

    fn check_clock(&self) -> Checked {
        number("clock.floor", self.clock.floor)?;
        wait("clock.wait_seconds", self.clock.wait_seconds)?;
        for (i, name) in self.clock.ntp.iter().enumerate() {
            let right = name.parse::<Server>().map(|_| ()).map_err(|e| e.to_string());
            right.map_err(|problem| value(format!("clock.ntp[{i}]"), problem))?;
        }
        Ok(())
    }

    fn check_k3s(&self) -> Checked {
        if self.k3s.unit != SERVER_UNIT && self.k3s.unit != AGENT_UNIT {
            let problem = format!("{:?} is neither {SERVER_UNIT} nor {AGENT_UNIT}", self.k3s.unit);
            return Err(value("k3s.unit", problem));
        }
        if self.k3s.ready_seconds == 0 {
            return Err(value("k3s.ready_seconds", "0 gives the node no time to become ready"));
        }
        wait("k3s.ready_seconds", self.k3s.ready_seconds)
    }
}

fn value(place: impl Into<String>, problem: impl Into<String>) -> SeedError {
    SeedError::Value { place: place.into(), problem: problem.into() }
}

/// RFC 1123, 2.1: letters, digits and hyphens, none at either end, at most 63; lower case because Kubernetes
/// takes it as the name of the node.
fn hostname(place: &str, name: &str) -> Checked {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let right = (1..=63).contains(&name.len())
        && name.bytes().all(|b| plain(b) || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if right {
        return Ok(());
    }
    let problem =
        "1 to 63 lower-case letters, digits and hyphens are accepted, with no hyphen at the ends (RFC 1123)";
    Err(value(place, format!("{name:?} is not a host name: {problem}")))
}

fn wait(place: &str, seconds: u64) -> Checked {
    if seconds <= LONGEST_WAIT {
        return Ok(());
    }
    Err(value(place, format!("{seconds} seconds is more than a day ({LONGEST_WAIT})")))
}

/// TOML has signed 64-bit integers only.
fn number(place: &str, number: u64) -> Checked {
    i64::try_from(number).map(|_| ()).map_err(|_| value(place, format!("{number} is out of range")))
}

/// Absolute, and nothing in it that means another place than it reads.
fn absolute(place: &str, path: &Path) -> Checked {
    let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    if path.is_absolute() && path.components().all(plain) && printable(path) {
        return Ok(());
    }
    Err(value(place, format!("{path:?} is not an absolute path without `..`")))
}

fn printable(path: &Path) -> bool {
    path.to_str().is_some_and(|text| !text.chars().any(char::is_control))
}

fn data_disk(disk: &DataDisk) -> Checked {
    let label = &disk.label;
    if !(1..=LABEL_BYTES).contains(&label.len()) {
        let problem = format!("{label:?} has {} bytes, a label has 1 to {LABEL_BYTES}", label.len());
        return Err(value("data_disk.label", problem));
    }
    if label.contains('/') || label.chars().any(char::is_control) {
        return Err(value("data_disk.label", format!("{label:?} has a slash or a control character")));
    }
    absolute("data_disk.mount", &disk.mount)?;
    if disk.mount == Path::new("/") {
        return Err(value("data_disk.mount", "the data disk cannot be mounted over the root"));
    }
    wait("data_disk.wait_seconds", disk.wait_seconds)?;
    disk.folders.iter().enumerate().try_for_each(|(i, made)| folder(i, made))
}

fn folder(i: usize, folder: &Folder) -> Checked {
    let path = &folder.path;
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || path.as_os_str().is_empty() || !printable(path) {
        let problem = format!("{path:?} is not a path below the mount point (relative, without `..`)");
        return Err(value(format!("data_disk.folders[{i}].path"), problem));
    }
    if folder.mode > 0o7777 {
        let problem = format!("{:o} has more than permission bits (7777)", folder.mode);
        return Err(value(format!("data_disk.folders[{i}].mode"), problem));
    }
    Ok(())
}

fn bundle_file(i: usize, file: &BundleFile) -> Checked {
    absolute(&format!("bundle[{i}].path"), &file.path)?;
    number(&format!("bundle[{i}].size"), file.size)?;
    let digest = &file.sha256;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digest.len() == 64 && digest.bytes().all(hex) {
        return Ok(());
    }
    Err(value(format!("bundle[{i}].sha256"), format!("{digest:?} is not 64 lower-case hex digits")))
}
