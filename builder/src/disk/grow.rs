//! Enlarges an image and its last partition.

use std::fs::File;
use std::sync::Arc;

use gpt::disk::LogicalBlockSize;

use super::error::{DiskError, Result};
use super::partition::{Partition, PartitionTable, TableKind};
use super::units::{ByteSize, SECTOR};
use super::window::Window;
use super::{gpt as table_gpt, mbr};

/// Bytes of a GPT entry, and where in it the last sector stands.
const ENTRY: usize = 128;
const LAST_LBA: usize = 40;

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

struct GptPlan {
    headers: table_gpt::Headers,
    entries: Vec<u8>,
    /// First sectors of the old backup's array and header, to be cleared.
    old_backup: (u64, u64),
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
                let gpt = GptPlan::new(image, partition, sectors)?;
                let (start, end) =
                    (partition.start.0 / SECTOR, gpt.headers.primary.last_usable.saturating_add(1));
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

impl GptPlan {
    fn new(image: &Window, partition: &Partition, sectors: u64) -> Result<Self> {
        let too_large = || DiskError::corrupt("the new place of the GPT backup cannot be addressed");
        let mut headers = table_gpt::read_headers(image)?;
        let array = table_gpt::array_sectors(&headers.primary);
        let old_backup = (headers.backup.part_start, headers.backup.current_lba);
        let backup_lba = sectors.checked_sub(1).ok_or_else(too_large)?;
        let array_start = backup_lba.checked_sub(array).ok_or_else(too_large)?;
        let last_usable = array_start.checked_sub(1).ok_or_else(too_large)?;

        headers.primary.backup_lba = backup_lba;
        headers.primary.last_usable = last_usable;
        headers.backup.current_lba = backup_lba;
        headers.backup.part_start = array_start;
        headers.backup.last_usable = last_usable;
        let entries = grown_entries(image, &headers, partition.number, last_usable)?;
        Ok(Self { headers, entries, old_backup })
    }

    /// The backup first: until the primary header is written, it still describes the old, complete table.
    ///
    /// The crate's own `write` is not used, because it numbers the partitions anew (1, 14, 15 become 1, 2, 3).
    fn carry_out(mut self, image: &Window) -> Result<()> {
        let failed = |error| DiskError::corrupt(format!("writing a GPT header: {error}"));
        let (old_array, old_header) = self.old_backup;
        write(image, &vec![0; self.entries.len()], old_array)?;
        write(image, &[0; 512], old_header)?;
        write(image, &self.entries, self.headers.backup.part_start)?;
        self.headers.backup.write_backup(&mut image.cursor(), LogicalBlockSize::Lb512).map_err(failed)?;
        write(image, &self.entries, self.headers.primary.part_start)?;
        self.headers.primary.write_primary(&mut image.cursor(), LogicalBlockSize::Lb512).map_err(failed)?;
        Ok(())
    }
}

fn write(image: &Window, bytes: &[u8], sector: u64) -> Result<()> {
    let offset = sector.checked_mul(SECTOR).ok_or_else(|| DiskError::corrupt("a GPT sector"))?;
    image.write_all_at(bytes, offset).map_err(DiskError::io("writing the partition table"))
}

/// The array of entries as it is, but for the last sector of one.
fn grown_entries(image: &Window, headers: &table_gpt::Headers, number: u32, last: u64) -> Result<Vec<u8>> {
    let bad = || DiskError::corrupt("the array of GPT entries");
    let header = &headers.primary;
    let count = usize::try_from(header.num_parts).map_err(|_| bad())?;
    let mut entries = vec![0; count.checked_mul(ENTRY).ok_or_else(bad)?];
    let offset = header.part_start.checked_mul(SECTOR).ok_or_else(bad)?;
    image.read_exact_at(&mut entries, offset).map_err(DiskError::io("reading the GPT entries"))?;
    let index = usize::try_from(number).ok().and_then(|n| n.checked_sub(1)).ok_or_else(bad)?;
    let entry = entries.chunks_exact_mut(ENTRY).nth(index).ok_or_else(bad)?;
    entry
        .get_mut(LAST_LBA..)
        .and_then(|rest| rest.first_chunk_mut::<8>())
        .ok_or_else(bad)?
        .copy_from_slice(&last.to_le_bytes());
    Ok(entries)
}
