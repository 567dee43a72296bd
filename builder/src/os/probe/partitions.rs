//! The names by which Linux finds the partitions of an image.

use uuid::Uuid;

use crate::disk::{Partition, PartitionTable, TableKind, Window};

use super::super::boot::PartitionNames;
use super::super::error::OsError;
use super::super::image::{Access, OsImage, PartitionRole, open_fat, whole};
use super::root;
use crate::fs::FsError;

/// As much of a partition as tells its file system: the signature of swap ends the first page.
const HEAD: usize = 4096;

/// All partitions.
pub(super) fn names(image: &OsImage) -> Result<Vec<PartitionNames>, OsError> {
    let disk = whole(image.file())?;
    let mounts = image.mounts();
    let role_of = |partition: &Partition| {
        mounts.iter().find(|(_, mounted, _)| mounted.number == partition.number).map(|(role, ..)| *role)
    };
    let all = image.table().partitions.iter();
    all.map(|partition| names_of(&disk, image.table(), partition, role_of(partition))).collect()
}

/// One partition. What is on it is not checked, unless it is the FAT partition.
pub(in super::super) fn names_of(
    disk: &Window,
    table: &PartitionTable,
    partition: &Partition,
    role: Option<PartitionRole>,
) -> Result<PartitionNames, OsError> {
    let window = partition.window(disk)?;
    let file_system = match role {
        Some(PartitionRole::Boot) => fat(window)?,
        _ => ext4_or_swap(&window)?,
    };
    let FileSystemNames { fstype, uuid, label } = file_system;
    Ok(PartitionNames {
        number: partition.number,
        role,
        fstype: fstype.map(str::to_owned),
        uuid,
        label,
        partuuid: table.partuuid(partition.number),
        partlabel: partition.label.clone(),
    })
}

/// The number of the boot partition as a Raspberry Pi's firmware counts. Of a hybrid MBR it reads the MBR, in which a
/// build puts that partition first.
pub(super) fn firmware_number(image: &OsImage) -> u32 {
    let boot = image.mounts().into_iter().find(|(role, ..)| *role == PartitionRole::Boot);
    match image.table().kind {
        TableKind::Gpt { hybrid: true, .. } => 1,
        _ => boot.map_or(1, |(_, partition, _)| partition.number),
    }
}

#[derive(Default)]
struct FileSystemNames {
    fstype: Option<&'static str>,
    uuid: Option<String>,
    label: Option<String>,
}

fn fat(window: Window) -> Result<FileSystemNames, OsError> {
    let failed = |source| OsError::Fs { role: PartitionRole::Boot.as_str(), source };
    let fat = open_fat(window, Access::Read)?;
    let serial = fat.serial().map_err(failed)?;
    let uuid = format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff);
    Ok(FileSystemNames { fstype: Some("vfat"), uuid: Some(uuid), label: fat.label().map_err(failed)? })
}

/// By their signatures and fields (Linux, `fs/ext4/ext4.h` and `include/linux/swap.h`).
fn ext4_or_swap(window: &Window) -> Result<FileSystemNames, OsError> {
    let mut head = vec![0; HEAD.min(usize::try_from(window.len()).unwrap_or(HEAD))];
    let io = |source| FsError::Io { what: "reading the beginning of a partition".to_owned(), source };
    window.read_exact_at(&mut head, 0).map_err(|source| root(io(source)))?;
    let at = |place: usize, len: usize| head.get(place..place.saturating_add(len));
    let (fstype, uuid, label) = if at(0x438, 2) == Some(&[0x53, 0xef]) {
        ("ext4", at(0x468, 16), at(0x478, 16))
    } else if at(HEAD - 10, 10) == Some(b"SWAPSPACE2") {
        ("swap", at(0x40c, 16), at(0x41c, 16))
    } else {
        return Ok(FileSystemNames::default());
    };
    let uuid = uuid.and_then(|bytes| Uuid::from_slice(bytes).ok()).map(|uuid| uuid.hyphenated().to_string());
    let label = label.map(|bytes| bytes.split(|byte| *byte == 0).next().unwrap_or_default());
    let label = label.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Ok(FileSystemNames { fstype: Some(fstype), uuid, label: label.filter(|label| !label.is_empty()) })
}
