//! Recognises file systems and volumes that are not edited, so that messages can call them by their names.
//!
//! Places and marks are those of libblkid (util-linux, libblkid/src/superblocks).

use super::error::{DiskError, Result};
use super::window::Window;

/// A mark, and where it is.
struct Mark {
    offset: u64,
    bytes: &'static [u8],
    name: &'static str,
}

const fn mark(offset: u64, bytes: &'static [u8], name: &'static str) -> Mark {
    Mark { offset, bytes, name }
}

/// ext2, ext3 and ext4. New ones of these are made over old ones of others, and leave marks that lie far behind.
const EXT: Mark = mark(0x438, b"\x53\xef", "ext4");

const MARKS: [Mark; 27] = [
    mark(0x1_0040, b"_BHRfS_M", "btrfs"),
    mark(0x400, b"\x10\x20\xf5\xf2", "F2FS"),
    mark(0, b"XFSB", "XFS"),
    mark(0, b"LUKS\xba\xbe", "LUKS (encrypted)"),
    mark(0x218, b"LVM2 001", "LVM"),
    mark(0x018, b"LVM2 001", "LVM"),
    mark(0x418, b"LVM2 001", "LVM"),
    mark(0x618, b"LVM2 001", "LVM"),
    mark(0, b"hsqs", "squashfs"),
    mark(0x400, b"\xe2\xe1\xf5\xe0", "EROFS"),
    mark(0x1018, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "bcachefs"),
    mark(0x1018, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", "bcachefs"),
    mark(3, b"NTFS    ", "NTFS"),
    mark(3, b"EXFAT   ", "exFAT"),
    // At the end of a page of 4, 8, 16 or 64 KiB.
    mark(0x0ff6, b"SWAPSPACE2", "Linux swap"),
    mark(0x1ff6, b"SWAPSPACE2", "Linux swap"),
    mark(0x3ff6, b"SWAPSPACE2", "Linux swap"),
    mark(0xfff6, b"SWAPSPACE2", "Linux swap"),
    mark(0x8001, b"CD001", "ISO 9660"),
    mark(0x1000, b"\xfc\x4e\x2b\xa9", "Linux RAID"),
    mark(0, b"\xfc\x4e\x2b\xa9", "Linux RAID"),
    mark(0x1_0034, b"ReIsEr", "ReiserFS"),
    mark(0x8000, b"JFS1", "JFS"),
    mark(32, b"NXSB", "APFS"),
    mark(0, b"\x45\x3d\xcd\x28", "cramfs"),
    mark(0, b"UBI#", "UBI"),
    mark(0x1018, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x82", "bcache"),
];

/// The first of ZFS' uberblocks in a label, how many there are, the bytes from one to the next, and their mark.
const UBERBLOCKS: (u64, u64, u64) = (0x2_0000, 128, 0x400);
const UBERBLOCK: &[u8] = b"\x0c\xb1\xba\0\0\0\0\0";

/// What a partition, or a disk without partitions, has in place of an ext4 or a FAT; none where it may be one of these.
pub fn other_file_system(window: &Window) -> Result<Option<&'static str>> {
    if is_at(window, &EXT)? {
        return Ok(None);
    }
    for mark in &MARKS {
        if is_at(window, mark)? {
            return Ok(Some(mark.name));
        }
    }
    let (first, count, step) = UBERBLOCKS;
    for number in 0..count {
        let offset = number.saturating_mul(step).saturating_add(first);
        if is_at(window, &mark(offset, UBERBLOCK, "ZFS"))? {
            return Ok(Some("ZFS"));
        }
    }
    Ok(None)
}

/// The same, or ext4, for what has no partitions at all.
pub(super) fn bare(window: &Window) -> Result<Option<&'static str>> {
    if is_at(window, &EXT)? { Ok(Some(EXT.name)) } else { other_file_system(window) }
}

fn is_at(window: &Window, mark: &Mark) -> Result<bool> {
    let mut found = [0; 16];
    let found = found.get_mut(..mark.bytes.len()).unwrap_or_default();
    let end = mark.offset.saturating_add(u64::try_from(found.len()).unwrap_or(u64::MAX));
    if end > window.len() {
        return Ok(false);
    }
    window.read_exact_at(found, mark.offset).map_err(DiskError::io("looking for a file system"))?;
    Ok(found == mark.bytes)
}
