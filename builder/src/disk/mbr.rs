//! The master boot record: 440 bytes of boot code, the disk id, four entries, a signature.

use std::io::Cursor;

use mbrman::{CHS, MBRHeader, MBRPartitionEntry};

use super::error::{DiskError, Result};
use super::kind::PartitionType;
use super::table::{Partition, PartitionTable, TableKind};
use super::units::{ByteOffset, ByteSize};

/// The type of the entry that guards a GPT against programs that know only the MBR.
const PROTECTIVE: u8 = 0xee;

/// What a first sector holds.
pub(super) enum Found {
    /// A table of its own.
    Table(PartitionTable),
    /// Only the guard of a GPT.
    Protective,
}

/// Reads a first sector whose signature has been seen.
pub(super) fn parse(sector: &[u8; 512]) -> Result<Found> {
    let header = header(sector)?;
    let used: Vec<_> = header.iter().filter(|(_, entry)| entry.is_used()).collect();
    if used.iter().any(|(_, entry)| entry.sys == PROTECTIVE) {
        return match used.as_slice() {
            [_] => Ok(Found::Protective),
            _ => Err(DiskError::unsupported("a hybrid MBR (MBR partitions beside a GPT)")),
        };
    }
    if let Some((number, _)) = used.iter().find(|(_, entry)| entry.is_extended()) {
        return Err(DiskError::unsupported(format!("an extended partition (number {number})")));
    }
    let partitions =
        used.into_iter().map(|(number, entry)| partition(number, entry)).collect::<Result<_>>()?;
    let disk_id = u32::from_le_bytes(header.disk_signature);
    Ok(Found::Table(PartitionTable { kind: TableKind::Mbr { disk_id }, partitions }))
}

fn header(sector: &[u8; 512]) -> Result<MBRHeader> {
    MBRHeader::read_from(&mut Cursor::new(sector.as_slice()))
        .map_err(|error| DiskError::corrupt(format!("the boot sector: {error}")))
}

fn partition(number: usize, entry: &MBRPartitionEntry) -> Result<Partition> {
    let impossible = || DiskError::corrupt(format!("partition {number} cannot be addressed"));
    Ok(Partition {
        number: u32::try_from(number).map_err(|_| impossible())?,
        start: ByteOffset::of_sector(entry.starting_lba.into()).ok_or_else(impossible)?,
        size: ByteSize::of_sectors(entry.sectors.into()).ok_or_else(impossible)?,
        kind: PartitionType::of_mbr(entry.sys),
        label: None,
        guid: None,
    })
}

/// The sector with one partition ending at `end`, in sectors; nothing else is changed.
pub(super) fn with_end(sector: &[u8; 512], number: u32, end: u64) -> Result<[u8; 512]> {
    edit(sector, |header| {
        let entry = usize::try_from(number).ok().and_then(|number| header.get_mut(number));
        let entry = entry.ok_or_else(|| DiskError::unsupported(format!("MBR partition {number}")))?;
        // The last address, end - 1, must fit as well as the count: both are 32 bits.
        let last = end.checked_sub(1).and_then(|last| u32::try_from(last).ok());
        let last = last.ok_or_else(|| {
            DiskError::unsupported("an MBR partition that ends beyond 2 TiB (the table has 32-bit sectors)")
        })?;
        let sectors = u64::from(last).checked_sub(entry.starting_lba.into()).and_then(|n| n.checked_add(1));
        let sectors = sectors.and_then(|n| u32::try_from(n).ok());
        entry.sectors = sectors.ok_or_else(|| DiskError::corrupt(format!("partition {number}")))?;
        entry.last_chs = chs(last);
        Ok(())
    })
}

/// The sector with the guard of a GPT on a disk of so many sectors (UEFI specification 2.10, table 5.4).
pub(super) fn with_guard(sector: &[u8; 512], disk_sectors: u64) -> Result<[u8; 512]> {
    edit(sector, |header| {
        let sectors = u32::try_from(disk_sectors.saturating_sub(1)).unwrap_or(u32::MAX);
        for (_, entry) in header.iter_mut().filter(|(_, entry)| entry.sys == PROTECTIVE) {
            entry.sectors = sectors;
        }
        Ok(())
    })
}

fn edit(sector: &[u8; 512], change: impl FnOnce(&mut MBRHeader) -> Result<()>) -> Result<[u8; 512]> {
    let mut header = header(sector)?;
    change(&mut header)?;
    let mut edited = *sector;
    header
        .write_into(&mut Cursor::new(edited.as_mut_slice()))
        .map_err(|error| DiskError::corrupt(format!("the boot sector: {error}")))?;
    Ok(edited)
}

/// The address in the old notation, with the 255 heads and 63 sectors that everybody assumes; beyond
/// 1023 cylinders the greatest address stands for "use LBA", as sfdisk writes it.
fn chs(lba: u32) -> CHS {
    CHS::from_lba_exact(lba, 1023, 255, 63).unwrap_or(CHS::new(1023, 254, 63))
}
