//! Recognises files that are not disk images, so that the message can say how to get one.

use super::error::{DiskError, Result};
use super::file_systems;
use super::window::Window;

/// A format of files, by its first bytes or its last 512.
struct Magic {
    offset: usize,
    bytes: &'static [u8],
    format: Format,
}

/// What a file is, and how to get an image from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    /// With its article.
    pub(crate) name: &'static str,
    /// The cure.
    pub(crate) hint: &'static str,
}

const fn magic(offset: usize, bytes: &'static [u8], name: &'static str, hint: &'static str) -> Magic {
    Magic { offset, bytes, format: Format { name, hint } }
}

const CONVERT: &str = "convert it with `qemu-img convert -O raw`";
const WHOLE: &str = "take an image of a whole disk instead";
const DISK: &str = "give the image of a disk";
const UNPACK: &str = "unpack it, and give the image in it";

/// How many bytes of the beginning tell a format.
pub(crate) const HEAD: usize = 512;

const FORMATS: [Magic; 49] = [
    magic(0, b"\xfd7zXZ\0", "an xz archive", "unpack it with `xz -dk`"),
    magic(0, b"\x1f\x8b", "a gzip archive", "unpack it with `gzip -dk`"),
    magic(0, b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it with `zstd -dk`"),
    magic(0, b"BZh", "a bzip2 file", "unpack it with `bzip2 -dk`"),
    magic(0, b"\x04\x22\x4d\x18", "an lz4 file", "unpack it with `lz4 -dk`"),
    magic(0, b"\x02\x21\x4c\x18", "an lz4 file", "unpack it with `lz4 -dk`"),
    magic(0, b"LZIP", "an lzip file", "unpack it with `lzip -dk`"),
    magic(0, b"\x89LZO\0\r\n\x1a\n", "an lzop file", "unpack it with `lzop -d`"),
    magic(0, b"\x1f\x9d", "a file of compress (.Z)", "unpack it with `gzip -dk`"),
    magic(0, b"PK\x03\x04", "a zip archive", "unpack it with `unzip`"),
    magic(0, b"PK\x05\x06", "an empty zip archive", "download it again"),
    magic(
        0,
        b"PK\x07\x08",
        "a part of a zip archive",
        "join its parts with `zip -s 0`, and unpack them with `unzip`",
    ),
    magic(257, b"ustar", "a tar archive", "unpack it with `tar -xf`"),
    magic(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it with `7z x`"),
    magic(0, b"Rar!\x1a\x07", "a RAR archive", "unpack it with `7z x` or `unrar x`"),
    magic(0, b"MSCF", "a cabinet archive", UNPACK),
    magic(0, b"xar!", "a xar archive", UNPACK),
    magic(0, b"!<arch>\n", "an archive of ar, such as a Debian package", UNPACK),
    magic(0, b"070701", "a cpio archive", UNPACK),
    magic(0, b"\xed\xab\xee\xdb", "an RPM package", UNPACK),
    magic(0, b"MSWIM\0\0\0", "a WIM image of Windows", "take an image of a disk instead"),
    magic(0, b"QFI\xfb\0\0\0\x01", "a qcow image of version 1", CONVERT),
    magic(0, b"QFI\xfb", "a qcow2 image", CONVERT),
    magic(0, b"QED\0", "a QED image", CONVERT),
    magic(0, b"KDMV", "a VMDK image", CONVERT),
    magic(0, b"COWD", "a VMDK image of ESX", CONVERT),
    magic(
        0,
        b"# Disk DescriptorFile",
        "the description of a VMDK image, whose content is in other files",
        "convert it beside these files with `qemu-img convert -O raw`",
    ),
    magic(0x40, b"\x7f\x10\xda\xbe", "a VDI image of VirtualBox", CONVERT),
    magic(0, b"vhdxfile", "a VHDX image", CONVERT),
    magic(0, b"conectix", "a VHD image", CONVERT),
    magic(0, b"WithoutFreeSpace", "an image of Parallels", CONVERT),
    magic(0, b"WithouFreSpacExt", "an image of Parallels", CONVERT),
    magic(0, b"Bochs Virtual HD Image", "an image of Bochs", CONVERT),
    magic(0, b"EVF\x09\x0d\x0a\xff\0", "an EWF (E01) image", "convert it with `ewfexport -f raw`"),
    magic(0, b"\x3a\xff\x26\xed", "a sparse image of Android", "convert it with `simg2img`"),
    magic(0, b"ANDROID!", "a boot image of Android", WHOLE),
    magic(0, b"\x27\x05\x19\x56", "an image of U-Boot", WHOLE),
    magic(0, b"\xd0\x0d\xfe\xed", "a device tree, or a FIT image of U-Boot", WHOLE),
    magic(0, b"UF2\n", "a UF2 file for a microcontroller", WHOLE),
    magic(0, b"\x7fELF", "a program", DISK),
    magic(0, b"%PDF", "a PDF document", DISK),
    magic(0, b"d8:announce", "a torrent", "download what it names"),
    magic(0, b"<!DOCTYPE", PAGE.name, PAGE.hint),
    magic(0, b"<!doctype", PAGE.name, PAGE.hint),
    magic(0, b"<html", PAGE.name, PAGE.hint),
    magic(0, b"<HTML", PAGE.name, PAGE.hint),
    magic(0, b"<?xml", "an XML file", DISK),
    magic(0, b"version https://git-lfs", "a pointer of Git LFS", "fetch what it names with `git lfs pull`"),
    magic(0, b"-----BEGIN PGP", "a signature", "give the file that it signs"),
];

const PAGE: Format = Format { name: "a web page", hint: "download the image itself" };

/// By the last 512 bytes.
const FOOTERS: [Magic; 2] = [
    magic(0, b"conectix", "a VHD image", "convert it with `qemu-img convert -f vpc -O raw`"),
    magic(0, b"koly", "a disk image of macOS (DMG)", "convert it with `qemu-img convert -f dmg -O raw`"),
];

/// FAT has a boot signature as a disk does, so it is told by what follows the jump. NTFS and exFAT are as well.
const FATS: [(usize, &[u8]); 3] = [(54, b"FAT12   "), (54, b"FAT16   "), (82, b"FAT32   ")];

/// The format of a file that begins with `head`, if that is no disk.
pub(crate) fn format(head: &[u8]) -> Option<Format> {
    first(&FORMATS, head).or_else(|| is_lzma(head).then_some(LZMA))
}

const LZMA: Format = Format { name: "an lzma file", hint: "unpack it with `lzma -dk`" };

/// The format before xz has no mark: its properties as all programs set them, a dictionary of one or one and a half powers
/// of two, and a size that is unknown or possible.
fn is_lzma(head: &[u8]) -> bool {
    let Some((&[properties, d0, d1, d2, d3], rest)) = head.split_first_chunk() else { return false };
    let dictionary = u32::from_le_bytes([d0, d1, d2, d3]);
    let size = rest.first_chunk().map(|size| u64::from_le_bytes(*size));
    properties == 0x5d
        && (dictionary.is_power_of_two()
            || (dictionary.is_multiple_of(3) && (dictionary / 3).is_power_of_two()))
        && dictionary >= 4096
        && size.is_some_and(|size| size == u64::MAX || size < 1 << 40)
}

fn first(known: &[Magic], bytes: &[u8]) -> Option<Format> {
    let is = |m: &&Magic| bytes.get(m.offset..).is_some_and(|rest| rest.starts_with(m.bytes));
    known.iter().find(is).map(|magic| magic.format)
}

/// An error for what is no disk image.
pub(super) fn refuse(image: &Window, head: &[u8]) -> Result<()> {
    let not = |Format { name, hint }: Format| {
        Err(DiskError::NotAnImage { found: name.to_owned(), hint: Some(hint) })
    };
    if let Some(format) = format(head).or(footer(image)?) {
        return not(format);
    }
    let name = match file_systems::bare(image)? {
        Some("ISO 9660") => return not(ISO),
        Some(name) if !signed(head) || matches!(name, "NTFS" | "exFAT") => name,
        // A disk may keep old bytes between table and first partition.
        _ if FATS.iter().any(|(at, bytes)| head.get(*at..).is_some_and(|rest| rest.starts_with(bytes))) => {
            "FAT"
        }
        _ => return Ok(()),
    };
    let found = format!("{name} alone");
    Err(DiskError::NotAnImage {
        found,
        hint: Some("give the image of a whole disk, not that of a partition"),
    })
}

const ISO: Format = Format { name: "an ISO installer image", hint: "use a preinstalled image instead" };

fn footer(image: &Window) -> Result<Option<Format>> {
    let mut last = [0; HEAD];
    let Some(place) = image.len().checked_sub(512) else { return Ok(None) };
    image.read_exact_at(&mut last, place).map_err(DiskError::io("reading the end of the image"))?;
    Ok(first(&FOOTERS, &last))
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
    DiskError::NotAnImage { found: found.to_owned(), hint: None }
}
