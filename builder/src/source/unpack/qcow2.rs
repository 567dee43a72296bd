//! qcow2, QEMU's image format, read from the first guest byte to the last.
//!
//! Format: docs/interop/qcow2.rst of QEMU. A disk is divided into clusters; two levels of tables (L1, L2) give each
//! cluster's offset in the file, whether it is compressed, or that it reads as zeros. All numbers are big-endian. There
//! are no checksums in it: the checksum of the whole file verifies the bytes.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

/// QEMU's own limits: clusters of 512 bytes to 2 MiB.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// The largest supported disk; the caller limits the bytes that it writes.
const MAX_DISK: u64 = 1 << 40;
/// QEMU's limit for the first-level table, in bytes.
const MAX_L1: u64 = 32 << 20;

/// Bits 9 to 55 of a table entry: an offset in the file.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
/// The cluster reads as zeros, whatever its offset (version 3).
const ZERO: u64 = 1;

/// Incompatible features, version 3. A dirty image has wrong reference counts, which are not needed for reading.
const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It is intact, but uses an unsupported feature or another file.
    #[error("{0}")]
    Unsupported(&'static str),
    /// It is truncated or contradicts itself.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The compression of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Deflate,
    Zstd,
}

/// The disk inside an image, as a stream.
pub(super) struct Qcow2<R> {
    file: R,
    size: u64,
    cluster_bits: u32,
    compression: Compression,
    version: u32,
    l1: Vec<u64>,
    /// The current second-level table, and its index in the first.
    l2: Option<(usize, Vec<u64>)>,
    /// The current compressed cluster, unpacked, and its number.
    unpacked: Option<(u64, Vec<u8>)>,
    position: u64,
}

/// The location of a cluster's bytes.
enum Place {
    Zeros,
    At(u64),
    Compressed { offset: u64, length: u64 },
}

impl<R: Read + Seek> Qcow2<R> {
    /// Reads the header and the first-level table.
    pub(super) fn open(mut file: R) -> Result<Self, Refused> {
        let mut header = [0; 104];
        // The header of version 2 ends at byte 72; later bytes are ignored.
        file.seek(SeekFrom::Start(0))?;
        let length = super::fill(&mut file, &mut header)?;
        if length < 72 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let version = be32(&header, 4);
        if !matches!(version, 2 | 3) {
            return Err(Refused::Unsupported("a qcow2 image of a version other than 2 and 3"));
        }
        if be64(&header, 8) != 0 {
            return Err(Refused::Unsupported(
                "a qcow2 image with a backing file, which stores only the differences,",
            ));
        }
        if be32(&header, 32) != 0 {
            return Err(Refused::Unsupported("an encrypted qcow2 image"));
        }
        let compression = if version == 3 { compression(&mut file, &header)? } else { Compression::Deflate };
        let (cluster_bits, size) = (be32(&header, 20), be64(&header, 24));
        if !CLUSTER_BITS.contains(&cluster_bits) || size > MAX_DISK {
            return Err(damaged("invalid size in the header").into());
        }
        let l1 = read_l1(&mut file, be64(&header, 40), u64::from(be32(&header, 36)), size, cluster_bits)?;
        Ok(Self { file, size, cluster_bits, compression, version, l1, l2: None, unpacked: None, position: 0 })
    }

    /// Size of the disk in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// The location of a cluster of the disk.
    fn place(&mut self, cluster: u64) -> io::Result<Place> {
        let entries = self.cluster_size() / 8;
        let (upper, lower) = (index(cluster / entries)?, index(cluster % entries)?);
        let table = self.l1.get(upper).ok_or_else(|| damaged("the first-level table is too short"))? & OFFSET;
        if table == 0 {
            return Ok(Place::Zeros);
        }
        if self.l2.as_ref().is_none_or(|(number, _)| *number != upper) {
            self.l2 = Some((upper, read_table(&mut self.file, table, entries)?));
        }
        let entry = self.l2.as_ref().and_then(|(_, table)| table.get(lower)).copied().unwrap_or_default();
        if entry & COMPRESSED != 0 {
            return Ok(compressed_place(entry, self.cluster_bits));
        }
        let reads_zero = self.version >= 3 && entry & ZERO != 0;
        Ok(if reads_zero || entry & OFFSET == 0 { Place::Zeros } else { Place::At(entry & OFFSET) })
    }

    fn unpack(&mut self, cluster: u64, offset: u64, length: u64) -> io::Result<()> {
        if self.unpacked.as_ref().is_some_and(|(number, _)| *number == cluster) {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(offset))?;
        // The length is in sectors, so it may extend past the data and the end of the file.
        let packed = (&mut self.file).take(length);
        let mut bytes = vec![0; index(1 << self.cluster_bits)?];
        match self.compression {
            Compression::Deflate => DeflateDecoder::new(packed).read_exact(&mut bytes)?,
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::new(packed)?;
                decoder.window_log_max(super::ZSTD_WINDOW)?;
                decoder.read_exact(&mut bytes)?;
            }
        }
        self.unpacked = Some((cluster, bytes));
        Ok(())
    }
}

impl<R: Read + Seek> Read for Qcow2<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (cluster, within) = (self.position >> self.cluster_bits, self.position % self.cluster_size());
        let left = (self.cluster_size() - within).min(self.size - self.position);
        let length = index(left)?.min(buffer.len());
        let Some(target) = buffer.get_mut(..length).filter(|target| !target.is_empty()) else { return Ok(0) };
        match self.place(cluster)? {
            Place::Zeros => target.fill(0),
            Place::At(offset) => {
                self.file.seek(SeekFrom::Start(offset.saturating_add(within)))?;
                self.file.read_exact(target)?;
            }
            Place::Compressed { offset, length } => {
                self.unpack(cluster, offset, length)?;
                let bytes = self.unpacked.as_ref().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
                let from = bytes.get(index(within)?..).unwrap_or_default();
                target.copy_from_slice(from.get(..target.len()).unwrap_or_default());
            }
        }
        self.position += length as u64;
        Ok(length)
    }
}

/// Checks the features of version 3.
fn compression<R: Read + Seek>(file: &mut R, header: &[u8; 104]) -> Result<Compression, Refused> {
    let features = be64(header, 72);
    if features & CORRUPT != 0 {
        return Err(Refused::Unsupported(
            "a qcow2 image that QEMU has marked as corrupt (see `qemu-img check`)",
        ));
    }
    if features & EXTERNAL_DATA != 0 {
        return Err(Refused::Unsupported("a qcow2 image with its data in another file"));
    }
    if features & !(DIRTY | COMPRESSION_TYPE) != 0 {
        let what = if features & EXTENDED_L2 != 0 {
            "a qcow2 image with subclusters (extended_l2)"
        } else {
            "a qcow2 image with an unknown feature"
        };
        return Err(Refused::Unsupported(what));
    }
    if features & COMPRESSION_TYPE == 0 {
        return Ok(Compression::Deflate);
    }
    let mut kind = [0];
    file.seek(SeekFrom::Start(104))?;
    file.read_exact(&mut kind)?;
    match kind {
        [0] => Ok(Compression::Deflate),
        [1] => Ok(Compression::Zstd),
        _ => Err(Refused::Unsupported("a qcow2 image with a compression other than zlib and zstd")),
    }
}

/// The first-level table, with the length that the disk needs.
fn read_l1<R: Read + Seek>(
    file: &mut R,
    offset: u64,
    entries: u64,
    size: u64,
    cluster_bits: u32,
) -> io::Result<Vec<u64>> {
    // A second-level table fills a cluster; each entry has 8 bytes and describes one cluster.
    let needed = size.div_ceil(1 << (2 * cluster_bits - 3));
    if entries < needed || needed.saturating_mul(8) > MAX_L1 {
        return Err(damaged("the first-level table does not fit the disk size"));
    }
    read_table(file, offset, needed)
}

fn read_table<R: Read + Seek>(file: &mut R, offset: u64, entries: u64) -> io::Result<Vec<u64>> {
    let mut bytes = vec![0; index(entries.saturating_mul(8))?];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes.chunks_exact(8).map(|entry| be64(entry, 0)).collect())
}

/// The lower bits are the offset in bytes; the upper bits the number of additional sectors of 512 bytes.
fn compressed_place(entry: u64, cluster_bits: u32) -> Place {
    let bits = 62 - (cluster_bits - 8);
    let offset = entry & ((1 << bits) - 1);
    let sectors = ((entry & (COMPRESSED - 1)) >> bits) + 1;
    Place::Compressed { offset, length: sectors * 512 - (offset & 511) }
}

fn damaged(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn index(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| damaged("a number is too large for this machine"))
}

/// A number of the header or of a table; bytes past the end are zero.
fn be64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u64::from_be_bytes).unwrap_or_default()
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_be_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A version 3 image of one empty cluster of 64 KiB, with a table at 64 KiB.
    fn header() -> Vec<u8> {
        let mut bytes = vec![0; 2 << 16];
        bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        bytes[23] = 16;
        bytes[24..32].copy_from_slice(&65_536_u64.to_be_bytes());
        bytes[39] = 1;
        bytes[40..48].copy_from_slice(&65_536_u64.to_be_bytes());
        bytes
    }

    fn refusal(change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = header();
        change(&mut bytes);
        match Qcow2::open(Cursor::new(bytes)) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_empty_disk_is_zeros() {
        let mut disk = Vec::new();
        Qcow2::open(Cursor::new(header())).unwrap().read_to_end(&mut disk).unwrap();
        assert!(disk == vec![0; 65_536]);
        assert_eq!(refusal(|bytes| bytes[79] = 1), "accepted", "a dirty image is accepted");
    }

    #[test]
    fn an_unsupported_feature_is_rejected_by_name() {
        for (at, value, want) in [
            (7, 4, "version"),
            (15, 1, "backing file"),
            (35, 2, "encrypted"),
            (79, 2, "corrupt"),
            (79, 4, "another file"),
            (79, 16, "subclusters"),
            (78, 1, "unknown feature"),
            (23, 8, "invalid size"),
            (23, 22, "invalid size"),
            (24, 0x7f, "invalid size"),
            (39, 0, "does not fit"),
            (28, 0xff, "does not fit"),
        ] {
            let said = refusal(|bytes| bytes[at] = value);
            assert!(said.contains(want), "byte {at} is {value}: {said}");
        }
        assert!(refusal(|bytes| bytes.truncate(60)).contains("end of file"));
        assert!(refusal(|bytes| bytes.truncate(70_000)).contains("accepted"));
        assert!(refusal(|bytes| bytes.truncate(65_540)).contains("fill whole buffer"));
    }

    #[test]
    fn an_offset_past_the_end_of_the_file_is_an_error() {
        for entry in [u64::MAX, COMPRESSED, COMPRESSED | 0x1000, OFFSET] {
            let mut bytes = header();
            bytes.resize(4 << 16, 0);
            bytes[65_536..65_544].copy_from_slice(&(2_u64 << 16).to_be_bytes());
            bytes[131_072..131_080].copy_from_slice(&entry.to_be_bytes());
            let read = Qcow2::open(Cursor::new(bytes)).unwrap().read_to_end(&mut Vec::new());
            assert!(read.is_err(), "{entry:#x}");
        }
    }
}
