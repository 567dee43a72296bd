//! What the values of a seed must be.

use std::collections::BTreeSet;
use std::path::Path;

use hc_common::value::Hostname;

use super::value::is_subdomain;
use super::{BundleFile, DataDisk, Dir, Etcd, InitServer, Join, Network, Report, Role, Seed, SeedError};

/// The longest wait that makes sense, one day; it also keeps sums of waits far from overflow.
const LONGEST_WAIT: u64 = 86_400;

/// The longest time that the page stays after Ready: a day, in minutes.
const LONGEST_PAGE: u64 = 1440;

type Checked = Result<(), SeedError>;

impl Seed {
    /// Checks every value; the error names the first invalid one.
    pub(super) fn check(&self) -> Checked {
        if self.cluster.name.is_empty() || self.cluster.name.chars().any(char::is_control) {
            return Err(value("cluster.name", "it is empty or has a control character"));
        }
        match &self.role {
            Role::InitServer(first) => init_server(first, &self.node.hostname)?,
            Role::Server(join) => check_join("role.server", join)?,
            Role::Agent(join) => check_join("role.agent", join)?,
        }
        if let Some(shared) = &self.etcd {
            etcd(shared, &self.role)?;
        }
        self.network.check()?;
        self.check_clock()?;
        for (i, path) in self.raw_disks.iter().enumerate() {
            let place = format!("raw_disks[{i}]");
            absolute(&place, path)?;
            if !path.starts_with("/dev") {
                return Err(value(place, format!("{path:?} is no path below /dev")));
            }
        }
        if let Some(disk) = &self.data_disk {
            data_disk(disk)?;
        }
        self.check_k3s()?;
        for (i, path) in self.secrets.remove.iter().enumerate() {
            absolute(&format!("secrets.remove[{i}]"), path)?;
        }
        absolute("report.boot_dir", &self.report.boot_dir)?;
        self.report.check()?;
        self.bundle.iter().enumerate().try_for_each(|(i, file)| bundle_file(i, file))
    }

    fn check_clock(&self) -> Checked {
        let clock = &self.clock;
        number("clock.floor", clock.floor)?;
        if let Some(start) = clock.ca_not_before.filter(|start| *start > clock.floor) {
            let problem = format!("{start} is later than clock.floor, {}: backdate the CAs", clock.floor);
            return Err(value("clock.ca_not_before", problem));
        }
        if let Some(end) = clock.ca_not_after.filter(|end| *end <= clock.floor) {
            let problem = format!("{end} is not later than clock.floor, {}: the CAs are over", clock.floor);
            return Err(value("clock.ca_not_after", problem));
        }
        wait("clock.wait_seconds", clock.wait_seconds)?;
        Ok(())
    }

    fn check_k3s(&self) -> Checked {
        if self.k3s.ready_seconds == 0 {
            return Err(value("k3s.ready_seconds", "0 gives the node no time to become ready"));
        }
        wait("k3s.ready_seconds", self.k3s.ready_seconds)?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        match self.k3s.modules.iter().position(|name| name.is_empty() || !name.bytes().all(plain)) {
            None => Ok(()),
            Some(i) => {
                let problem = "a kernel module has lower-case letters, digits and `_` in its name";
                Err(value(format!("k3s.modules[{i}]"), problem))
            }
        }
    }
}

fn init_server(first: &InitServer, own: &Hostname) -> Checked {
    let mut seen = BTreeSet::from([own]);
    for (i, name) in first.nodes.iter().enumerate() {
        let place = format!("role.init-server.nodes[{i}]");
        if !seen.insert(name) {
            return Err(value(place, format!("{:?} is this node itself or named twice", name.as_str())));
        }
    }
    wait("role.init-server.join_seconds", first.join_seconds)?;
    wait("role.init-server.workload.wait_seconds", first.workload.wait_seconds)?;
    for (i, name) in first.workload.addons.iter().enumerate() {
        if !is_subdomain(name) {
            let problem = format!("{name:?} is not the name of an Addon (RFC 1123)");
            return Err(value(format!("role.init-server.workload.addons[{i}]"), problem));
        }
    }
    Ok(())
}

fn etcd(etcd: &Etcd, role: &Role) -> Checked {
    if role.is_agent() {
        return Err(value("etcd", "an agent has no etcd"));
    }
    wait("etcd.silence_seconds", etcd.silence_seconds)?;
    if let Some(partners) = &etcd.partners {
        if role.join().is_some() {
            return Err(value("etcd.partners", "only the first server has partners: the others join it"));
        }
        check_join("etcd.partners", partners)?;
        if partners.wait_seconds < etcd.silence_seconds {
            return Err(value("etcd.partners.wait_seconds", "it is shorter than etcd.silence_seconds"));
        }
    }
    match &etcd.admin {
        Some(admin) => {
            absolute("etcd.admin.certificate", &admin.certificate)?;
            absolute("etcd.admin.key", &admin.key)
        }
        None => Ok(()),
    }
}

fn check_join(place: &str, join: &Join) -> Checked {
    if join.servers.is_empty() {
        return Err(value(format!("{place}.servers"), "a joining node needs at least one server"));
    }
    absolute(&format!("{place}.token_file"), &join.token_file)?;
    wait(&format!("{place}.wait_seconds"), join.wait_seconds)
}

impl Report {
    /// Checks the values that must fit each other.
    fn check(&self) -> Checked {
        if self.http && !(1..=LONGEST_PAGE).contains(&self.minutes_after_ready) {
            let problem = format!("{} is not between 1 and {LONGEST_PAGE}", self.minutes_after_ready);
            return Err(value("report.minutes_after_ready", problem));
        }
        Ok(())
    }
}

impl Network {
    /// Checks the values that must fit each other.
    pub(crate) fn check(&self) -> Checked {
        wait("network.wait_seconds", self.wait_seconds)?;
        if self.vlan.is_some() && self.link.is_none() {
            return Err(value("network.vlan", "a VLAN needs network.link, the name of its interface"));
        }
        Ok(())
    }
}

fn value(place: impl Into<String>, problem: impl Into<String>) -> SeedError {
    SeedError::Value { place: place.into(), problem: problem.into() }
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

/// Absolute, and nothing in it that means another place than it reads. It is a path of the node, on whatever system the image is
/// built: so by its text.
fn absolute(place: &str, path: &Path) -> Checked {
    let is_plain = |text: &str| {
        text.starts_with('/')
            && text.split('/').all(|part| part != "..")
            && !text.chars().any(char::is_control)
    };
    if path.to_str().is_some_and(is_plain) {
        return Ok(());
    }
    Err(value(place, format!("{path:?} is not an absolute path without `..`")))
}

fn data_disk(disk: &DataDisk) -> Checked {
    wait("data_disk.wait_seconds", disk.wait_seconds)?;
    disk.dirs.iter().enumerate().try_for_each(|(i, made)| dir(i, made))
}

fn dir(i: usize, dir: &Dir) -> Checked {
    if dir.mode > 0o7777 {
        let problem = format!("{:o} has more than permission bits (7777)", dir.mode);
        return Err(value(format!("data_disk.dirs[{i}].mode"), problem));
    }
    Ok(())
}

fn bundle_file(i: usize, file: &BundleFile) -> Checked {
    absolute(&format!("bundle[{i}].path"), &file.path)?;
    number(&format!("bundle[{i}].size"), file.size)?;
    number(&format!("bundle[{i}].unpacked_size"), file.unpacked_size.unwrap_or(0))?;
    let digest = &file.sha256;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digest.len() == 64 && digest.bytes().all(hex) {
        return Ok(());
    }
    Err(value(format!("bundle[{i}].sha256"), format!("{digest:?} is not 64 lower-case hex digits")))
}
