//! The block map beside an image, version 2.0, as bmaptool and other writers of cards read it: which blocks must be on a card, with
//! their digests. The format: the documentation of bmaptool (`bmap` file format), read with 3.6.

use std::fmt::Write;
use std::io::{self, Read};
use std::ops::Range;

use crate::disk::Window;
use crate::source::digest::{Hasher, Sha256Digest};
use crate::used_ranges::{PIECE, used};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Stands where the digest of the file itself comes: its digest is that of the file with these zeros.
const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The block map of an image. Reads all of it that a card must have.
///
/// # Errors
/// When the image cannot be read, or is none of a disk.
pub fn block_map(image: &Window) -> io::Result<String> {
    let mut ranges = Vec::new();
    for range in used(image).map_err(io::Error::other)? {
        let digest = digest(image, &range)?;
        ranges.push((range, digest));
    }
    Ok(render(image.len(), &ranges))
}

fn digest(image: &Window, range: &Range<u64>) -> io::Result<Sha256Digest> {
    let mut cursor = image.cursor();
    io::Seek::seek(&mut cursor, io::SeekFrom::Start(range.start))?;
    let mut rest = cursor.take(range.end.saturating_sub(range.start));
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(hasher.digest()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// The text for an image of `size` bytes; the ranges begin at whole blocks, and the last one may end with the image within one.
fn render(size: u64, ranges: &[(Range<u64>, Sha256Digest)]) -> String {
    let blocks = |range: &Range<u64>| range.start / PIECE..range.end.div_ceil(PIECE);
    let mapped: u64 =
        ranges.iter().map(|(range, _)| blocks(range)).map(|map| map.end.saturating_sub(map.start)).sum();
    let mut text = format!(
        "<?xml version=\"1.0\" ?>\n<bmap version=\"2.0\">\n    <ImageSize> {size} </ImageSize>\n    <BlockSize> {PIECE} </BlockSize>\n    \
         <BlocksCount> {} </BlocksCount>\n    <MappedBlocksCount> {mapped} </MappedBlocksCount>\n    <ChecksumType> sha256 </ChecksumType>\n    \
         <BmapFileChecksum> {NO_DIGEST} </BmapFileChecksum>\n    <BlockMap>\n",
        size.div_ceil(PIECE)
    );
    for (range, digest) in ranges {
        let Range { start, end } = blocks(range);
        let last = end.saturating_sub(1);
        let name = if start == last { start.to_string() } else { format!("{start}-{last}") };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "        <Range chksum=\"{digest}\"> {name} </Range>");
    }
    text.push_str("    </BlockMap>\n</bmap>\n");
    let own = Sha256Digest::of(text.as_bytes()).to_string();
    text.replacen(NO_DIGEST, &own, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_inclusively_and_the_file_has_its_own_digest() {
        let digest = Sha256Digest::of(b"");
        let ranges = [(0..8192, digest), (16_384..20_480, digest), (40_960..41_000, digest)];
        let text = render(41_000, &ranges);
        for line in [
            "<ImageSize> 41000 </ImageSize>",
            "<BlocksCount> 11 </BlocksCount>",
            "<MappedBlocksCount> 4 </MappedBlocksCount>",
            &format!("<Range chksum=\"{digest}\"> 0-1 </Range>"),
            &format!("<Range chksum=\"{digest}\"> 4 </Range>"),
            &format!("<Range chksum=\"{digest}\"> 10 </Range>"),
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let (_, rest) = text.split_once("<BmapFileChecksum> ").unwrap();
        let own = &rest[..64];
        assert_eq!(Sha256Digest::of(text.replacen(own, NO_DIGEST, 1).as_bytes()).to_string(), own);
    }
}
