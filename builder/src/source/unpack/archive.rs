//! zip: the one image in an archive.

use std::io::{Read, Seek};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

/// The methods that are in use for images.
pub(super) const KNOWN: [CompressionMethod; 2] = [CompressionMethod::Stored, CompressionMethod::Deflated];
/// As messages call an archive with another one.
pub(super) const UNKNOWN_METHOD: &str = "a zip archive packed otherwise than with deflate";

/// Which entry is the image. What else lies in the archive, such as a licence, is passed over.
pub(super) fn image<R: Read + Seek>(archive: &ZipArchive<R>) -> Result<usize, String> {
    let is_image = |number: &usize| {
        let name = archive.name_for_index(*number).and_then(Result::ok);
        name.is_some_and(|name| {
            let name = name.to_ascii_lowercase();
            name.ends_with(".img") || name.ends_with(".raw")
        })
    };
    let images: Vec<usize> = (0..archive.len()).filter(is_image).collect();
    match images.as_slice() {
        [only] => Ok(*only),
        found => Err(format!("a zip archive with {} files *.img or *.raw", found.len())),
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
