//! Partition tables, of either kind, as the rest of the program sees them.

use uuid::Uuid;

use super::error::{DiskError, Result};
use super::kind::PartitionType;
use super::units::{ByteOffset, ByteSize};
use super::window::Window;
use super::{gpt, magic, mbr};

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
        // Checked when read: see `check`.
        ByteOffset(self.start.0.saturating_add(self.size.0))
    }

    /// The partition's bytes in `image`, the window that the table was read from.
    pub fn window(&self, image: &Window) -> Result<Window> {
        image.slice(self.start, self.size).map_err(DiskError::io("opening a partition"))
    }
}

impl PartitionTable {
    /// Reads and checks the table of an image with 512-byte sectors.
    ///
    /// Every partition of the answer has at least a sector, lies inside `image` and overlaps no other. Extended
    /// MBR partitions and damaged GPT headers (also where the other copy is good) are refused, as is an MBR beside a GPT
    /// that names other partitions than the GPT does.
    pub fn read(image: &Window) -> Result<Self> {
        let head = read_head(image)?;
        if let Some(error) = magic::foreign(&head) {
            return Err(error);
        }
        let sector = head.first_chunk::<512>().filter(|_| magic::signed(&head));
        let table = mbr::parse(sector.ok_or_else(|| magic::unsigned(&head))?)?;
        let table = match table {
            mbr::Found::Table(table) => {
                refuse_hidden_gpt(&head)?;
                table
            }
            mbr::Found::Protective => gpt::read(image, false)?,
            mbr::Found::Hybrid(shown) => {
                let table = gpt::read(image, true)?;
                table.agrees_with(&shown)?;
                table
            }
        };
        table.check(image.len())?;
        Ok(table)
    }

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

    /// Whether an MBR beside this GPT shows partitions of it, and nothing else.
    fn agrees_with(&self, shown: &[Partition]) -> Result<()> {
        let known = |entry: &&Partition| {
            self.partitions.iter().any(|p| p.start == entry.start && p.size == entry.size)
        };
        match shown.iter().find(|entry| !known(entry)) {
            None => Ok(()),
            Some(entry) => Err(DiskError::Corrupt {
                what: format!("MBR partition {} is none of the GPT's, in a hybrid MBR", entry.number),
                hint: Some("make the MBR anew with `gdisk` (recovery menu: h, then w)"),
            }),
        }
    }

    fn check(&self, image_size: u64) -> Result<()> {
        for p in &self.partitions {
            let end = p.start.0.checked_add(p.size.0);
            let end = end.ok_or_else(|| DiskError::corrupt(format!("partition {} has no end", p.number)))?;
            if p.size.0 == 0 {
                return Err(DiskError::corrupt(format!("partition {} has no sectors", p.number)));
            }
            if p.start.0 == 0 {
                return Err(DiskError::corrupt(format!("partition {} covers the table itself", p.number)));
            }
            if end > image_size {
                let what = format!("partition {}", p.number);
                return Err(DiskError::Truncated { what, end, size: image_size });
            }
        }
        self.check_overlap()
    }

    fn check_overlap(&self) -> Result<()> {
        let mut by_place: Vec<&Partition> = self.partitions.iter().collect();
        by_place.sort_by_key(|p| p.start);
        for (left, right) in by_place.iter().zip(by_place.iter().skip(1)) {
            if left.end() > right.start {
                let what = format!("partitions {} and {} overlap", left.number, right.number);
                return Err(DiskError::corrupt(what));
            }
        }
        Ok(())
    }
}

fn read_head(image: &Window) -> Result<Vec<u8>> {
    let len = usize::try_from(image.len()).unwrap_or(usize::MAX).min(magic::PROBE);
    let mut head = vec![0; len];
    image.read_exact_at(&mut head, 0).map_err(DiskError::io("reading the beginning of the image"))?;
    Ok(head)
}

/// A GPT that no protective entry announces: either the MBR or the GPT is left over, and guessing destroys data.
fn refuse_hidden_gpt(head: &[u8]) -> Result<()> {
    if head.get(512..520) == Some(b"EFI PART") {
        return Err(DiskError::Corrupt {
            what: "there is a GPT, but the MBR does not protect it".to_owned(),
            hint: Some("remove the one that is left over with `gdisk` (expert menu: z, or n and w)"),
        });
    }
    Ok(())
}
