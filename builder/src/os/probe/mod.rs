//! Reads an image and says what it is. Never writes.

mod boot;
mod elf;
mod first_boot;
mod swap;

use std::collections::BTreeSet;

use crate::arch::Arch;
use crate::formats::accounts::passwd;
use crate::formats::os_release::OsRelease;
use crate::formats::{VersionError, config_txt, dpkg_status, iptables, user_data};
use crate::fs::{BadImagePath, FsError, ImagePath, Kind};

use super::error::OsError;
use super::facts::{Bootloader, Facts};
use super::family::{Evidence, System};
use super::image::{Access, OsImage, PartitionRole, fixed};
use super::network;
use super::snapshot::{FileState, Snapshot};
use super::tree::Tree;
use crate::value::TimeZone;
use elf::UnsupportedElf;

/// A package database of a full desktop is below 8 MiB.
const STATUS_LIMIT: u64 = 32 << 20;

/// Where tzdata keeps a file for each zone.
const ZONES: &str = "/usr/share/zoneinfo";

/// All files that an edit may look at.
const OF_INTEREST: [&str; 47] = [
    "/etc/fstab",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/dhcpcd.conf",
    "/etc/dphys-swapfile",
    "/etc/default/raspi-extra-cmdline",
    "/etc/default/raspi-firmware-custom",
    "/etc/default/grub.d/90-hcimage.cfg",
    "/etc/systemd/system/default.target",
    "/etc/systemd/system/dphys-swapfile.service",
    "/etc/systemd/system/multi-user.target.wants/dphys-swapfile.service",
    "/etc/systemd/system/local-fs.target.wants/dphys-swapfile.service",
    "/etc/systemd/system/k3s.service",
    "/etc/rc0.d/K01dphys-swapfile",
    "/etc/rc1.d/K01dphys-swapfile",
    "/etc/rc2.d/S01dphys-swapfile",
    "/etc/rc3.d/S01dphys-swapfile",
    "/etc/rc4.d/S01dphys-swapfile",
    "/etc/rc5.d/S01dphys-swapfile",
    "/etc/rc6.d/K01dphys-swapfile",
    "/etc/rancher/k3s/config.yaml",
    "/etc/systemd/zram-generator.conf",
    "/etc/cloud/cloud.cfg",
    "/usr/lib/systemd/system/multi-user.target",
    "/lib/systemd/system/multi-user.target",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
    "/etc/sudoers",
    "/etc/ssh/sshd_config",
    "/etc/systemd/system/ssh.service",
    "/etc/systemd/system/multi-user.target.wants/ssh.service",
    "/etc/systemd/system/sockets.target.wants/ssh.socket",
    "/etc/systemd/system/getty.target.wants/getty@tty1.service",
    "/lib/systemd/system/ssh.service",
    "/lib/systemd/system/userconfig.service",
    "/lib/systemd/system/systemd-firstboot.service",
    "/lib/systemd/system/getty@.service",
    "/etc/systemd/system/userconfig.service",
    "/etc/timezone",
    "/etc/resolv.conf",
    "/etc/network/interfaces",
    "/etc/wpa_supplicant/wpa_supplicant.conf",
    "/var/lib/NetworkManager/NetworkManager.state",
];

/// Reads everything that planning needs to know of the image.
pub fn probe(image: &OsImage) -> Result<Facts, OsError> {
    let tree = image.tree(Access::Read)?;
    Probe { tree: &tree, boot_dir: image.boot_dir().clone() }.facts(image)
}

struct Probe<'a> {
    tree: &'a Tree,
    boot_dir: ImagePath,
}

impl Probe<'_> {
    fn facts(&self, image: &OsImage) -> Result<Facts, OsError> {
        let status = self.text("/var/lib/dpkg/status", STATUS_LIMIT)?.unwrap_or_default();
        let bootloader = self.bootloader()?;
        let evidence = self.evidence(&status, &bootloader)?;
        let system = System::recognise(&evidence)?;
        let mut files = Snapshot::default();
        let of_boot = [
            bootloader.arguments_file().clone(),
            self.below_boot(user_data::NAME)?,
            self.below_boot(config_txt::NAME)?,
        ];
        for path in OF_INTEREST.into_iter().map(fixed).chain(of_boot) {
            files.take(self.tree, &path).map_err(root)?;
        }
        self.homes(&mut files)?;
        let cloud_init = self.cloud_init(&status)?;
        let machine_id = self.machine_id()?;
        Ok(Facts {
            system,
            pretty_name: evidence.pretty,
            arch: self.arch()?,
            root_growth: self.root_growth(&bootloader, &files, &status, cloud_init.as_ref())?,
            user_setup: self.user_setup(&files, machine_id, cloud_init.as_ref())?,
            machine_id,
            packages: dpkg_status::count_installed(&status),
            bootloader,
            network: network::active(self.tree, &mut files)?,
            resolver: network::resolver(self.tree)?,
            wpa_supplicant: installed(&status, "wpasupplicant")?,
            swap: self.swap(image, &files, &status)?,
            old_iptables: iptables::needs_bundled(&status).map_err(bad_status)?,
            cloud_init,
            kernels: self.kernels()?,
            time_zones: self.time_zones()?,
            hostname: files.text(&fixed("/etc/hostname")).map(|name| name.trim().to_owned()),
            space: self.tree.root().space().map_err(root)?,
            written: image.root_written()?,
            boot_dir: self.boot_dir.clone(),
            files,
        })
    }

    /// All home directories, with what decides who may log in there.
    fn homes(&self, files: &mut Snapshot) -> Result<(), OsError> {
        let mut homes = files.text(&fixed(passwd::PATH)).map(passwd::homes).unwrap_or_default();
        let usual = fixed("/home");
        if self.tree.kind(&usual).map_err(root)? == Some(Kind::Dir) {
            let names = self.tree.list(&self.tree.resolve(&usual).map_err(root)?).map_err(root)?;
            homes.extend(names.iter().map(|entry| format!("{usual}/{}", entry.name)));
        }
        for home in homes {
            for path in ["", "/.ssh", "/.ssh/authorized_keys"] {
                let Ok(path) = ImagePath::parse(&format!("{home}{path}")) else { break };
                let FileState::Dir(_) = files.take(self.tree, &path).map_err(root)? else { break };
            }
        }
        Ok(())
    }

    /// By the files themselves: since trixie the old names are in a package of their own, though the lists have them.
    fn time_zones(&self) -> Result<BTreeSet<TimeZone>, OsError> {
        let mut zones = BTreeSet::new();
        let mut areas = vec![String::new()];
        while let Some(area) = areas.pop() {
            let dir = fixed(ZONES)
                .join(&area)
                .map_err(|bad| OsError::File { path: ZONES.to_owned(), problem: bad.to_string() })?;
            let dir = self.tree.resolve(&dir).map_err(root)?;
            if self.tree.kind(&dir).map_err(root)? != Some(Kind::Dir) {
                continue;
            }
            for entry in self.tree.list(&dir).map_err(root)? {
                let name = format!("{area}{}", entry.name);
                // Whatever is called otherwise is no zone: lists, and the same zones with leap seconds.
                match (name.parse::<TimeZone>(), entry.kind) {
                    (Ok(_), Kind::Dir) => areas.push(format!("{name}/")),
                    (Ok(zone), _) => _ = zones.insert(zone),
                    (Err(_), _) => {}
                }
            }
        }
        Ok(zones)
    }

    fn evidence(&self, status: &str, bootloader: &Bootloader) -> Result<Evidence, OsError> {
        let release = OsRelease::parse(&self.text("/etc/os-release", 1 << 16)?.unwrap_or_default())
            .map_err(|bad| OsError::File { path: "/etc/os-release".to_owned(), problem: bad.to_string() })?;
        let field = |name: &str| release.get(name).unwrap_or_default().to_owned();
        Ok(Evidence {
            id: field("ID"),
            codename: field("VERSION_CODENAME"),
            pretty: field("PRETTY_NAME"),
            rpi_issue: self.exists("/etc/rpi-issue")?,
            raspi_firmware: installed(status, "raspi-firmware")?,
            pi_boot_files: match bootloader {
                Bootloader::PiFirmware { cmdline, .. } => self.tree.exists(cmdline).map_err(boot)?,
                Bootloader::Grub { .. } => false,
            },
            grub_cfg: self.exists("/boot/grub/grub.cfg")?,
        })
    }

    /// From the root's own programs, since a Pi may run a 64-bit kernel under 32-bit programs.
    fn arch(&self) -> Result<Arch, OsError> {
        const PROGRAM: &str = "/usr/bin/dpkg";
        let path = self.tree.resolve(&fixed(PROGRAM)).map_err(root)?;
        let program = self.tree.read(&path, 8 << 20).map_err(root)?;
        elf::architecture(&program).map_err(|unfit| match unfit {
            UnsupportedElf::NotElf => OsError::File {
                path: PROGRAM.to_owned(),
                problem: "it is no little-endian ELF program".to_owned(),
            },
            UnsupportedElf::Other(what) => OsError::Unsupported {
                what,
                hint: "take an image for arm64, armhf or amd64, as the board needs it".to_owned(),
            },
        })
    }

    fn text(&self, path: &str, limit: u64) -> Result<Option<String>, OsError> {
        let bad = |bad: BadImagePath| OsError::File { path: path.to_owned(), problem: bad.to_string() };
        let resolved = self.tree.resolve(&ImagePath::parse(path).map_err(bad)?).map_err(root)?;
        if self.tree.stat(&resolved).map_err(root)?.is_none() {
            return Ok(None);
        }
        let bytes = self.tree.read(&resolved, limit).map_err(root)?;
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| OsError::File { path: path.to_owned(), problem: "it is not UTF-8 text".to_owned() })
    }

    fn is_link(&self, path: &str) -> Result<bool, OsError> {
        let stat = self.tree.stat(&fixed(path)).map_err(root)?;
        Ok(stat.is_some_and(|stat| stat.kind == Kind::Symlink))
    }

    fn exists(&self, path: &str) -> Result<bool, OsError> {
        self.tree.exists(&fixed(path)).map_err(root)
    }
}

fn installed(status: &str, package: &str) -> Result<bool, OsError> {
    Ok(dpkg_status::installed_version(status, package).map_err(bad_status)?.is_some())
}

fn bad_status(bad: VersionError) -> OsError {
    OsError::File { path: dpkg_status::PATH.to_owned(), problem: bad.to_string() }
}

pub(super) fn root(source: FsError) -> OsError {
    OsError::Fs { role: PartitionRole::Root.as_str(), source }
}

fn boot(source: FsError) -> OsError {
    OsError::Fs { role: PartitionRole::Boot.as_str(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_interest_is_well_formed() {
        for path in OF_INTEREST {
            assert_eq!(fixed(path).as_str(), path);
        }
    }

    #[test]
    fn a_snapshot_tells_absent_from_empty() {
        use super::super::snapshot::FileState;
        let mut files = Snapshot::default();
        files.put(&fixed("/etc/hosts"), FileState::Absent);
        assert_eq!(files.get(&fixed("/etc/hosts")), &FileState::Absent);
        files.put(&fixed("/etc/hosts"), FileState::Link("x".into()));
        assert_eq!(files.text(&fixed("/etc/hosts")), None);
    }
}
