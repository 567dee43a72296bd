//! zip and tar: archives with one image.

use std::io::{self, Read, Seek};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

/// The compression methods that are used for images.
pub(super) const KNOWN: [CompressionMethod; 2] = [CompressionMethod::Stored, CompressionMethod::Deflated];
/// The name of an archive with another method, for messages.
pub(super) const UNKNOWN_METHOD: &str = "a zip archive with a compression other than deflate";

/// The most bytes of headers that an archive may have at one place, since they are read into memory: those before a file of
/// a tar archive, and the table of contents of a zip archive.
pub(super) const MOST_HEADERS: u64 = 8 << 20;
/// The name of an archive with more, for messages.
pub(super) const MANY_HEADERS: &str =
    "an archive with names or headers of more than 8 MiB in one place, which is no archive of an image,";

/// The block size of tar in bytes; the first block is a header.
pub(super) const TAR_BLOCK: u64 = 512;

/// Whether a file in an archive is the image: Debian's is called `disk.raw`. Other files, such as a license, are ignored.
pub(super) fn is_image(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(b".img") || name.ends_with(b".raw")
}

/// The name of an archive with no image or several, for messages.
pub(super) fn other_than_one(kind: &str, images: usize) -> String {
    format!("a {kind} archive with {images} files *.img or *.raw")
}

/// The index of the image in a zip archive.
pub(super) fn image<R: Read + Seek>(archive: &ZipArchive<R>) -> Result<usize, String> {
    let named = |number: &usize| {
        let name = archive.name_for_index(*number).and_then(Result::ok);
        name.is_some_and(|name| is_image(name.as_bytes()))
    };
    let images: Vec<usize> = (0..archive.len()).filter(named).collect();
    match images.as_slice() {
        [only] => Ok(*only),
        found => Err(other_than_one("zip", found.len())),
    }
}

/// An intact archive with an unsupported feature.
pub(super) fn unsupported(error: &ZipError) -> Option<&'static str> {
    match error {
        ZipError::UnsupportedArchive(_) | ZipError::InvalidPassword => {
            Some("an encrypted zip archive, or one in several parts,")
        }
        ZipError::CompressionMethodNotSupported(_) => Some(UNKNOWN_METHOD),
        _ => None,
    }
}

/// The first block of a stream, or less at the end of the stream.
pub(super) fn start(stream: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    stream.take(TAR_BLOCK).read_to_end(&mut start)?;
    Ok(start)
}

/// Checks for the magic of POSIX and GNU tar at byte 257 (pax(1), "ustar Interchange Format"), or for the header's checksum,
/// which is all that the oldest format has.
pub(super) fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar") || has_checksum(start).unwrap_or(false)
}

/// Whether a header has the sum of its bytes, those of the sum counted as spaces.
fn has_checksum(start: &[u8]) -> Option<bool> {
    const SUM: std::ops::Range<usize> = 148..156;
    let header = start.get(..512)?;
    let text = std::str::from_utf8(header.get(SUM)?).ok()?;
    let stored = u32::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()?;
    let bytes = header.iter().enumerate();
    let sum: u32 = bytes.map(|(at, byte)| u32::from(if SUM.contains(&at) { b' ' } else { *byte })).sum();
    Some(sum == stored)
}

/// The name of an unsupported archive, for messages: its data without the holes would be mistaken for the image.
pub(super) const PAX_SPARSE: &str =
    "a tar archive in the posix format with holes (tar --format=posix --sparse)";

/// Whether a file's holes are in extended headers, which the library does not support (GNU tar manual, "Sparse
/// Formats"). GNU's own format, the default of GNU tar, is supported.
pub(super) fn is_pax_sparse<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    for extension in extensions {
        if extension?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}
