//! Writes a GPT: its backup goes to the end of the disk, where firmware and partitioning tools look for it, whatever becomes of the
//! partitions.

use gpt::disk::LogicalBlockSize;

use super::error::{DiskError, Result};
use super::gpt::{Headers, array_sectors, read_headers};
use super::partition::Partition;
use super::units::SECTOR;
use super::window::Window;

/// Bytes of a GPT entry, and where in it the last sector stands.
const ENTRY: usize = 128;
const LAST_LBA: usize = 40;

/// What is to be written, checked before the first write.
pub(super) struct GptPlan {
    headers: Headers,
    entries: Vec<u8>,
    /// First sectors of the old backup's array and header, to be cleared.
    old_backup: Option<(u64, u64)>,
}

impl GptPlan {
    /// For a disk of so many sectors; the partition `grown` ends with the last usable one.
    pub(super) fn new(image: &Window, grown: Option<&Partition>, sectors: u64) -> Result<Self> {
        let too_large = || DiskError::corrupt("the new place of the GPT backup cannot be addressed");
        let mut headers = read_headers(image)?;
        let array = array_sectors(&headers.primary);
        let backup_lba = sectors.checked_sub(1).ok_or_else(too_large)?;
        let array_start = backup_lba.checked_sub(array).ok_or_else(too_large)?;
        let last_usable = array_start.checked_sub(1).ok_or_else(too_large)?;

        let old_backup = headers.backup.as_ref().map(|backup| (backup.part_start, backup.current_lba));
        headers.primary.backup_lba = backup_lba;
        headers.primary.last_usable = last_usable;
        let mut entries = entries(image, &headers)?;
        if let Some(partition) = grown {
            end_at(&mut entries, partition.number, last_usable)?;
        }
        Ok(Self { headers, entries, old_backup })
    }

    /// The sector behind the last one that partitions may use.
    pub(super) fn usable_end(&self) -> u64 {
        self.headers.primary.last_usable.saturating_add(1)
    }

    /// The backup first: until the primary header is written, it still describes the old, complete table.
    ///
    /// The crate's own `write` is not used, because it numbers the partitions anew (1, 14, 15 become 1, 2, 3).
    pub(super) fn carry_out(mut self, image: &Window) -> Result<()> {
        let failed = |error| DiskError::corrupt(format!("writing a GPT header: {error}"));
        if let Some((array, header)) = self.old_backup {
            write(image, &vec![0; self.entries.len()], array)?;
            write(image, &[0; 512], header)?;
        }
        let mut backup = self.headers.primary.clone();
        backup.current_lba = self.headers.primary.backup_lba;
        backup.backup_lba = self.headers.primary.current_lba;
        backup.part_start = self.usable_end();
        write(image, &self.entries, backup.part_start)?;
        backup.write_backup(&mut image.cursor(), LogicalBlockSize::Lb512).map_err(failed)?;
        write(image, &self.entries, self.headers.primary.part_start)?;
        self.headers.primary.write_primary(&mut image.cursor(), LogicalBlockSize::Lb512).map_err(failed)?;
        Ok(())
    }
}

fn write(image: &Window, bytes: &[u8], sector: u64) -> Result<()> {
    let offset = sector.checked_mul(SECTOR).ok_or_else(|| DiskError::corrupt("a GPT sector"))?;
    image.write_all_at(bytes, offset).map_err(DiskError::io("writing the partition table"))
}

/// The array of entries as it is.
fn entries(image: &Window, headers: &Headers) -> Result<Vec<u8>> {
    let header = &headers.primary;
    let count = usize::try_from(header.num_parts).map_err(|_| bad_array())?;
    let mut entries = vec![0; count.checked_mul(ENTRY).ok_or_else(bad_array)?];
    let offset = header.part_start.checked_mul(SECTOR).ok_or_else(bad_array)?;
    image.read_exact_at(&mut entries, offset).map_err(DiskError::io("reading the GPT entries"))?;
    Ok(entries)
}

/// Changes the last sector of one entry.
fn end_at(entries: &mut [u8], number: u32, last: u64) -> Result<()> {
    let index = usize::try_from(number).ok().and_then(|n| n.checked_sub(1)).ok_or_else(bad_array)?;
    let entry = entries.chunks_exact_mut(ENTRY).nth(index).ok_or_else(bad_array)?;
    entry
        .get_mut(LAST_LBA..)
        .and_then(|rest| rest.first_chunk_mut::<8>())
        .ok_or_else(bad_array)?
        .copy_from_slice(&last.to_le_bytes());
    Ok(())
}

fn bad_array() -> DiskError {
    DiskError::corrupt("the array of GPT entries")
}
