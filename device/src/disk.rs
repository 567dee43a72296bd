//! What is known of a disk, and why it is not written to.

use std::path::PathBuf;

use thiserror::Error;

/// A disk of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    /// What is opened: `/dev/sdb`.
    pub path: PathBuf,
    /// Maker and model, as it says them itself.
    pub model: String,
    /// Its serial number; empty where it has none.
    pub serial: String,
    /// Its size in bytes, as it says.
    pub size: u64,
    /// A logical sector in bytes.
    pub sector: u64,
    /// Whether it is made to be taken out: USB, or a card.
    pub is_removable: bool,
    /// Whether it is a part of a disk.
    pub is_partition: bool,
    /// Whether the system says that it cannot be written to.
    pub is_read_only: bool,
    /// Its partitions.
    pub parts: Vec<Part>,
    /// Where it, a partition of it, or what is built on one is mounted.
    pub mounts: Vec<PathBuf>,
    /// Swap on it.
    pub swaps: Vec<PathBuf>,
    /// What is built on it and in use: RAID, LVM, encryption, by the kernel's names.
    pub holders: Vec<String>,
}

/// A partition of a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// The kernel's name: `sdb1`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The kind of its file system: `ext4`; empty where that is not known.
    pub file_system: String,
    /// The label of the file system; empty where it has none.
    pub label: String,
}

/// Why a disk is not written to. The text says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is a partition.
    #[error("it is a partition, and an image is a whole disk: name the disk that it is on")]
    Partition,
    /// The system runs from it.
    #[error("it is the disk that this system runs from ({0} is on it)")]
    System(String),
    /// Something of it is mounted.
    #[error("it is mounted: {0}; unmount it: sudo umount {0}")]
    Mounted(String),
    /// Swap is on it.
    #[error("swap is on it: {0}; end that with: sudo swapoff {0}")]
    Swap(String),
    /// Something is built on it.
    #[error(
        "it is a part of {0} (RAID, LVM or encryption), which is in use: stop that first (mdadm --stop, vgchange -an, cryptsetup close)"
    )]
    Held(String),
    /// It cannot be written to.
    #[error("it is read-only: a card may have a switch at its side")]
    ReadOnly,
    /// There is nothing in the reader.
    #[error("it has no medium: is the card in the reader?")]
    Empty,
    /// It is too small.
    #[error("it has {has} bytes, and the image {needs}: take a larger one")]
    TooSmall {
        /// Its size.
        has: u64,
        /// That of the image.
        needs: u64,
    },
    /// Its sectors do not fit.
    #[error(
        "its sectors have {0} bytes, and the partition table of an image counts 512: it would not be found there"
    )]
    Sectors(u64),
    /// It is built in.
    #[error(
        "it is built into this machine, and not made to be taken out: if it is the right one, add --fixed"
    )]
    Fixed,
}

/// What a system is on.
const SYSTEM: [&str; 10] =
    ["/", "/boot", "/boot/efi", "/boot/firmware", "/efi", "/home", "/nix", "/usr", "/var", WINDOWS];

/// What stands in [`Disk::mounts`] of a disk that Windows runs or starts from.
pub(crate) const WINDOWS: &str = "Windows";

impl Disk {
    /// Why an image of so many bytes is not written to it; `with_fixed` allows disks that are built in.
    pub fn refusal(&self, image: u64, with_fixed: bool) -> Option<Refusal> {
        let mounts = || self.mounts.iter().map(|mount| mount.display().to_string());
        if self.is_partition {
            return Some(Refusal::Partition);
        }
        if let Some(mount) = mounts().find(|mount| SYSTEM.contains(&mount.as_str())) {
            return Some(Refusal::System(mount));
        }
        if let Some(mount) = mounts().next() {
            return Some(Refusal::Mounted(mount));
        }
        if let Some(swap) = self.swaps.first() {
            return Some(Refusal::Swap(swap.display().to_string()));
        }
        if let Some(holder) = self.holders.first() {
            return Some(Refusal::Held(holder.clone()));
        }
        if self.size == 0 {
            return Some(Refusal::Empty);
        }
        if self.is_read_only {
            return Some(Refusal::ReadOnly);
        }
        if self.sector != 512 {
            return Some(Refusal::Sectors(self.sector));
        }
        if self.size < image {
            return Some(Refusal::TooSmall { has: self.size, needs: image });
        }
        if !self.is_removable && !with_fixed {
            return Some(Refusal::Fixed);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn card() -> Disk {
        Disk { path: "/dev/sdb".into(), size: 8 * GIB, sector: 512, is_removable: true, ..Disk::default() }
    }

    #[test]
    fn a_free_card_is_written_to_and_each_other_one_is_refused_by_name() {
        assert_eq!(card().refusal(4 * GIB, false), None);
        let fixed = Disk { is_removable: false, ..card() };
        assert_eq!(fixed.refusal(4 * GIB, true), None);
        let cases = [
            (fixed, "built into this machine"),
            (Disk { is_partition: true, ..card() }, "is a partition"),
            (
                Disk { mounts: vec!["/media/kim/A".into(), "/boot/firmware".into()], ..card() },
                "/boot/firmware is on it",
            ),
            (Disk { mounts: vec!["/media/kim/A".into()], ..card() }, "sudo umount /media/kim/A"),
            (Disk { swaps: vec!["/dev/sdb2".into()], ..card() }, "sudo swapoff /dev/sdb2"),
            (Disk { holders: vec!["md0".into()], ..card() }, "a part of md0"),
            (Disk { size: 0, ..card() }, "no medium"),
            (Disk { is_read_only: true, ..card() }, "read-only"),
            (Disk { sector: 4096, ..card() }, "4096 bytes"),
            (Disk { size: 2 * GIB, ..card() }, "take a larger one"),
        ];
        for (disk, expected) in cases {
            let said = disk.refusal(4 * GIB, false).map(|refusal| refusal.to_string()).unwrap_or_default();
            assert!(said.contains(expected), "{said}");
        }
        // The system's disk stays refused, whatever is allowed.
        let system = Disk { mounts: vec!["/".into()], is_removable: false, ..card() };
        assert!(matches!(system.refusal(GIB, true), Some(Refusal::System(_))));
    }
}
