//! The roles of partitions, by their contents and the root's fstab.

use hc_common::text::{NotText, decode};

use crate::disk::{Partition, PartitionTable, PartitionType, Window};
use crate::formats::device::DeviceName;
use crate::formats::fstab::{self, Mount};
use crate::fs::{FileSystem, FsError, ImagePath};

use super::error::OsError;
use super::image::{Access, fixed, open_ext4};
use super::probe::names_of;

/// The used partitions.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) root: Partition,
    /// A separate ext4 at `/boot`, as on Ubuntu's cloud images since 24.04.
    pub(super) kernels: Option<Partition>,
    pub(super) boot: Partition,
    /// The mount point of the FAT partition.
    pub(super) boot_dir: ImagePath,
}

/// The directory of the kernels, on a separate partition or not.
pub(super) const KERNELS: &str = "/boot";

const EXPECTED: &str = "one ext4 partition with a system, and one FAT partition that its /etc/fstab mounts";

impl Layout {
    /// Reads the file systems; never writes.
    pub(super) fn find(disk: &Window, table: &PartitionTable) -> Result<Self, OsError> {
        let root = find_root(disk, table)?;
        let fs = open_ext4("root", root.window(disk)?, Access::Read)?;
        let mounts = fstab::mounts(&read_text(&fs, fstab::PATH)?);
        let kernels = find_kernels(disk, table, &root, &mounts)?;
        let (boot, boot_dir) = find_boot(table, &mounts)?;
        Ok(Self { root, kernels, boot, boot_dir })
    }
}

/// The only Linux partition whose file system has an os-release. A damaged file system is an error: skipping it could
/// select the wrong partition.
fn find_root(disk: &Window, table: &PartitionTable) -> Result<Partition, OsError> {
    let mut found = Vec::new();
    for partition in table.partitions.iter().filter(|p| p.kind == PartitionType::Linux) {
        let fs = open_ext4("root", partition.window(disk)?, Access::Read)?;
        if has_os_release(&fs).map_err(|source| OsError::Fs { role: "root", source })? {
            found.push(partition.clone());
        }
    }
    match <[Partition; 1]>::try_from(found) {
        Ok([root]) => Ok(root),
        Err(found) if found.is_empty() => Err(unknown(table, "no Linux partition has a system")),
        Err(found) => Err(unknown(table, &format!("{} partitions have a system", found.len()))),
    }
}

fn has_os_release(fs: &dyn FileSystem) -> Result<bool, FsError> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        let path = fs.resolve(&fixed(path))?;
        if fs.stat(&path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The partition that fstab mounts at `/boot`, if it is not the FAT partition.
fn find_kernels(
    disk: &Window,
    table: &PartitionTable,
    root: &Partition,
    mounts: &[Mount],
) -> Result<Option<Partition>, OsError> {
    let Some(mount) = mounts.iter().find(|mount| mount.point == KERNELS && mount.fstype != "vfat") else {
        return Ok(None);
    };
    if mount.fstype != "ext4" {
        return Err(OsError::Unsupported {
            what: format!("a separate file system at {KERNELS} of type {}", mount.fstype),
            hint: "use an image with ext4 there, or without a separate file system".to_owned(),
        });
    }
    let linux = [PartitionType::Linux, PartitionType::ExtendedBoot];
    let mut found = Vec::new();
    for partition in table.partitions.iter().filter(|p| linux.contains(&p.kind) && p.number != root.number) {
        open_ext4(KERNELS, partition.window(disk)?, Access::Read)?;
        // A kernel name such as `/dev/sda2` depends on the machine, so it never matches.
        if names_of(disk, table, partition, None)?.is_named(&DeviceName::parse(&mount.device)) {
            found.push(partition.clone());
        }
    }
    match <[Partition; 1]>::try_from(found) {
        Ok([kernels]) => Ok(Some(kernels)),
        Err(found) => {
            let problem = format!(
                "{} ext4 partitions match {}, which /etc/fstab mounts at {KERNELS}",
                found.len(),
                mount.device
            );
            Err(unknown(table, &problem))
        }
    }
}

/// The only FAT partition, and its mount point in the root's fstab.
fn find_boot(table: &PartitionTable, mounts: &[Mount]) -> Result<(Partition, ImagePath), OsError> {
    let fats: Vec<&Partition> = table.partitions.iter().filter(|p| p.kind == PartitionType::Fat).collect();
    let [boot] = fats.as_slice() else {
        return Err(unknown(table, &format!("{} FAT partitions", fats.len())));
    };
    let points: Vec<_> = mounts.iter().filter(|mount| mount.fstype == "vfat").collect();
    let [mount] = points.as_slice() else {
        return Err(unknown(table, &format!("{} FAT mounts in /etc/fstab", points.len())));
    };
    let dir = ImagePath::parse(&mount.point)
        .map_err(|bad| OsError::File { path: fstab::PATH.to_owned(), problem: bad.to_string() })?;
    Ok(((*boot).clone(), dir))
}

fn read_text(fs: &dyn FileSystem, path: &str) -> Result<String, OsError> {
    let failed = |source| OsError::Fs { role: "root", source };
    let resolved = fs.resolve(&fixed(path)).map_err(failed)?;
    let bytes = fs.read(&resolved, 1 << 20).map_err(failed)?;
    let bad = |problem: NotText| OsError::File { path: path.to_owned(), problem: problem.to_string() };
    decode(&bytes).map(str::to_owned).map_err(bad)
}

fn unknown(table: &PartitionTable, problem: &str) -> OsError {
    let partitions: Vec<String> =
        table.partitions.iter().map(|p| format!("{} ({}, {})", p.number, p.kind, p.size)).collect();
    let partitions = if partitions.is_empty() { "none".to_owned() } else { partitions.join(", ") };
    OsError::Layout { found: format!("{problem}; partitions: {partitions}"), expected: EXPECTED }
}
