//! The GUID partition table: a header and an array of entries at the beginning, a copy of both at the end.
//!
//! Format: UEFI specification 2.10, chapter 5.3. The crate checks signatures and checksums; it trusts sizes
//! and numbers, so these are checked here before it sees them.

use std::io;

use gpt::disk::LogicalBlockSize;
use gpt::header::{Header, HeaderError, read_header_from_arbitrary_device};
use gpt::partition::{self, Partition as Entry};

use super::error::{DiskError, Result};
use super::kind::PartitionType;
use super::partition::{Partition, PartitionTable, TableKind};
use super::units::{ByteOffset, ByteSize, SECTOR};
use super::window::Window;

/// The only entry size in use, and the only one that the crate reads.
const ENTRY: u32 = 128;
/// Entries of a header, at most. All tools make 128; sgdisk can be asked for more.
const MAX_ENTRIES: u32 = 1024;
/// Sector of the primary header.
const PRIMARY: u64 = 1;

const RESTORE_PRIMARY: &str =
    "the backup is good: restore from it with `gdisk` (recovery menu: b, c, then w)";

/// The headers of a table.
pub(super) struct Headers {
    pub(super) primary: Header,
    /// Where there is one that says the same.
    pub(super) backup: Option<Header>,
}

/// Reads the table of an image that has a protective MBR, or a hybrid one.
pub(super) fn read(image: &Window, hybrid: bool) -> Result<PartitionTable> {
    let headers = read_headers(image)?;
    let header = &headers.primary;
    let entries = partition::file_read_partitions(&mut image.cursor(), header, LogicalBlockSize::Lb512)
        .map_err(|error| damaged_entries(&error))?;
    let partitions = entries
        .iter()
        .filter(|(_, entry)| entry.is_used())
        .map(|(number, entry)| partition(*number, entry, header))
        .collect::<Result<_>>()?;
    Ok(PartitionTable { kind: TableKind::Gpt { disk_guid: header.disk_guid, hybrid }, partitions })
}

/// Reads and checks both headers. As for Linux (`find_valid_gpt` in block/partitions/efi.c), the primary one decides: a backup that
/// is damaged, missing or of an older table counts as none, and one in place of a damaged primary is for the user to restore.
pub(super) fn read_headers(image: &Window) -> Result<Headers> {
    let sectors = image.len() / SECTOR;
    let primary = match header_at(image, PRIMARY) {
        Ok(header) => header,
        Err(error) => return Err(damaged_primary(image, sectors, error)),
    };
    check(&primary, PRIMARY)?;
    if primary.last_usable >= sectors {
        let end = primary.last_usable.max(primary.backup_lba).saturating_add(1).saturating_mul(SECTOR);
        return Err(DiskError::Truncated { what: "the partition table".to_owned(), end, size: image.len() });
    }
    let backup = header_at(image, primary.backup_lba).ok().filter(|backup| {
        primary.backup_lba > PRIMARY
            && check(backup, primary.backup_lba).is_ok()
            && agree(&primary, backup)
            && has_entries(image, backup)
    });
    if backup.as_ref().is_some_and(|backup| primary.last_usable >= backup.part_start) {
        return Err(DiskError::corrupt("the usable sectors of the GPT include its backup"));
    }
    Ok(Headers { primary, backup })
}

/// Whether the array of entries is what the header's checksum says.
fn has_entries(image: &Window, header: &Header) -> bool {
    partition::file_read_partitions(&mut image.cursor(), header, LogicalBlockSize::Lb512).is_ok()
}

fn header_at(image: &Window, sector: u64) -> Result<Header> {
    // The crate reads a header only from the second sector of a device, so it is given one.
    let mut device = [0; 1024];
    let offset = sector.checked_mul(SECTOR).filter(|offset| image.len().saturating_sub(SECTOR) >= *offset);
    let offset = offset.ok_or_else(|| DiskError::corrupt(format!("there is no sector {sector} for GPT")))?;
    let (_, second) = device.split_at_mut(512);
    image.read_exact_at(second, offset).map_err(DiskError::io("reading a GPT header"))?;
    let size = second.get(12..16).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let signed = second.starts_with(b"EFI PART");
    if let Some(size) = size.filter(|size| signed && *size != 92) {
        let what = format!("a GPT header of {size} bytes, where all tools make 92,");
        return Err(DiskError::unsupported(what));
    }
    read_header_from_arbitrary_device(&mut io::Cursor::new(device), LogicalBlockSize::Lb512)
        .map_err(|error| DiskError::corrupt(header_problem(&error, sector)))
}

fn header_problem(error: &HeaderError, sector: u64) -> String {
    match error {
        HeaderError::InvalidGptSignature => format!("there is no GPT header at sector {sector}"),
        HeaderError::InvalidCRC32Checksum => {
            format!("the GPT header at sector {sector} has a wrong checksum")
        }
        other => format!("the GPT header at sector {sector}: {other}"),
    }
}

fn check(header: &Header, sector: u64) -> Result<()> {
    if header.current_lba != sector {
        return Err(DiskError::corrupt(format!(
            "the GPT header at sector {sector} says that it is at sector {}",
            header.current_lba
        )));
    }
    if header.part_size != ENTRY {
        return Err(DiskError::unsupported(format!("a GPT with entries of {} bytes", header.part_size)));
    }
    if header.num_parts == 0 || header.num_parts > MAX_ENTRIES {
        return Err(DiskError::unsupported(format!("a GPT with {} entries", header.num_parts)));
    }
    let array_end = header.part_start.checked_add(array_sectors(header));
    let in_place = match array_end {
        Some(end) if sector == PRIMARY => header.part_start > PRIMARY && end <= header.first_usable,
        Some(end) => header.part_start > header.last_usable && end <= sector,
        None => false,
    };
    if !in_place || header.first_usable > header.last_usable {
        return Err(DiskError::corrupt(format!("the areas of the GPT header at sector {sector} overlap")));
    }
    Ok(())
}

/// Sectors of the array of entries.
pub(super) fn array_sectors(header: &Header) -> u64 {
    u64::from(header.num_parts).saturating_mul(ENTRY.into()).div_ceil(SECTOR)
}

fn agree(primary: &Header, backup: &Header) -> bool {
    primary.disk_guid == backup.disk_guid
        && primary.crc32_parts == backup.crc32_parts
        && primary.num_parts == backup.num_parts
        && primary.first_usable == backup.first_usable
        && primary.last_usable == backup.last_usable
        && backup.backup_lba == PRIMARY
}

fn damaged_primary(image: &Window, sectors: u64, error: DiskError) -> DiskError {
    let mut eight = [0; 8];
    if image.read_exact_at(&mut eight, 4096).is_ok() && &eight == b"EFI PART" {
        return DiskError::unsupported("a disk with 4096-byte sectors");
    }
    let backup = sectors.checked_sub(1).filter(|last| *last > PRIMARY);
    match backup.map(|last| header_at(image, last)) {
        Some(Ok(_)) => with_hint(error, RESTORE_PRIMARY),
        _ => error,
    }
}

fn damaged_entries(error: &io::Error) -> DiskError {
    DiskError::Corrupt { what: format!("the entries of the GPT: {error}"), hint: Some(RESTORE_PRIMARY) }
}

fn with_hint(error: DiskError, hint: &'static str) -> DiskError {
    match error {
        DiskError::Corrupt { what, .. } => DiskError::Corrupt { what, hint: Some(hint) },
        other => other,
    }
}

fn partition(number: u32, entry: &Entry, header: &Header) -> Result<Partition> {
    let outside = || DiskError::corrupt(format!("partition {number} lies outside of the usable sectors"));
    if entry.first_lba > entry.last_lba {
        return Err(DiskError::corrupt(format!("partition {number} has no sectors")));
    }
    if entry.first_lba < header.first_usable || entry.last_lba > header.last_usable {
        return Err(outside());
    }
    let sectors = entry.last_lba.checked_sub(entry.first_lba).and_then(|n| n.checked_add(1));
    Ok(Partition {
        number,
        start: ByteOffset::of_sector(entry.first_lba).ok_or_else(outside)?,
        size: sectors.and_then(ByteSize::of_sectors).ok_or_else(outside)?,
        kind: PartitionType::of_gpt(entry.part_type_guid.guid),
        label: Some(entry.name.clone()).filter(|name| !name.is_empty()),
        guid: Some(entry.part_guid),
    })
}
