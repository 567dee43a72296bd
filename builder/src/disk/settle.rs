//! Gives an image the end that writers of cards and partitioning tools want.

use std::fs::File;

use super::error::{DiskError, Result};
use super::gpt::{array_sectors, read_headers};
use super::gpt_edit::GptPlan;
use super::grow::whole;
use super::mbr;
use super::partition::{PartitionTable, TableKind};
use super::units::SECTOR;

/// Fills the image up to whole sectors with zeros, since Raspberry Pi Imager writes no other (nothing is cut off), and puts the
/// backup of a GPT to its end; a protective MBR then covers the disk. Says in words what of the table was changed.
///
/// Linux takes a disk whose backup lies elsewhere or is damaged, but sgdisk and firmware complain or repair it on each card. A backup
/// that does not fit behind the last partition makes the image longer.
pub fn settle_end(file: &File) -> Result<Option<String>> {
    let image = whole(file)?;
    let table = PartitionTable::read(&image)?;
    let sectors = image.len().div_ceil(SECTOR);
    let lengthen = |sectors: u64| {
        let bytes = sectors.checked_mul(SECTOR).ok_or_else(|| DiskError::corrupt("the size of the image"))?;
        if bytes > image.len() {
            file.set_len(bytes).map_err(DiskError::io("making the image longer"))?;
        }
        whole(file)
    };
    let TableKind::Gpt { .. } = table.kind else {
        lengthen(sectors)?;
        return Ok(None);
    };
    let headers = read_headers(&image)?;
    let used = table.partitions.iter().map(|partition| partition.end().0 / SECTOR).max().unwrap_or(0);
    // The array of the backup, and its header.
    let backup = array_sectors(&headers.primary).saturating_add(1);
    let least = used.max(headers.primary.first_usable.saturating_add(1)).saturating_add(backup);
    let sectors = sectors.max(least);
    let sector = mbr::read(&image)?;
    let covering = mbr::beside_gpt(&sector, 0, 0, sectors)?;
    let is_at_end = headers.backup.is_some_and(|backup| backup.current_lba.saturating_add(1) == sectors);
    let image = lengthen(sectors)?;
    if is_at_end && covering == sector {
        return Ok(None);
    }
    if !is_at_end {
        GptPlan::new(&image, None, sectors)?.carry_out(&image)?;
    }
    mbr::write(&image, &covering)?;
    Ok(Some("GPT: backup at the end of the image, and a protective MBR of its size".to_owned()))
}
