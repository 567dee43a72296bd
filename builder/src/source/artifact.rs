//! A file of this machine that goes onto a node as it is.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::digest::Sha256Digest;
use super::error::{IoContext, Result};
use crate::local_file;

/// A file of this machine that goes onto a node, and what it must hold. Nothing here reads it to the end: that is done
/// once, while it is copied into an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name where it is published.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// The digest that its bytes must have.
    pub sha256: Sha256Digest,
    /// Who promises that digest, for messages.
    pub promised_by: String,
    /// Size in bytes of what is packed in it, where its header tells.
    pub unpacked_size: Option<u64>,
}

impl Artifact {
    /// The artifact at `path`, which is published as `name`.
    pub(super) fn new(
        name: &str,
        path: PathBuf,
        size: u64,
        sha256: Sha256Digest,
        promised_by: String,
    ) -> Result<Self> {
        let unpacked_size = unpacked_size(name, &path, size)?;
        Ok(Self { name: name.to_owned(), path, size, sha256, promised_by, unpacked_size })
    }
}

/// The longest header of a zstd frame (RFC 8878, 3.1.1: magic number 4, frame header 2 to 14 bytes).
const ZSTD_HEADER: u64 = 18;

/// Of archives alone: a tar is what it is, and zstd notes the size in the frame's header where it packed a file (RFC 8878,
/// 3.1.1.1.4). A size below that of the archive is that of a first frame among several, and tells nothing.
fn unpacked_size(name: &str, path: &Path, size: u64) -> Result<Option<u64>> {
    if name.ends_with(".tar") {
        return Ok(Some(size));
    }
    if !name.ends_with(".tar.zst") {
        return Ok(None);
    }
    let mut header = Vec::new();
    let file = local_file::open(path).context("reading", path)?;
    file.take(ZSTD_HEADER).read_to_end(&mut header).context("reading", path)?;
    let noted = zstd::zstd_safe::get_frame_content_size(&header).ok().flatten();
    Ok(noted.filter(|noted| *noted > size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar of one megabyte; zstd is told its size beforehand, or not.
    fn packed(size: Option<u64>) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.set_pledged_src_size(size).unwrap();
        std::io::copy(&mut std::io::repeat(0).take(1 << 20), &mut encoder).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_unpacked_size_is_what_the_header_notes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for (name, bytes, want) in [
            ("images.tar.zst", packed(Some(1 << 20)), Some(1 << 20)),
            ("images.tar.zst", packed(None), None),
            ("images.tar.zst", b"not zstd".to_vec(), None),
            ("images.tar.zst", Vec::new(), None),
            // A skippable frame, as pzstd writes first.
            ("images.tar.zst", [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], &[0; 4]].concat(), None),
            ("images.tar.gz", vec![0x1f, 0x8b], None),
            ("images.tar", vec![0; 9], Some(9)),
            ("k3s-arm64", packed(Some(1 << 20)), None),
        ] {
            std::fs::write(&path, &bytes).unwrap();
            let size = u64::try_from(bytes.len()).unwrap();
            assert_eq!(unpacked_size(name, &path, size).unwrap(), want, "{name} {size}");
        }
    }
}
