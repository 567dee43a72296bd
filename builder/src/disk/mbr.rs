//! The master boot record: 440 bytes of boot code, the disk id, four entries, a signature.

use std::io::Cursor;

use mbrman::{CHS, MBRHeader, MBRPartitionEntry};

use super::error::{DiskError, Result};
use super::kind::PartitionType;
use super::partition::{Partition, PartitionTable, TableKind};
use super::units::{ByteOffset, ByteSize};
use super::window::Window;

/// The type of a protective entry, which keeps programs that know only the MBR off a GPT.
const PROTECTIVE: u8 = 0xee;

/// Places for entries, and the index of the third.
const PLACES: usize = 4;
const THIRD: usize = 2;

/// What a first sector holds.
pub(super) enum Found {
    /// A table of its own.
    Table(PartitionTable),
    /// Only the protective entry of a GPT.
    Protective,
    /// Protective entries of a GPT, and partitions for programs that know only the MBR.
    Hybrid(Vec<Partition>),
}

/// Reads a first sector whose signature has been seen.
pub(super) fn parse(sector: &[u8; 512]) -> Result<Found> {
    let header = header(sector)?;
    let used: Vec<_> = header.iter().filter(|(_, entry)| entry.is_used()).collect();
    if used.iter().any(|(_, entry)| entry.sys == PROTECTIVE) {
        return match used.as_slice() {
            [(_, only)] if only.starting_lba == 1 => Ok(Found::Protective),
            [_] => Err(DiskError::unsupported("a GPT whose protective entry does not begin at sector 1")),
            _ => hybrid(&used),
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

/// Linux reads the GPT only where one of the four entries is protective and begins at sector 1 (`is_pmbr_valid` in
/// `block/partitions/efi.c`). Else it reads the MBR, and the two tables may differ.
fn hybrid(used: &[(usize, &MBRPartitionEntry)]) -> Result<Found> {
    if !used.iter().any(|(_, entry)| entry.sys == PROTECTIVE && entry.starting_lba == 1) {
        return Err(DiskError::unsupported("a hybrid MBR without a protective entry at sector 1"));
    }
    let shown = used.iter().filter(|(_, entry)| entry.sys != PROTECTIVE);
    shown.map(|(number, entry)| partition(*number, entry)).collect::<Result<_>>().map(Found::Hybrid)
}

/// The first sector of an image.
pub(super) fn read(image: &Window) -> Result<[u8; 512]> {
    let mut sector = [0; 512];
    image.read_exact_at(&mut sector, 0).map_err(DiskError::io("reading the boot sector"))?;
    Ok(sector)
}

/// Puts it back, changed.
pub(super) fn write(image: &Window, sector: &[u8; 512]) -> Result<()> {
    image.write_all_at(sector, 0).map_err(DiskError::io("writing the boot sector"))
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

/// Makes a partition end at `end`, in sectors.
fn end_at(entry: &mut MBRPartitionEntry, number: usize, end: u64) -> Result<()> {
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
}

/// The sector with one partition ending at `end`, in sectors; nothing else is changed.
pub(super) fn with_end(sector: &[u8; 512], number: u32, end: u64) -> Result<[u8; 512]> {
    edit(sector, |header| {
        let missing = || DiskError::unsupported(format!("MBR partition {number}"));
        let number = usize::try_from(number).map_err(|_| missing())?;
        end_at(header.get_mut(number).ok_or_else(missing)?, number, end)
    })
}

/// The sector with another disk id; nothing else is changed.
pub(super) fn with_disk_id(sector: &[u8; 512], id: u32) -> Result<[u8; 512]> {
    edit(sector, |header| {
        header.disk_signature = id.to_le_bytes();
        Ok(())
    })
}

/// The sector beside a GPT whose partition from sector `start` on is made to end at `end`, on a disk of so many sectors
/// (UEFI specification 2.10, table 5.4): a protective entry alone covers the disk. In a hybrid MBR the last protective
/// entry reaches to the end, and the partition's own entry, if it has one, grows with the partition.
pub(super) fn beside_gpt(sector: &[u8; 512], start: u64, end: u64, disk_sectors: u64) -> Result<[u8; 512]> {
    edit(sector, |header| {
        let used = || header.iter().filter(|(_, entry)| entry.is_used());
        let last = used().map(|(_, entry)| entry.starting_lba).max();
        let is_protective =
            |entry: &MBRPartitionEntry| entry.sys == PROTECTIVE && Some(entry.starting_lba) == last;
        let protective = used().find(|(_, entry)| is_protective(entry)).map(|(number, _)| number);
        for (number, entry) in header.iter_mut().filter(|(_, entry)| entry.is_used()) {
            if Some(number) == protective {
                let sectors = disk_sectors.saturating_sub(entry.starting_lba.into());
                entry.sectors = u32::try_from(sectors).unwrap_or(u32::MAX);
            } else if entry.sys != PROTECTIVE && u64::from(entry.starting_lba) == start {
                end_at(entry, number, end)?;
            }
        }
        Ok(())
    })
}

/// A hybrid MBR in the order that a Raspberry Pi's firmware reads: the FAT first, and no protective entry before the third
/// place. With one in the second, as in Debian 13's image, start4.elf stops: it takes the disk for an unreadable one (the
/// bug report is in docs/decisions/0012). None where the order is right already.
pub(super) fn firmware_order(sector: &[u8; 512]) -> Result<Option<[u8; 512]>> {
    let old = header(sector)?;
    let mut places: Vec<_> = old.iter().map(|(_, entry)| entry.clone()).filter(|e| e.is_used()).collect();
    places.sort_by_key(|entry| match PartitionType::of_mbr(entry.sys) {
        PartitionType::Fat => 0,
        _ if entry.sys == PROTECTIVE => 2,
        _ => 1,
    });
    if !places.first().is_some_and(|entry| PartitionType::of_mbr(entry.sys) == PartitionType::Fat) {
        return Err(DiskError::unsupported("a hybrid MBR that does not show the FAT partition"));
    }
    let shown = places.iter().take_while(|entry| entry.sys != PROTECTIVE).count();
    let empty = THIRD.saturating_sub(shown);
    if places.len().saturating_add(empty) > PLACES {
        return Err(DiskError::unsupported("a hybrid MBR with three protective entries"));
    }
    places.splice(shown..shown, std::iter::repeat_n(MBRPartitionEntry::empty(), empty));
    places.resize_with(PLACES, MBRPartitionEntry::empty);
    let new = edit(sector, |header| {
        for ((_, place), entry) in header.iter_mut().zip(places) {
            *place = entry;
        }
        Ok(())
    })?;
    Ok((new != *sector).then_some(new))
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

/// The address in the old notation, with the usual 255 heads and 63 sectors; beyond
/// 1023 cylinders the greatest address stands for "use LBA", as sfdisk writes it.
fn chs(lba: u32) -> CHS {
    CHS::from_lba_exact(lba, 1023, 255, 63).unwrap_or(CHS::new(1023, 254, 63))
}
