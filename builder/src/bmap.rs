//! The block map beside an image, version 2.0, as bmaptool and other writers of cards read it: which blocks must be on a card, with
//! their digests. The format: the documentation of bmaptool (`bmap` file format), read with 3.6.

use std::fmt::Write;
use std::io::{self, Read};
use std::iter;
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::disk::Window;
use crate::source::digest::{Hasher, Sha256Digest};
use crate::used_ranges::{PIECE, used};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Stands where the digest of the file itself comes: its digest is that of the file with these zeros.
const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The largest range that has one digest, a whole number of blocks: ranges are read side by side, and a writer that compares them
/// finds a fault after this much.
const LARGEST: u64 = 64 << 20;

/// The most threads that read; more wait for each other.
const MOST_READERS: usize = 4;

/// The block map of an image. Reads all of it that a card must have.
///
/// # Errors
/// When the image cannot be read, or is none of a disk.
pub fn block_map(image: &Window) -> io::Result<String> {
    let ranges: Vec<Range<u64>> =
        used(image).map_err(io::Error::other)?.into_iter().flat_map(pieces).collect();
    let digests = digests(image, &ranges)?;
    let ranges: Vec<_> = ranges.into_iter().zip(digests).collect();
    Ok(render(image.len(), &ranges))
}

fn pieces(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let Range { mut start, end } = range;
    iter::from_fn(move || {
        let piece = start..end.min(start.saturating_add(LARGEST));
        start = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The digests of all ranges, in their order.
fn digests(image: &Window, ranges: &[Range<u64>]) -> io::Result<Vec<Sha256Digest>> {
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<Vec<(usize, Sha256Digest)>> {
        let mut own = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(range) = ranges.get(number) else { return Ok(own) };
            own.push((number, digest(image, range)?));
        }
    };
    let readers = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_READERS);
    let mut all = thread::scope(|scope| {
        let threads: Vec<_> = (0..readers).map(|_| scope.spawn(work)).collect();
        let panicked = |_| Err(io::Error::other("a thread that reads the image panicked"));
        let results = threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked));
        results.collect::<io::Result<Vec<_>>>().map(|parts| parts.concat())
    })?;
    all.sort_unstable_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, digest)| digest).collect())
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
    fn a_large_range_is_cut_into_pieces_without_a_gap() {
        let cut: Vec<_> = pieces(4096..2 * LARGEST + 5000).collect();
        assert_eq!(
            cut,
            [
                4096..LARGEST + 4096,
                LARGEST + 4096..2 * LARGEST + 4096,
                2 * LARGEST + 4096..2 * LARGEST + 5000
            ]
        );
        assert_eq!(pieces(0..0).count(), 0);
        let whole: Vec<_> = pieces(8192..12_288).collect();
        assert_eq!((whole.len(), whole.first().cloned()), (1, Some(8192..12_288)));
    }

    #[test]
    fn digests_come_in_the_order_of_their_ranges() {
        let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        let image = Window::whole(std::sync::Arc::new(file)).unwrap();
        let ranges: Vec<Range<u64>> = (0..50).map(|number| number * 4096..number * 4096 + 4096).collect();
        let expected: Vec<_> = bytes.chunks(4096).take(50).map(Sha256Digest::of).collect();
        assert_eq!(digests(&image, &ranges).unwrap(), expected);
    }

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
