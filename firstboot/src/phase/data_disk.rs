//! Mounts the data disk and creates its directories.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Phase, blank, datastore};
use crate::context::Context;
use crate::mounts;
use crate::phase_error::{Failure, PhaseError};
use crate::seed::{self, Dir, Format};
use crate::state::PhaseName;
use crate::sys::{Command, Kind};
use crate::systemd;

/// The disk is searched at least twice; a blank disk needs an attempt after all disks have appeared.
const LEAST: Duration = Duration::from_secs(5);

const BY_LABEL: &str = "/dev/disk/by-label";

pub(super) struct DataDisk;

impl Phase for DataDisk {
    fn name(&self) -> PhaseName {
        PhaseName::DataDisk
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        cx.seed.data_disk.is_some()
    }

    /// The wait of the seed counts from power-on, which includes the time of earlier phases.
    fn limit(&self, cx: &Context<'_>) -> Duration {
        let wait = Duration::from_secs(cx.seed.data_disk.as_ref().map_or(0, |disk| disk.wait_seconds));
        let settled = match &cx.seed.data_disk {
            Some(disk) if disk.format == Format::IfBlank => blank::SETTLED,
            _ => Duration::ZERO,
        };
        let uptime = cx.sys.uptime();
        wait.saturating_sub(uptime).max(settled.saturating_sub(uptime).saturating_add(LEAST))
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        let Some(disk) = &cx.seed.data_disk else { return Ok(true) };
        only_one(cx, disk)?;
        let Some(device) = find(cx, disk.label.as_str()) else { return Ok(false) };
        let is_whole = is_mounted(cx, disk, &device)? && disk.dirs.iter().all(|dir| is_made(cx, disk, dir));
        Ok(is_whole && (!disk.datastore || datastore::is_done(cx, disk, device.number.as_deref())?))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        let seed = cx.seed;
        let Some(disk) = &seed.data_disk else { return Ok(()) };
        // udev may still be processing the disk. If this fails, the label is missing.
        let _ = cx.sys.run(&Command::new("udevadm", ["settle", "--timeout=10"]));
        if find(cx, disk.label.as_str()).is_none() && disk.format == Format::IfBlank {
            blank::format(cx, disk)?;
            let _ = cx.sys.run(&Command::new("udevadm", ["settle", "--timeout=10"]));
        }
        let device = find(cx, disk.label.as_str()).ok_or_else(|| PhaseError::Retry(no_label(cx, disk)))?;
        if cx.state.formatting.take().is_some() {
            cx.save().map_err(PhaseError::Abort)?;
        }
        if !is_mounted(cx, disk, &device)? {
            mount(cx, disk)?;
        }
        // Checked again: without the mount the directories would be created on the card.
        if !is_mounted(cx, disk, &device)? {
            let what = format!("{} is not mounted although `mount` succeeded", disk.mount);
            return Err(PhaseError::retry(what, "see `journalctl -b` for what unmounted it"));
        }
        if disk.datastore {
            datastore::set_up(cx, disk, device.number.as_deref())?;
        }
        disk.dirs.iter().try_for_each(|dir| make(cx, disk, dir))
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let Some(disk) = &cx.seed.data_disk else { return Ok(Vec::new()) };
        if !self.is_done(cx)? {
            let what = format!("the data disk at {} was changed after its setup", disk.mount);
            return Err(PhaseError::retry(what, "see `journalctl -b` for what changes it"));
        }
        let with = if disk.datastore { ", with the datastore" } else { "" };
        Ok(vec![format!("{} at {}{with}", disk.label, disk.mount)])
    }

    fn on_timeout(&self, cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        match &cx.seed.data_disk {
            Some(disk) if !disk.required => {
                let mut told = vec![format!("continued without the data disk: {}", last.into_failure().what)];
                // Applications look for the directories, and would make them with another owner. Where another disk is
                // mounted, nothing is written to it.
                if !disk.dirs.is_empty() && mounts::at(cx.sys, disk.mount.as_path()).is_none() {
                    let made: Result<(), PhaseError> =
                        disk.dirs.iter().try_for_each(|dir| make(cx, disk, dir));
                    told.push(match made {
                        Ok(()) => format!("its directories are on the card, in {}", disk.mount),
                        Err(error) => error.into_failure().what,
                    });
                }
                Ok(told)
            }
            _ => Err(last.into_failure()),
        }
    }
}

/// A block device with the requested label.
struct Device {
    /// The kernel's name, for example `sda1`.
    name: String,
    /// `major:minor`; `None` if it is not in sysfs.
    number: Option<String>,
}

fn find(cx: &Context<'_>, label: &str) -> Option<Device> {
    let target = cx.sys.read_link(&Path::new(BY_LABEL).join(udev_name(label))).ok()?;
    let name = target.file_name()?.to_str()?.to_owned();
    let number = cx.sys.read(&PathBuf::from(format!("/sys/class/block/{name}/dev"))).ok();
    let number = number.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    Some(Device { name, number })
}

/// The kernel's name of the disk, if it is mounted where it belongs.
pub(super) fn mounted(cx: &Context<'_>, disk: &seed::DataDisk) -> Option<String> {
    let device = find(cx, disk.label.as_str())?;
    is_mounted(cx, disk, &device).is_ok_and(|is| is).then_some(device.name)
}

/// udev's link leads to one of several file systems with the label, which may be a stick that a stranger has put in. A base
/// without blkid is not asked.
fn only_one(cx: &Context<'_>, disk: &seed::DataDisk) -> Result<(), PhaseError> {
    let label = format!("LABEL={}", disk.label);
    let words = ["--cache-file", "/dev/null", "--match-token", &label, "--output", "device"];
    let Ok(found) = cx.sys.run(&Command::new("blkid", words)) else { return Ok(()) };
    let devices: Vec<&str> = found.stdout.split_whitespace().collect();
    if devices.len() < 2 {
        return Ok(());
    }
    let what =
        format!("more than one file system has the label {:?}: {}", disk.label.as_str(), devices.join(", "));
    Err(PhaseError::retry(
        what,
        "unplug the one that is not this node's, or give it another label with e2label",
    ))
}

/// A label as a file name of udev: ASCII characters other than alphanumerics and `#+-.:=@_` become `\xNN`
/// (`encode_devnode_name` in systemd).
fn udev_name(label: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c) || !c.is_ascii();
    label.chars().map(|c| if plain(c) { c.to_string() } else { format!("\\x{:02x}", u32::from(c)) }).collect()
}

/// Whether the disk is mounted at its mount point. Another disk there, or a read-only one, is a permanent error.
fn is_mounted(cx: &Context<'_>, disk: &seed::DataDisk, device: &Device) -> Result<bool, PhaseError> {
    let Some(mount) = mounts::at(cx.sys, disk.mount.as_path()) else { return Ok(false) };
    let at = &disk.mount;
    if device.number.as_ref() != Some(&mount.device) {
        let what =
            format!("wrong disk mounted at {at}: expected {}, found device {}", device.name, mount.device);
        return Err(PhaseError::abort(what, "check /etc/fstab, and that no two disks have the same label"));
    }
    if mount.read_only {
        let what = format!("the data disk {} at {at} is read-only", device.name);
        return Err(PhaseError::abort(what, "check it with fsck on another machine, or replace it"));
    }
    Ok(true)
}

fn mount(cx: &Context<'_>, disk: &seed::DataDisk) -> Result<(), PhaseError> {
    let at = disk.mount.as_str();
    let command = Command::new("mount", [at]);
    let output = systemd::run(cx.sys, &command)?;
    if output.success {
        return Ok(());
    }
    let what =
        format!("mounting the data disk {} at {at}: {}", disk.label, systemd::last_line(&output.stderr));
    Err(PhaseError::retry(what, "check its ext4 file system with fsck, and its line in /etc/fstab"))
}

fn make(cx: &Context<'_>, disk: &seed::DataDisk, dir: &Dir) -> Result<(), PhaseError> {
    let Dir { path, mode, uid, gid } = dir;
    cx.sys.make_owned_dir(disk.mount.as_path(), Path::new(path.as_str()), *mode, *uid, *gid).map_err(|e| {
        let what = format!("creating the directory {}: {e}", format_args!("{}/{path}", disk.mount));
        PhaseError::abort(what, "remove the file with this name on the data disk, or free disk space there")
    })
}

fn is_made(cx: &Context<'_>, disk: &seed::DataDisk, dir: &Dir) -> bool {
    cx.sys.stat(&disk.mount.as_path().join(dir.path.as_str())).is_ok_and(|stat| {
        stat.kind == Kind::Dir && (stat.mode, stat.uid, stat.gid) == (dir.mode, dir.uid, dir.gid)
    })
}

/// The failure, with the label and all labels and devices that were found.
fn no_label(cx: &Context<'_>, disk: &seed::DataDisk) -> Failure {
    let labels = or_none(cx.sys.list(Path::new(BY_LABEL)).unwrap_or_default());
    let memory = |name: &String| ["loop", "ram", "zram"].iter().any(|prefix| name.starts_with(prefix));
    let mut devices = cx.sys.list(Path::new("/sys/class/block")).unwrap_or_default();
    devices.retain(|name| !memory(name));
    let devices = or_none(devices);
    let what = format!(
        "no disk with the label {:?} found (labels: {labels}; block devices: {devices})",
        disk.label.as_str()
    );
    Failure::new(
        what,
        format!("connect the data disk, or label it: e2label /dev/<its partition> {}", disk.label),
    )
}

fn or_none(names: Vec<String>) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_escaped_as_by_udev() {
        let table =
            [("k8s-data", "k8s-data"), ("my disk", "my\\x20disk"), ("a&b", "a\\x26b"), ("übel", "übel")];
        for (label, expected) in table {
            assert_eq!(udev_name(label), expected);
        }
    }
}
