//! What would keep the system waiting for a disk that is not in the image.

use hc_common::network::Files;

use crate::formats::device::DeviceName;
use crate::formats::{crypttab, fstab, mount_unit};

use super::super::facts::Facts;
use super::super::image::fixed;
use super::{BootStep, Chain, Leads};

/// The configuration of the package overlayroot.
pub(in crate::os) const OVERLAYROOT_PATHS: [&str; 2] =
    ["/etc/overlayroot.conf", "/etc/overlayroot.local.conf"];

/// Something that systemd waits for at each start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Where it is to be mounted, for a line of fstab.
    pub point: Option<String>,
    /// Place, text, cause and fix.
    pub step: BootStep,
}

/// File systems of fstab that are no disk, or one that no boot waits for (systemd.mount(5)).
const NO_DISK: [&str; 18] = [
    "proc",
    "sysfs",
    "tmpfs",
    "devtmpfs",
    "devpts",
    "cgroup",
    "cgroup2",
    "debugfs",
    "tracefs",
    "configfs",
    "securityfs",
    "bpf",
    "hugetlbfs",
    "mqueue",
    "overlay",
    "none",
    "swap",
    "ramfs",
];

/// File systems over the network, for which only what needs them waits.
const NETWORK: [&str; 10] =
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "sshfs", "9p", "fuse.sshfs"];

/// Lines of the base for disks that are not in the image and that the system cannot start without.
pub fn waits(facts: &Facts) -> Vec<Wait> {
    let chain = Chain { facts, board: None, exists: &|_| false };
    let mut waits = chain.mount_waits();
    waits.extend(chain.unit_waits());
    waits.extend(chain.crypt_waits());
    waits
}

impl Chain<'_> {
    /// Whether what is to be mounted is on a disk that is not in the image.
    fn is_elsewhere(&self, device: &str, fstype: &str) -> bool {
        let is_disk = !NO_DISK.contains(&fstype) && !NETWORK.contains(&fstype);
        // A file of the root is there whenever the root is.
        let is_file = device.starts_with('/') && !device.starts_with("/dev/");
        is_disk && !is_file && self.named(&DeviceName::parse(device)).is_none()
    }

    fn mount_waits(&self) -> Vec<Wait> {
        let mut waits = Vec::new();
        for mount in fstab::mounts(self.text(&fixed(fstab::PATH))) {
            let has = |option: &str| mount.options.iter().any(|known| known == option);
            let is_optional =
                ["nofail", "noauto", "x-systemd.automount", "_netdev", "bind", "rbind"].into_iter().any(has);
            let is_ours = mount.point == "/" || mount.point == self.facts.boot_dir.as_str();
            if is_optional || is_ours || !self.is_elsewhere(&mount.device, &mount.fstype) {
                continue;
            }
            let says = format!("{} at {}", mount.device, mount.point);
            let leads = Leads::unsure(
                "is a disk that is not in this image: without it the node stops in emergency mode",
                "add the option nofail to the line, or remove it",
            );
            let place = format!("{}, line {}", fstab::PATH, mount.line);
            waits.push(Wait {
                point: Some(mount.point),
                step: BootStep { what: "fstab", place, says, leads },
            });
        }
        waits
    }

    /// Enabled mount units. One that something only wants is given up after the time that systemd gives a device; one that
    /// local-fs.target requires takes the system to emergency mode.
    fn unit_waits(&self) -> Vec<Wait> {
        let mut waits = Vec::new();
        let dir = fixed(mount_unit::DIR);
        for (link, _) in self.facts.files.all() {
            let Some((parent, name)) = link.parent().zip(link.name()) else { continue };
            let is_enabled = parent.parent().as_ref() == Some(&dir) && name.ends_with(".mount");
            // The owner's own unit wins over the package's that the link may lead to, and may be a mask.
            let own = dir.join(name).ok().filter(|own| self.facts.files.get(own).is_ok());
            let text = own.unwrap_or_else(|| link.clone());
            let unit =
                is_enabled.then(|| Files::text(&self.facts.files, text.as_str()).ok().flatten()).flatten();
            let Some(unit) = unit.as_deref().and_then(mount_unit::parse) else { continue };
            if !self.is_elsewhere(&unit.what, &unit.fstype) {
                continue;
            }
            let cause = match parent.as_str().ends_with("/local-fs.target.requires") {
                true => "without it the node stops in emergency mode",
                false => "each start waits 90 seconds for it",
            };
            let says = format!("{} at {}", unit.what, unit.point);
            let leads = Leads::unsure(
                format!("is a disk that is not in this image: {cause}"),
                "remove this link, or mount the disk as data-disk",
            );
            let step = BootStep { what: "mount unit", place: link.to_string(), says, leads };
            waits.push(Wait { point: Some(unit.point), step });
        }
        waits
    }

    fn crypt_waits(&self) -> Vec<Wait> {
        let mut waits = Vec::new();
        for volume in crypttab::volumes(self.text(&fixed(crypttab::PATH))) {
            if volume.is_optional() {
                continue;
            }
            let says = format!("{} on {}", volume.name, volume.device);
            let leads = Leads::unsure(
                "is an encrypted disk: the node waits for it or for its passphrase at each start",
                "add the options nofail,noauto to the line, or remove it",
            );
            let place = format!("{}, line {}", crypttab::PATH, volume.line);
            waits.push(Wait { point: None, step: BootStep { what: "crypttab", place, says, leads } });
        }
        waits
    }
}
