//! Enlarges an image and its last partition.

use std::fs::File;
use std::sync::Arc;

use super::error::{DiskError, Result};
use super::gpt_edit::GptPlan;
use super::mbr;
use super::partition::{Partition, PartitionTable, TableKind};
use super::units::{ByteSize, SECTOR};
use super::window::Window;

/// Makes the image `new_size` bytes long and extends partition `number` to its end; returns the partition's new size.
///
/// The partition must be the last on the disk; `new_size` is at least the present size and whole sectors (whole
/// MiB are recommended). The file is extended before the table is, so a stop between the two leaves a table that
/// is still valid on MBR and can be fixed on GPT; nothing is synced. Boot code, ids and all other entries are kept.
/// The content of the partition does not change: its file system has to be grown separately.
pub fn grow_last(file: &File, number: u32, new_size: ByteSize) -> Result<ByteSize> {
    let before = whole(file)?;
    let table = PartitionTable::read(&before)?;
    let partition = last_partition(&table, number)?;
    check_size(before.len(), new_size)?;
    let plan = Plan::new(&before, &table, partition, new_size)?;

    file.set_len(new_size.0).map_err(DiskError::io("making the image longer"))?;
    let image = whole(file)?;
    plan.carry_out(&image)?;

    let after = PartitionTable::read(&image)?;
    let grown = after.partition(number).ok_or_else(|| DiskError::corrupt("the grown partition is gone"))?;
    Ok(grown.size)
}

/// The bytes of an open image.
pub(super) fn whole(file: &File) -> Result<Window> {
    let file = file.try_clone().map_err(DiskError::io("opening the image once more"))?;
    Window::whole(Arc::new(file)).map_err(DiskError::io("reading the size of the image"))
}

fn last_partition(table: &PartitionTable, number: u32) -> Result<&Partition> {
    let missing = || DiskError::unsupported(format!("growing partition {number}, which does not exist,"));
    let partition = table.partition(number).ok_or_else(missing)?;
    match table.partitions.iter().find(|other| other.start > partition.start) {
        Some(next) => Err(DiskError::unsupported(format!(
            "growing partition {number}, which is followed by partition {},",
            next.number
        ))),
        None => Ok(partition),
    }
}

fn check_size(present: u64, new_size: ByteSize) -> Result<()> {
    let bad = |problem: String| Err(DiskError::BadSize { size: new_size.0, problem });
    if !new_size.0.is_multiple_of(SECTOR) {
        return bad(format!("it is not a multiple of {SECTOR} bytes"));
    }
    if new_size.0 < present {
        return bad(format!("it already has {present} bytes and cannot be shrunk"));
    }
    Ok(())
}

/// What is to be written, checked before the first write.
struct Plan {
    sector: [u8; 512],
    gpt: Option<GptPlan>,
}

impl Plan {
    fn new(image: &Window, table: &PartitionTable, partition: &Partition, size: ByteSize) -> Result<Self> {
        let sectors = size.0 / SECTOR;
        let sector = mbr::read(image)?;
        match table.kind {
            TableKind::Mbr { .. } => {
                Ok(Self { sector: mbr::with_end(&sector, partition.number, sectors)?, gpt: None })
            }
            TableKind::Gpt { .. } => {
                let gpt = GptPlan::new(image, Some(partition), sectors)?;
                let (start, end) = (partition.start.0 / SECTOR, gpt.usable_end());
                if end < partition.end().0 / SECTOR {
                    let problem =
                        "there is no room behind the last partition for the backup of its GPT".to_owned();
                    return Err(DiskError::BadSize { size: size.0, problem });
                }
                Ok(Self { sector: mbr::beside_gpt(&sector, start, end, sectors)?, gpt: Some(gpt) })
            }
        }
    }

    fn carry_out(self, image: &Window) -> Result<()> {
        if let Some(gpt) = self.gpt {
            gpt.carry_out(image)?;
        }
        mbr::write(image, &self.sector)
    }
}
