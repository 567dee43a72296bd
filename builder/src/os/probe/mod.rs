//! Reads an image and says what it is. Never writes.

mod boot;
mod cloud_init;
mod elf;
mod first_boot;
mod partitions;
mod swap;

use std::collections::BTreeSet;

use hc_common::text::decode;

use crate::arch::Arch;
use crate::formats::os_release::OsRelease;
use crate::formats::{VersionError, crypttab, dpkg_status, fstab, hostname, iptables, mount_unit};
use crate::fs::{BadImagePath, FsError, ImagePath, Kind};

use super::boot::{OVERLAYROOT_PATHS, STUBS, named_files};
use super::error::OsError;
use super::facts::{Bootloader, Facts};
use super::family::{Evidence, System};
use super::image::{Access, OsImage, PartitionRole, fixed};
use super::interest::Interest;
use super::network;
use super::snapshot::Snapshot;
use super::tree::Tree;
use crate::value::TimeZone;
use cloud_init::CloudFiles;
use elf::UnsupportedElf;
pub(super) use partitions::names_of;

/// Where tzdata keeps a file for each zone.
const ZONES: &str = "/usr/share/zoneinfo";

/// Reads everything that planning needs to know of the image: what an image says of itself, and the files of interest.
pub fn probe(image: &OsImage, interests: &[Interest]) -> Result<Facts, OsError> {
    let tree = image.tree(Access::Read)?;
    Probe { tree: &tree, boot_dir: image.boot_dir().clone() }.facts(image, interests)
}

struct Probe<'a> {
    tree: &'a Tree,
    boot_dir: ImagePath,
}

impl Probe<'_> {
    fn facts(&self, image: &OsImage, interests: &[Interest]) -> Result<Facts, OsError> {
        let status = self.text(dpkg_status::PATH, dpkg_status::LIMIT)?.unwrap_or_default();
        let bootloader = self.bootloader(partitions::firmware_number(image))?;
        let evidence = self.evidence(&status, &bootloader)?;
        let system = System::recognise(&evidence)?;
        let mut files = Snapshot::default();
        files.take(self.tree, bootloader.arguments_file()).map_err(root)?;
        for interest in interests {
            interest.take(self.tree, &self.boot_dir, &mut files).map_err(root)?;
        }
        self.take_boot_files(&mut files)?;
        let hostname = files.take_text(self.tree, &fixed(hostname::PATH)).map_err(root)?;
        let hostname = hostname.map(|name| name.trim().to_owned());
        let arguments = files.text(bootloader.arguments_file()).ok().flatten().unwrap_or_default();
        let cloud_files = self.cloud_files(arguments)?;
        let cloud_init = cloud_files.as_ref().map(CloudFiles::facts);
        let machine_id = self.machine_id()?;
        let mut facts = Facts {
            system,
            pretty_name: evidence.pretty,
            arch: self.arch()?,
            root_growth: self.root_growth(&bootloader, &mut files, cloud_init.as_ref())?,
            user_setup: self.user_setup(&mut files, machine_id, cloud_init.as_ref())?,
            machine_id,
            packages: dpkg_status::count_installed(&status),
            bootloader,
            network: network::active(self.tree, &mut files)?,
            resolver: network::resolver(self.tree)?,
            mdns: network::mdns(self.tree)?,
            wpa_supplicant: installed(&status, "wpasupplicant")?,
            swap: self.swap(image, &mut files, &status, cloud_files.as_ref())?,
            old_iptables: iptables::needs_bundled(&status).map_err(bad_status)?,
            cloud_init,
            kernels: self.kernels()?,
            time_zones: self.time_zones()?,
            hostname,
            space: self.tree.root().space().map_err(root)?,
            written: image.root_written()?,
            boot_dir: self.boot_dir.clone(),
            partitions: partitions::names(image)?,
            boot_files: BTreeSet::new(),
            files,
        };
        facts.boot_files = named_files(self.tree, &facts).map_err(boot)?;
        Ok(facts)
    }

    /// What the boot chain reads besides the files that the boot loader itself names.
    fn take_boot_files(&self, files: &mut Snapshot) -> Result<(), OsError> {
        for stub in STUBS {
            files.take(self.tree, &self.below_boot(stub)?).map_err(boot)?;
        }
        for path in OVERLAYROOT_PATHS.into_iter().chain([fstab::PATH, crypttab::PATH]) {
            files.take(self.tree, &fixed(path)).map_err(root)?;
        }
        files.take_units(self.tree, &fixed(mount_unit::DIR), ".mount").map_err(root)
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
        let bytes = self.tree.read_configuration(&resolved, limit).map_err(root)?;
        decode(&bytes)
            .map(|text| Some(text.to_owned()))
            .map_err(|problem| OsError::File { path: path.to_owned(), problem: problem.to_string() })
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

fn bad_path(name: &str, bad: &BadImagePath) -> OsError {
    OsError::File { path: name.to_owned(), problem: bad.to_string() }
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
