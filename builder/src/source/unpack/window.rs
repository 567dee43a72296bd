//! How much memory a packed file takes to unpack, which its first header says: 64 KiB to 4 GiB, as whoever packed it chose.
//!
//! Formats: "The .xz File Format", 3.1 and 5.3.1; RFC 8878, 3.1.1.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{XZ_MEMORY, ZSTD_WINDOW};
use crate::local_file;

/// More than any header has.
const HEADER: u64 = 1024;

const XZ: &[u8] = b"\xfd7zXZ\0";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// The words for a file whose decoder stopped with this error because it would have taken too much memory; with the cure.
pub(super) fn too_large(error: &io::Error, packed: &Path) -> Option<(String, String)> {
    let is_xz = error.get_ref().and_then(|inner| inner.downcast_ref::<liblzma::stream::Error>())
        == Some(&liblzma::stream::Error::MemLimit);
    // The text of ZSTD_error_frameParameter_windowTooLarge: the library keeps no code.
    let is_zstd = error.to_string().contains("too much memory for decoding");
    let (kind, bound, cure) = match (is_xz, is_zstd) {
        (true, _) => ("an xz archive with a dictionary", XZ_MEMORY, "xz -dk --memlimit=max"),
        (_, true) => ("a zstd archive with a window", 1 << ZSTD_WINDOW, "zstd -dk --long=31"),
        _ => return None,
    };
    let start = local_file::open(packed).ok().and_then(|file| start(file).ok()).unwrap_or_default();
    let needs = needed(&start).filter(|bytes| *bytes > bound.saturating_sub(64 << 10));
    let size = needs
        .map_or_else(|| format!("more than {} MiB", bound >> 20), |bytes| format!("{} MiB", bytes >> 20));
    Some((
        format!("{kind} of {size}, which must lie in memory (at most {} MiB),", bound >> 20),
        format!("unpack it with `{cure}` where that much is free, and give what comes out"),
    ))
}

fn start(file: File) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.take(HEADER).read_to_end(&mut start)?;
    Ok(start)
}

/// What the first block or frame needs, in bytes.
fn needed(start: &[u8]) -> Option<u64> {
    if start.starts_with(XZ) {
        xz_dictionary(start.get(12..)?)
    } else {
        zstd_window(start.strip_prefix(ZSTD)?)
    }
}

/// The dictionary of LZMA2, by the header of a block.
fn xz_dictionary(mut block: &[u8]) -> Option<u64> {
    const LZMA2: u64 = 0x21;
    let [_, flags, ..] = *block else { return None };
    block = block.get(2..)?;
    for size in [0x40, 0x80] {
        if flags & size != 0 {
            number(&mut block)?;
        }
    }
    for _ in 0..=(flags & 3) {
        let (id, length) = (number(&mut block)?, number(&mut block)?);
        let (properties, rest) = block.split_at_checked(usize::try_from(length).ok()?)?;
        if let (LZMA2, &[bits]) = (id, properties) {
            return match bits {
                40 => Some(u64::from(u32::MAX)),
                0..40 => Some((2 | u64::from(bits & 1)) << (bits / 2 + 11)),
                _ => None,
            };
        }
        block = rest;
    }
    None
}

/// A number in pieces of seven bits, the lowest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The window, by what follows a frame's magic number.
fn zstd_window(frame: &[u8]) -> Option<u64> {
    let [descriptor, window, ..] = *frame else { return None };
    const SINGLE_SEGMENT: u8 = 0x20;
    if descriptor & SINGLE_SEGMENT == 0 {
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The whole content lies in memory, and its size is there, behind the id of a dictionary.
    let id = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let content = frame.get(1 + id..)?;
    match descriptor >> 6 {
        2 => content.first_chunk().map(|bytes| u32::from_le_bytes(*bytes).into()),
        3 => content.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
        _ => None,
    }
}
