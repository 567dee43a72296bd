//! The roles of partitions, by their contents and the root's fstab.

use hc_common::text::{NotText, decode};

use crate::disk::{Partition, PartitionTable, PartitionType, Window, other_file_system};
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

/// What is on disks with a root, and has none.
const NO_ROOT: [&str; 3] = ["Linux swap", "NTFS", "exFAT"];

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
        if other_file_system(&partition.window(disk)?)?.is_some() {
            continue;
        }
        let fs = open_ext4("root", partition.window(disk)?, Access::Read)?;
        if has_os_release(&fs).map_err(|source| OsError::Fs { role: "root", source })? {
            found.push(partition.clone());
        }
    }
    match <[Partition; 1]>::try_from(found) {
        Ok([root]) => Ok(root),
        Err(found) if found.is_empty() => Err(without_root(disk, table)?),
        Err(found) => Err(unknown(table, &format!("{} partitions have a system", found.len()))),
    }
}

/// Why there is no root: what is not edited, by its name, wherever it is.
fn without_root(disk: &Window, table: &PartitionTable) -> Result<OsError, OsError> {
    let mut others = Vec::new();
    for partition in &table.partitions {
        let other = other_file_system(&partition.window(disk)?)?.filter(|name| !NO_ROOT.contains(name));
        others.extend(other.map(|name| format!("{name} (partition {})", partition.number)));
    }
    if others.is_empty() {
        return Ok(unknown(table, "no Linux partition has a system"));
    }
    Ok(OsError::Unsupported {
        what: format!("a root file system on {}", others.join(" or ")),
        hint:
            "hcimage edits ext4: take an image of the publisher's whose root is an ext4 partition of its own"
                .to_owned(),
    })
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
        if other_file_system(&partition.window(disk)?)?.is_some() {
            continue;
        }
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

#[cfg(test)]
mod tests {

    use crate::disk::testkit::{Scratch, text, tool};
    use crate::exit_class::{Classified, ExitClass};
    use crate::os::OsImage;

    const MIB: u64 = 1 << 20;

    /// A disk with a table by sfdisk, whose second partition is as `make` leaves a file.
    fn disk(table: &str, make: &dyn Fn(&Scratch)) -> Scratch {
        let (disk, partition) = (Scratch::sized(328 * MIB), Scratch::sized(310 * MIB));
        tool("fdisk", "sfdisk", &["--quiet", text(&disk.path())], table);
        make(&partition);
        let content = std::fs::read(partition.path()).unwrap();
        disk.window().write_all_at(&content, 16 * MIB).unwrap();
        disk
    }

    #[test]
    fn a_root_that_is_not_edited_is_called_by_name() {
        const DOS: &str = "label: dos\nstart=2048,size=8192,type=c\nstart=32768,size=634880,type=83\n";
        const LVM: &str = "label: dos\nstart=2048,size=8192,type=c\nstart=32768,size=634880,type=8e\n";
        const GPT: &str = "label: gpt\nstart=2048,size=8192,type=uefi\nstart=32768,size=634880,type=linux\n";
        let mkfs = |package: &'static str, program: &'static str| {
            move |file: &Scratch| drop(tool(package, program, &["-q", text(&file.path())], ""))
        };
        let mark = |place, bytes: &'static [u8]| {
            move |file: &Scratch| file.window().write_all_at(bytes, place).unwrap()
        };
        type Make = Box<dyn Fn(&Scratch)>;
        let cases: [(&str, Make, &str); 6] = [
            (DOS, Box::new(mkfs("btrfs-progs", "mkfs.btrfs")), "a root file system on btrfs (partition 2)"),
            (GPT, Box::new(mkfs("f2fs-tools", "mkfs.f2fs")), "a root file system on F2FS (partition 2)"),
            (GPT, Box::new(mkfs("xfsprogs", "mkfs.xfs")), "a root file system on XFS (partition 2)"),
            (DOS, Box::new(mark(0, b"LUKS\xba\xbe")), "a root file system on LUKS (encrypted) (partition 2)"),
            (LVM, Box::new(mark(0x218, b"LVM2 001")), "a root file system on LVM (partition 2)"),
            (DOS, Box::new(mark(0xff6, b"SWAPSPACE2")), "no Linux partition has a system"),
        ];
        for (table, make, words) in cases {
            let disk = disk(table, &make);
            let error = OsImage::open(&disk.path()).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.class(), Some(ExitClass::Unsupported), "{error}");
        }
    }
}
