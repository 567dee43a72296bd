//! Block devices, from sysfs.

use std::path::{Path, PathBuf};

use crate::sys::{Command, System};

/// All block devices, including partitions.
pub(crate) const CLASS: &str = "/sys/class/block";

/// The unit of `start` and `size` in sysfs, regardless of the device's sector size.
pub(crate) const SECTOR: u64 = 512;

/// Name prefixes of devices that are not disks: memory, images, optical drives, maps of other devices.
const NO_DISKS: [&str; 10] = ["loop", "ram", "zram", "sr", "fd", "dm-", "md", "mtdblock", "nbd", "drbd"];

/// A partition and its position on the disk, in sectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) name: String,
    pub(crate) number: u64,
    pub(crate) start: u64,
    pub(crate) sectors: u64,
}

/// A whole disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) name: String,
    pub(crate) sectors: u64,
    /// In the order of their positions.
    pub(crate) partitions: Vec<Partition>,
}

fn text(sys: &dyn System, path: &str) -> Option<String> {
    let bytes = sys.read(Path::new(path)).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn number(sys: &dyn System, path: &str) -> Option<u64> {
    text(sys, path)?.parse().ok()
}

/// `major:minor` of a device.
pub(crate) fn device_number(sys: &dyn System, name: &str) -> Option<String> {
    text(sys, &format!("{CLASS}/{name}/dev"))
}

/// The name of a device by its `major:minor`.
pub(crate) fn name_of(sys: &dyn System, device: &str) -> Option<String> {
    let target = sys.read_link(&PathBuf::from(format!("/sys/dev/block/{device}"))).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

/// The disk of a partition, by the partition's `major:minor`; `None` if it is not a partition.
pub(crate) fn disk_of(sys: &dyn System, device: &str) -> Option<String> {
    let target = sys.read_link(&PathBuf::from(format!("/sys/dev/block/{device}"))).ok()?;
    number(sys, &format!("{CLASS}/{}/partition", target.file_name()?.to_str()?))?;
    Some(target.parent()?.file_name()?.to_str()?.to_owned())
}

impl Disk {
    /// Reads a disk and its partitions; `None` if the disk does not exist.
    pub(crate) fn read(sys: &dyn System, name: &str) -> Option<Self> {
        let sectors = number(sys, &format!("{CLASS}/{name}/size"))?;
        let inside = sys.list(&PathBuf::from(format!("{CLASS}/{name}"))).ok()?;
        let parts = inside.into_iter().filter(|part| part.starts_with(name));
        let mut partitions: Vec<_> = parts.filter_map(|part| Partition::read(sys, name, part)).collect();
        partitions.sort_by_key(|partition| partition.start);
        Some(Self { name: name.to_owned(), sectors, partitions })
    }

    /// The path of its device file.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// Its size in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.sectors.saturating_mul(SECTOR)
    }

    /// All disks that can have data.
    pub(crate) fn all(sys: &dyn System) -> Vec<Self> {
        let names = sys.list(Path::new("/sys/block")).unwrap_or_default();
        let whole = |name: &String| {
            !NO_DISKS.iter().any(|prefix| name.starts_with(prefix))
                && !["boot0", "boot1", "rpmb"].iter().any(|end| name.ends_with(end))
        };
        let disks = names.into_iter().filter(whole).filter_map(|name| Self::read(sys, &name));
        disks.filter(|disk| disk.sectors > 0).collect()
    }

    /// Whether it cannot be written.
    pub(crate) fn is_read_only(&self, sys: &dyn System) -> bool {
        number(sys, &format!("{CLASS}/{}/ro", self.name)) != Some(0)
    }

    /// Whether it is part of another device (a map, an array).
    pub(crate) fn is_held(&self, sys: &dyn System) -> bool {
        let holders = sys.list(&PathBuf::from(format!("{CLASS}/{}/holders", self.name)));
        holders.is_ok_and(|names| !names.is_empty())
    }

    /// Model, serial number and size, as on the label of the disk; it also identifies the disk.
    pub(crate) fn description(&self, sys: &dyn System) -> String {
        let device = self.path().display().to_string();
        let command = Command::new("udevadm", ["info", "--query=property", "--name", &device]);
        let known = sys.run(&command).map(|output| output.stdout).unwrap_or_default();
        let property = |key: &str| {
            let mut pairs = known.lines().filter_map(|line| line.split_once('='));
            pairs.find(|(name, value)| *name == key && !value.is_empty()).map(|(_, value)| value.to_owned())
        };
        let dir = format!("{CLASS}/{}/device", self.name);
        let model = property("ID_MODEL").or_else(|| text(sys, &format!("{dir}/model")));
        let serial = property("ID_SERIAL_SHORT")
            .or_else(|| property("ID_SERIAL"))
            .or_else(|| text(sys, &format!("{dir}/serial")))
            .or_else(|| text(sys, &format!("{CLASS}/{}/serial", self.name)));
        let unknown = || "unknown".to_owned();
        let (model, serial) = (model.unwrap_or_else(unknown), serial.unwrap_or_else(unknown));
        format!("model {model}, serial {serial}, {}", size(self.bytes()))
    }
}

impl Partition {
    fn read(sys: &dyn System, disk: &str, name: String) -> Option<Self> {
        let of = |key: &str| number(sys, &format!("{CLASS}/{disk}/{name}/{key}"));
        Some(Self { number: of("partition")?, start: of("start")?, sectors: of("size")?, name })
    }

    /// The first sector after its end.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.sectors)
    }
}

/// A size in decimal units, as on disk labels, with one decimal place.
pub(crate) fn size(bytes: u64) -> String {
    let units = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000)];
    let (unit, one) = units.into_iter().find(|(_, one)| bytes >= *one).unwrap_or(("kB", 1000));
    format!("{}.{} {unit}", bytes / one, bytes % one * 10 / one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_one_decimal_place_and_a_decimal_unit() {
        let table = [
            (0, "0.0 kB"),
            (31_914_983_424, "31.9 GB"),
            (1_999_999, "1.9 MB"),
            (2_000_398_934_016, "2.0 TB"),
        ];
        for (bytes, expected) in table {
            assert_eq!(size(bytes), expected);
        }
    }
}
