//! What the table says that a partition holds.

use std::fmt;

use uuid::{Uuid, uuid};

/// The purpose of a partition, from its MBR type byte or its GPT type GUID.
///
/// The file system itself is checked when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionType {
    /// FAT, the EFI system partition included.
    Fat,
    /// A Linux file system.
    Linux,
    /// `/boot` by the boot loader specification, of any file system.
    ExtendedBoot,
    /// GRUB's own code on GPT disks; no file system.
    BiosBoot,
    /// Another MBR type.
    OtherMbr(u8),
    /// Another GPT type.
    OtherGpt(Uuid),
}

/// UEFI specification 2.10, table 5.7, and the Discoverable Partitions Specification.
const GPT_TYPES: [(Uuid, PartitionType); 7] = [
    (uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), PartitionType::Fat),
    (uuid!("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"), PartitionType::Fat),
    (uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4"), PartitionType::Linux),
    // Root of x86-64 and of arm64.
    (uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"), PartitionType::Linux),
    (uuid!("b921b045-1df0-41c3-af44-4c6f280d3fae"), PartitionType::Linux),
    (uuid!("bc13c2ff-59e6-4262-a352-b275fd6f7172"), PartitionType::ExtendedBoot),
    (uuid!("21686148-6449-6e6f-744e-656564454649"), PartitionType::BiosBoot),
];

impl PartitionType {
    /// By the type byte of an MBR entry.
    pub(super) fn of_mbr(byte: u8) -> Self {
        match byte {
            // FAT16, FAT32, both with LBA addressing, and the EFI system partition.
            0x06 | 0x0b | 0x0c | 0x0e | 0xef => Self::Fat,
            0x83 => Self::Linux,
            other => Self::OtherMbr(other),
        }
    }

    /// By the type GUID of a GPT entry.
    pub(super) fn of_gpt(guid: Uuid) -> Self {
        GPT_TYPES.iter().find(|(known, _)| *known == guid).map_or(Self::OtherGpt(guid), |(_, kind)| *kind)
    }
}

impl fmt::Display for PartitionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fat => f.write_str("FAT"),
            Self::Linux => f.write_str("Linux"),
            Self::ExtendedBoot => f.write_str("Linux extended boot"),
            Self::BiosBoot => f.write_str("BIOS boot"),
            Self::OtherMbr(byte) => write!(f, "type 0x{byte:02x}"),
            Self::OtherGpt(guid) => write!(f, "type {guid}"),
        }
    }
}
