//! Partition tables, of either kind, as the rest of the program sees them.

use uuid::Uuid;

use super::error::{DiskError, Result};
use super::kind::PartitionType;
use super::units::{ByteOffset, ByteSize};
use super::window::Window;

/// The kind of a table and the disk's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// MBR, also called DOS or msdos.
    Mbr {
        /// The four bytes at 440, little-endian.
        disk_id: u32,
    },
    /// GPT.
    Gpt {
        /// The disk's GUID.
        disk_guid: Uuid,
        /// Whether some of its partitions stand in the MBR as well, for a Raspberry Pi's firmware.
        hybrid: bool,
    },
}

/// A partition that is known to lie inside the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// From 1 on, as the kernel counts; on GPT not in disk order and with gaps.
    pub number: u32,
    /// Where it begins.
    pub start: ByteOffset,
    /// Its size.
    pub size: ByteSize,
    /// What the table says that it holds.
    pub kind: PartitionType,
    /// The GPT name, if it has one.
    pub label: Option<String>,
    /// The GPT partition's own GUID.
    pub guid: Option<Uuid>,
}

/// The table of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTable {
    /// Kind and identity.
    pub kind: TableKind,
    /// The partitions in use, by number.
    pub partitions: Vec<Partition>,
}

impl Partition {
    /// The first byte behind it.
    pub fn end(&self) -> ByteOffset {
        // Checked when the table was read.
        ByteOffset(self.start.0.saturating_add(self.size.0))
    }

    /// The partition's bytes in `image`, the window that the table was read from.
    pub fn window(&self, image: &Window) -> Result<Window> {
        image.slice(self.start, self.size).map_err(DiskError::io("opening a partition"))
    }
}

impl PartitionTable {
    /// The partition of that number.
    pub fn partition(&self, number: u32) -> Option<&Partition> {
        self.partitions.iter().find(|p| p.number == number)
    }

    /// How the kernel names a partition in `root=PARTUUID=`: `1234abcd-02` on MBR, the lower-case GUID on GPT.
    ///
    /// Source: `block/partitions/msdos.c` (`%08x-%02x`) and `efi.c` of Linux.
    pub fn partuuid(&self, number: u32) -> Option<String> {
        let partition = self.partition(number)?;
        match self.kind {
            TableKind::Mbr { disk_id } => Some(format!("{disk_id:08x}-{number:02x}")),
            TableKind::Gpt { .. } => partition.guid.map(|guid| guid.hyphenated().to_string()),
        }
    }
}
