//! zip and tar: the one image in an archive.

use std::io::{self, Read, Seek};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

/// The methods that are in use for images.
pub(super) const KNOWN: [CompressionMethod; 2] = [CompressionMethod::Stored, CompressionMethod::Deflated];
/// As messages call an archive with another one.
pub(super) const UNKNOWN_METHOD: &str = "a zip archive packed otherwise than with deflate";

/// tar is made of blocks of so many bytes; the first is a header.
pub(super) const TAR_BLOCK: u64 = 512;

/// Whether a file in an archive is the image: Debian's is called `disk.raw`. What else lies there, such as a licence, is
/// passed over.
pub(super) fn is_image(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(b".img") || name.ends_with(b".raw")
}

/// As messages call an archive with none or with several.
pub(super) fn other_than_one(kind: &str, images: usize) -> String {
    format!("a {kind} archive with {images} files *.img or *.raw")
}

/// Which entry of a zip archive is the image.
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

/// What is sound, but not read.
pub(super) fn unsupported(error: &ZipError) -> Option<&'static str> {
    match error {
        ZipError::UnsupportedArchive(_) | ZipError::InvalidPassword => {
            Some("an encrypted zip archive, or one in several parts,")
        }
        ZipError::CompressionMethodNotSupported(_) => Some(UNKNOWN_METHOD),
        _ => None,
    }
}

/// The first block of a stream, or what there is of it.
pub(super) fn start(stream: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    stream.take(TAR_BLOCK).read_to_end(&mut start)?;
    Ok(start)
}

/// By the magic of POSIX's and GNU's tar (pax(1), "ustar Interchange Format"), which both have at byte 257.
pub(super) fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar")
}

/// As messages call an archive that is not read: its data would be taken for the image with its holes.
pub(super) const PAX_SPARSE: &str =
    "a tar archive of the format posix with holes (tar --format=posix --sparse)";

/// Whether a file's holes are described by extended headers, which the library does not follow (GNU tar manual, "Sparse
/// Formats"). GNU's own format, which its tar uses unless it is told otherwise, is read.
pub(super) fn is_pax_sparse<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    for extension in extensions {
        if extension?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}
