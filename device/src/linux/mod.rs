//! Linux: disks as sysfs and /proc have them, and exclusive, direct access to one.

mod open;
mod udisks;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

pub use open::{OpenDisk, eject};

use crate::disk::{Disk, Part};

/// sysfs counts sizes in these, whatever the disk's own sectors are (Documentation/ABI/stable/sysfs-block).
const UNIT: u64 = 512;

/// The deepest stack of RAID, LVM and encryption that is followed.
const MOST_LAYERS: usize = 16;

/// Where the facts are; in tests another root.
#[derive(Debug, Clone)]
pub struct System {
    root: PathBuf,
}

impl Default for System {
    fn default() -> Self {
        Self { root: "/".into() }
    }
}

impl System {
    /// With sysfs and /proc below another directory.
    pub fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// All disks, by their names. Those of the kernel's own making (RAM, device mapper, RAID, compressed RAM) and drives for CDs are
    /// not among them.
    ///
    /// # Errors
    /// When sysfs cannot be read.
    pub fn disks(&self) -> io::Result<Vec<Disk>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join("sys/block"))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        let virtual_ones = ["ram", "zram", "dm-", "md", "loop", "sr", "nbd", "fd"];
        names.retain(|name| !virtual_ones.iter().any(|begin| name.starts_with(begin)));
        // An eMMC has partitions of its own for boot loaders.
        let is_boot =
            |name: &str| name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
        names.retain(|name| !is_boot(name));
        Ok(names.iter().filter_map(|name| self.named(name)).collect())
    }

    /// The disk or partition that a path in `/dev` leads to; nothing where it is none.
    ///
    /// # Errors
    /// When the path cannot be read.
    pub fn at(&self, path: &Path) -> io::Result<Option<Disk>> {
        let real = fs::canonicalize(path)?;
        if !fs::metadata(&real)?.file_type().is_block_device() {
            return Ok(None);
        }
        let name = real.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(name.and_then(|name| self.named(&name)))
    }

    /// A disk or partition by the kernel's name.
    fn named(&self, name: &str) -> Option<Disk> {
        let place = fs::canonicalize(self.root.join("sys/class/block").join(name))
            .or_else(|_| fs::canonicalize(self.root.join("sys/block").join(name)))
            .ok()?;
        let is_partition = place.join("partition").exists();
        let parts = if is_partition { Vec::new() } else { parts(&place, &self.root.join("run/udev/data")) };
        let mut numbers = BTreeSet::new();
        let mut holders = Vec::new();
        for own in [place.clone()].into_iter().chain(parts.iter().map(|part| place.join(&part.name))) {
            self.collect(&own, &mut numbers, &mut holders, MOST_LAYERS);
        }
        holders.sort();
        holders.dedup();
        Some(Disk {
            path: Path::new("/dev").join(name),
            model: model(&place),
            serial: serial(&place),
            size: number(&place.join("size")).saturating_mul(UNIT),
            sector: number(&place.join("queue/logical_block_size")).max(UNIT),
            is_removable: is_removable(&place),
            is_partition,
            is_read_only: number(&place.join("ro")) == 1,
            mounts: self.mounts(&numbers, &devices(name, &parts, &holders)),
            swaps: self.swaps(name, &parts),
            parts,
            holders,
        })
    }

    /// The numbers of a device and of all that is built on it, and the names of the latter.
    fn collect(
        &self,
        place: &Path,
        numbers: &mut BTreeSet<String>,
        holders: &mut Vec<String>,
        layers: usize,
    ) {
        numbers.insert(text(&place.join("dev")));
        if layers == 0 {
            return;
        }
        for entry in fs::read_dir(place.join("holders")).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Ok(holder) = fs::canonicalize(self.root.join("sys/block").join(&name)) {
                self.collect(&holder, numbers, holders, layers.saturating_sub(1));
            }
            holders.push(name);
        }
    }

    /// Where these devices are mounted (proc_pid_mountinfo(5): the third field is the number, the fifth the place, and the second behind a
    /// hyphen the source). btrfs and ZFS have numbers of their own there, so the source counts as well.
    fn mounts(&self, numbers: &BTreeSet<String>, devices: &[PathBuf]) -> Vec<PathBuf> {
        let all = text(&self.root.join("proc/self/mountinfo"));
        let mut found = BTreeSet::new();
        for line in all.lines() {
            let mut fields = line.split(' ');
            let source = line.split_once(" - ").and_then(|(_, behind)| behind.split(' ').nth(1));
            let is_source = |source: &str| {
                let source = PathBuf::from(unescaped(source));
                devices.contains(&source)
                    || fs::canonicalize(&source).is_ok_and(|real| devices.contains(&real))
            };
            if let (Some(number), Some(place)) = (fields.nth(2), fields.nth(1))
                && (numbers.contains(number) || source.is_some_and(is_source))
            {
                found.insert(PathBuf::from(unescaped(place)));
            }
        }
        found.into_iter().collect()
    }

    /// Swap on the disk or its partitions (proc_swaps(5)).
    fn swaps(&self, name: &str, parts: &[Part]) -> Vec<PathBuf> {
        let all = text(&self.root.join("proc/swaps"));
        let paths = all.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        let is_own = |path: &&str| {
            let own = path.strip_prefix("/dev/");
            own == Some(name) || parts.iter().any(|part| own == Some(&part.name))
        };
        paths.filter(is_own).map(PathBuf::from).collect()
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn number(path: &Path) -> u64 {
    text(path).parse().unwrap_or(0)
}

/// `\040` is a blank.
fn unescaped(place: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = place.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.filter(|_| *first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { behind.get(3..).unwrap_or_default() } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The paths in /dev of a disk, of its partitions, and of what is built on them.
fn devices(name: &str, parts: &[Part], holders: &[String]) -> Vec<PathBuf> {
    let names = parts.iter().map(|part| part.name.as_str()).chain(holders.iter().map(String::as_str));
    [name].into_iter().chain(names).map(|name| Path::new("/dev").join(name)).collect()
}

/// The partitions of a disk, and what udev has found on them: only root can look itself.
fn parts(place: &Path, udev: &Path) -> Vec<Part> {
    let mut found: Vec<Part> = fs::read_dir(place)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("partition").exists())
        .map(|entry| {
            let known = text(&udev.join(format!("b{}", text(&entry.path().join("dev")))));
            let value = |key: &str| {
                known.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned()
            };
            Part {
                name: entry.file_name().to_string_lossy().into_owned(),
                size: number(&entry.path().join("size")).saturating_mul(UNIT),
                file_system: value("E:ID_FS_TYPE="),
                label: value("E:ID_FS_LABEL="),
            }
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn model(place: &Path) -> String {
    let words = ["device/vendor", "device/model", "device/name"].map(|name| text(&place.join(name)));
    // Disks of virtual machines have a number in place of a maker.
    words
        .iter()
        .filter(|word| !word.is_empty() && !word.starts_with("0x"))
        .cloned()
        .collect::<Vec<_>>()
        .join(" ")
}

/// A card has it as a file of its device, and a USB disk as one of the device on the bus, some directories up.
fn serial(place: &Path) -> String {
    let mut at = Some(place.join("device"));
    while let Some(dir) = at {
        let Ok(dir) = fs::canonicalize(dir) else { break };
        let found = text(&dir.join("serial"));
        if !found.is_empty() {
            return found;
        }
        // Above the device on USB are hubs, whose serial number is that of all their devices.
        if dir.join("idVendor").exists() {
            break;
        }
        at = dir
            .parent()
            .filter(|parent| parent.components().any(|part| part.as_os_str() == "devices"))
            .map(Path::to_owned);
    }
    String::new()
}

/// Readers that are built in say 0 for `removable`, so a card counts by its kind, and a USB disk by its bus.
fn is_removable(place: &Path) -> bool {
    let on_usb = place.components().any(|part| part.as_os_str().to_string_lossy().starts_with("usb"));
    number(&place.join("removable")) == 1 || on_usb || text(&place.join("device/type")) == "SD"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    /// Files below a directory.
    fn put(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn link(root: &Path, from: &str, to: &str) {
        fs::create_dir_all(root.join(from).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(root.join(to), root.join(from)).unwrap();
    }

    /// A USB disk with an encrypted partition that is mounted, a card in a reader that is built in, and the system's own disk.
    fn machine(root: &Path) -> System {
        let usb = "sys/devices/pci0000:00/usb1/1-2";
        let sdb = format!("{usb}/1-2:1.0/host6/target6:0:0/6:0:0:0/block/sdb");
        let card = "sys/devices/platform/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0";
        let nvme = "sys/devices/pci0000:00/nvme/nvme0/nvme0n1";
        let dm = "sys/devices/virtual/block/dm-0";
        put(
            root,
            &[
                (&format!("{usb}/serial"), "4C530001\n"),
                (&format!("{usb}/idVendor"), "0781\n"),
                ("sys/devices/pci0000:00/usb1/serial", "0000:00:14.0\n"),
                ("sys/devices/pci0000:00/usb1/idVendor", "1d6b\n"),
                (&format!("{sdb}/../../vendor"), "SanDisk \n"),
                (&format!("{sdb}/../../model"), "Ultra\n"),
                (&format!("{sdb}/size"), "62333952\n"),
                (&format!("{sdb}/dev"), "8:16\n"),
                (&format!("{sdb}/ro"), "0\n"),
                (&format!("{sdb}/removable"), "0\n"),
                (&format!("{sdb}/queue/logical_block_size"), "512\n"),
                (&format!("{sdb}/sdb1/partition"), "1\n"),
                (&format!("{sdb}/sdb1/size"), "1000\n"),
                (&format!("{sdb}/sdb1/dev"), "8:17\n"),
                (&format!("{sdb}/sdb1/holders/dm-0/x"), ""),
                (
                    "run/udev/data/b8:17",
                    "S:disk/by-label/data\nE:ID_FS_LABEL=data\nE:ID_FS_TYPE=crypto_LUKS\n",
                ),
                (&format!("{dm}/dev"), "254:0\n"),
                (&format!("{dm}/size"), "1000\n"),
                (&format!("{card}/../../type"), "SD\n"),
                (&format!("{card}/../../serial"), "0x1234abcd\n"),
                (&format!("{card}/../../name"), "SC32G\n"),
                (&format!("{card}/size"), "0\n"),
                (&format!("{card}/dev"), "179:0\n"),
                (&format!("{nvme}/size"), "1000000\n"),
                (&format!("{nvme}/dev"), "259:0\n"),
                (&format!("{nvme}/queue/logical_block_size"), "4096\n"),
                (&format!("{nvme}/nvme0n1p1/partition"), "1\n"),
                (&format!("{nvme}/nvme0n1p1/size"), "9\n"),
                (&format!("{nvme}/nvme0n1p1/dev"), "259:1\n"),
                ("sys/devices/virtual/block/loop0/size", "8\n"),
                (
                    "proc/self/mountinfo",
                    "22 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n90 22 254:0 / /media/kim/my\\040disk rw - ext4 /dev/mapper/a rw\n\
                     91 22 8:170 / /other rw - ext4 /dev/sdk10 rw\n\
                     92 22 0:35 / /media/kim/tree rw - btrfs /dev/sdb1 rw\n",
                ),
                ("proc/swaps", "Filename\tType\tSize\n/dev/nvme0n1p2 partition 8 0 -2\n"),
            ],
        );
        // `device` leads to the directory of the disk on its bus.
        for (disk, up) in [(&sdb, 2), (&card.to_owned(), 2)] {
            let to = Path::new(disk.as_str()).ancestors().nth(up).unwrap().to_str().unwrap().to_owned();
            link(root, &format!("{disk}/device"), &to);
        }
        for (name, to) in [
            ("sdb", sdb.as_str()),
            ("mmcblk0", card),
            ("nvme0n1", nvme),
            ("dm-0", dm),
            ("loop0", "sys/devices/virtual/block/loop0"),
        ] {
            link(root, &format!("sys/block/{name}"), to);
        }
        System::below(root)
    }

    #[test]
    fn disks_are_what_sysfs_says_of_them() {
        let root = tempfile::tempdir().unwrap();
        let disks = machine(root.path()).disks().unwrap();
        let paths: Vec<_> = disks.iter().map(|disk| disk.path.display().to_string()).collect();
        assert_eq!(paths, ["/dev/mmcblk0", "/dev/nvme0n1", "/dev/sdb"]);
        let [card, nvme, usb] = <[Disk; 3]>::try_from(disks).unwrap();

        assert_eq!((usb.model.as_str(), usb.serial.as_str()), ("SanDisk Ultra", "4C530001"));
        assert_eq!((usb.size, usb.sector, usb.is_removable), (62_333_952 * 512, 512, true));
        let (file_system, label) = ("crypto_LUKS".to_owned(), "data".to_owned());
        assert_eq!(usb.parts, [Part { name: "sdb1".to_owned(), size: 512_000, file_system, label }]);
        // By way of what is built on the partition.
        assert_eq!(usb.holders, ["dm-0"]);
        assert_eq!(usb.mounts, [PathBuf::from("/media/kim/my disk"), PathBuf::from("/media/kim/tree")]);
        assert!(usb.swaps.is_empty());

        assert_eq!(
            (card.model.as_str(), card.serial.as_str(), card.size, card.is_removable),
            ("SC32G", "0x1234abcd", 0, true)
        );
        assert_eq!((nvme.sector, nvme.is_removable), (4096, false));
        assert_eq!(nvme.mounts, [PathBuf::from("/")]);
    }
}
