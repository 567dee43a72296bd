//! Recognises files that are not disk images, so that the message can say how to get one.

use super::error::DiskError;

/// How many bytes of the beginning are looked at: the ISO 9660 descriptor lies farthest, at 32 KiB.
pub(super) const PROBE: usize = 0x8006;

struct Magic {
    offset: usize,
    bytes: &'static [u8],
    found: &'static str,
    hint: Option<&'static str>,
}

const fn magic(
    offset: usize,
    bytes: &'static [u8],
    found: &'static str,
    hint: Option<&'static str>,
) -> Magic {
    Magic { offset, bytes, found, hint }
}

/// Formats that are often given instead of an image, with or without a boot signature.
const FOREIGN: [Magic; 9] = [
    magic(0, b"\xfd7zXZ\0", "an xz archive", Some("unpack it with `xz -dk`")),
    magic(0, b"\x1f\x8b", "a gzip archive", Some("unpack it with `gzip -dk`")),
    magic(0, b"\x28\xb5\x2f\xfd", "a zstd archive", Some("unpack it with `zstd -dk`")),
    magic(0, b"BZh", "a bzip2 archive", Some("unpack it with `bzip2 -dk`")),
    magic(0, b"PK\x03\x04", "a zip archive", Some("unpack it with `unzip`")),
    magic(257, b"ustar", "a tar archive", Some("unpack it with `tar -xf`")),
    magic(0, b"QFI\xfb", "a qcow2 image", Some("convert it with `qemu-img convert -O raw`")),
    magic(0, b"conectix", "a VHD image", Some("convert it with `qemu-img convert -O raw`")),
    magic(0x8001, b"CD001", "an ISO installer image", Some("use a preinstalled image instead")),
];

/// File systems that begin where the table would be. FAT has a boot signature, so these are looked for in both cases.
const BARE: [Magic; 5] = [
    magic(54, b"FAT12   ", "a FAT file system without a partition table", None),
    magic(54, b"FAT16   ", "a FAT file system without a partition table", None),
    magic(82, b"FAT32   ", "a FAT file system without a partition table", None),
    magic(3, b"NTFS    ", "an NTFS file system without a partition table", None),
    magic(0x438, b"\x53\xef", "an ext4 file system without a partition table", None),
];

/// The format of a file by its first bytes, `head`, if it is not a disk image.
pub(super) fn foreign(head: &[u8]) -> Option<DiskError> {
    let is = |m: &&Magic| head.get(m.offset..).is_some_and(|rest| rest.starts_with(m.bytes));
    let found = FOREIGN.iter().chain(&BARE).find(is)?;
    // A disk may keep old bytes at 0x438, between table and first partition: with a boot signature it is a disk.
    if found.offset == 0x438 && signed(head) {
        return None;
    }
    Some(DiskError::NotAnImage { found: found.found, hint: found.hint })
}

/// Whether the first sector ends with 0x55 0xaa.
pub(super) fn signed(head: &[u8]) -> bool {
    head.get(510..512) == Some(&[0x55, 0xaa])
}

/// Why a file without a boot signature is no image.
pub(super) fn unsigned(head: &[u8]) -> DiskError {
    let found = if head.is_empty() {
        "an empty file"
    } else if head.iter().all(|byte| *byte == 0) {
        "zeros"
    } else {
        "something without a boot sector (it lacks 0x55 0xaa at byte 510)"
    };
    DiskError::NotAnImage { found, hint: None }
}
