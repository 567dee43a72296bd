//! Unpacking an image: the format by the first bytes, and one pass from the compressed bytes to a sparse file.

mod archive;
pub(crate) mod bounded;
mod qcow2;
mod window;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use zip::ZipArchive;
use zip::result::ZipError;

use super::SourceContext;
use super::error::{IoContext, Result, SourceError, file_name};
use super::space;
use super::sparse::SparseWriter;
use crate::disk::magic;
use crate::local_file;
use crate::progress::Task;
use bounded::{Bounded, Gate, Inflated};

/// Larger than any known image for an SD card.
const MAX_IMAGE: u64 = 64 << 30;
/// What any packed file may unpack to in bytes, however small it is.
const ALWAYS: u64 = 1 << 30;
/// How often its own size a packed file may unpack to besides. Images of systems have 3 to 60, zeros thousands.
const MOST_RATIO: u64 = 200;
/// zstd's own default, in bits: what needs a larger window is refused, since the window lies in memory.
const ZSTD_WINDOW: u32 = 27;
/// The chunk size of unpacking.
const PIECE: usize = 1 << 20;
/// The free disk space is checked each time so many bytes are written, and as many must stay free.
const SPACE_STEP: u64 = 64 << 20;
/// The memory limit of xz: enough for `xz -9` (65 MiB) and larger custom dictionaries.
const XZ_MEMORY: u64 = 256 << 20;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Raw,
    Xz,
    Gzip,
    Zstd,
    /// An archive with one image.
    Zip,
    /// An archive with one image, compressed or not; in a compressed one tar is detected when unpacking begins.
    Tar,
    /// QEMU's format, compressed or not.
    Qcow2,
}

/// What can be unpacked, as messages, help and documents have it.
pub const INPUT_FORMATS: &str = "a raw or qcow2 image, or one packed with xz, gzip, zstd, tar or zip";

impl Format {
    /// Detects the format by the first bytes, not the name. `Err` has what is neither unpacked nor a disk.
    fn of(start: &[u8]) -> std::result::Result<Self, magic::Format> {
        match start {
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Ok(Self::Xz),
            [0x1f, 0x8b, 8, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            // A skippable frame, which pzstd writes first (RFC 8878, 3.1.2).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'P', b'K', 3, 4, ..] => Ok(Self::Zip),
            [b'Q', b'F', b'I', 0xfb, 0, 0, 0, 2 | 3, ..] => Ok(Self::Qcow2),
            tar if archive::is_tar(tar) => Ok(Self::Tar),
            other => magic::format(other).map_or(Ok(Self::Raw), Err),
        }
    }

    /// Detects the format of a file.
    pub(crate) fn of_file(path: &Path) -> Result<Self> {
        let file = local_file::open(path).context("opening", path)?;
        let mut start = Vec::new();
        file.take(archive::TAR_BLOCK).read_to_end(&mut start).context("reading", path)?;
        if start.is_empty() {
            return Err(unsupported(path, "an empty file"));
        }
        Self::of(&start).map_err(|magic::Format { name, hint }| SourceError::Unsupported {
            file: path.display().to_string(),
            what: name.to_owned(),
            hint: hint.to_owned(),
        })
    }
}

/// What is unpacked of a packed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The image of a disk: where an archive is packed, the image in it.
    Image,
    /// All that was packed, such as an archive of container images.
    Stream,
}

/// Unpacks `packed` into `target`, a new and empty file in `dir`, with holes instead of zeros. Returns the size.
pub(crate) fn unpack(
    cx: &SourceContext<'_>,
    packed: &Path,
    format: Format,
    wanted: Wanted,
    target: &File,
    dir: &Path,
) -> Result<u64> {
    let source = local_file::open(packed).context("opening", packed)?;
    let compressed = source.metadata().context("looking at", packed)?.len();
    let limit = most(compressed);
    let what = format!("unpacking {}", file_name(packed));
    space::require(dir, compressed.saturating_add(SPACE_STEP), &what)?;
    let consumed = Arc::new(AtomicU64::new(0));
    let gate = Gate::default();
    let source = Bounded::new(Counted { inner: source.take(compressed), count: consumed.clone() }, &gate);
    let counted = BufReader::with_capacity(256 * 1024, source);
    let task = cx.progress.start(&what, Some(compressed));
    let mut pass =
        Pass { cx, packed, dir, what: &what, limit, wanted, writer: SparseWriter::new(target), checked: 0 };
    // What comes out is compared with what went in, so that a bomb is known long before its end.
    let inflated = Gate::default();
    let unpacked = pass.unpack(format, counted, &gate, &inflated, &consumed, task.as_ref());
    if inflated.is_exceeded() {
        return Err(too_large(packed, most(consumed.load(Ordering::Relaxed))));
    }
    unpacked?;
    let size = pass.writer.finish().context("writing the unpacked", packed)?;
    task.done();
    Ok(size)
}

/// What a packed file of that size may unpack to, in bytes.
fn most(packed: u64) -> u64 {
    packed.saturating_mul(MOST_RATIO).saturating_add(ALWAYS).min(MAX_IMAGE)
}

/// What is unpacked of a stream, with bounded memory whatever the stream says that it needs. Concatenated streams or frames are
/// one file, as for their own tools; other trailing bytes are an error of the
/// decoders.
pub(crate) fn decoder<'a>(format: Format, packed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match format {
        // Zip and qcow2 are not streams: see `unpack`.
        Format::Raw | Format::Tar | Format::Zip | Format::Qcow2 => Box::new(packed),
        Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        Format::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(packed)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        Format::Xz => {
            Box::new(XzDecoder::new_stream(packed, Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?))
        }
    })
}

/// One pass over a compressed file.
struct Pass<'a> {
    cx: &'a SourceContext<'a>,
    packed: &'a Path,
    dir: &'a Path,
    what: &'a str,
    /// Bytes that it may unpack to.
    limit: u64,
    wanted: Wanted,
    writer: SparseWriter<'a>,
    /// The position of the last check of the disk space.
    checked: u64,
}

impl Pass<'_> {
    /// Unpacks a file of any format. `gate` is that of the packed bytes, `inflated` that of what comes out of a decoder.
    fn unpack(
        &mut self,
        format: Format,
        counted: BufReader<Bounded<'_, Counted>>,
        gate: &Gate,
        inflated: &Gate,
        consumed: &AtomicU64,
        task: &dyn Task,
    ) -> Result<()> {
        let packed = self.packed;
        match format {
            Format::Zip => {
                // The table of contents is read into memory.
                gate.allow(archive::MOST_HEADERS);
                let archive = ZipArchive::new(counted);
                if gate.is_exceeded() {
                    return Err(unsupported(packed, archive::MANY_HEADERS));
                }
                gate.allow(u64::MAX);
                let mut archive = archive.map_err(|e| bad_archive(e, packed))?;
                let number = archive::image(&archive).map_err(|what| unsupported(packed, &what))?;
                let mut image = archive.by_index(number).map_err(|e| bad_archive(e, packed))?;
                if !archive::KNOWN.contains(&image.compression()) {
                    return Err(unsupported(packed, archive::UNKNOWN_METHOD));
                }
                self.run(&mut Inflated::new(&mut image, consumed, inflated), consumed, task)?;
            }
            Format::Qcow2 => {
                let mut disk = qcow2::Qcow2::open(counted).map_err(|refused| match refused {
                    qcow2::Refused::Unsupported(what) => unsupported(packed, what),
                    qcow2::Refused::Io(error) => unreadable(error, packed, 0),
                })?;
                if disk.size() > self.limit {
                    return Err(too_large(packed, self.limit));
                }
                self.run(&mut disk, consumed, task)?;
            }
            stream => {
                let decoder = decoder(stream, counted).map_err(|e| unreadable(e, packed, 0))?;
                let mut decoder = Inflated::new(decoder, consumed, inflated);
                let start = archive::start(&mut decoder).map_err(|e| unreadable(e, packed, 0))?;
                let is_tar = archive::is_tar(&start);
                let mut whole = io::Cursor::new(start).chain(decoder);
                if is_tar && self.wanted == Wanted::Image {
                    self.run_tar(&mut whole, consumed, task)?;
                } else {
                    self.run(&mut whole, consumed, task)?;
                }
            }
        }
        Ok(())
    }

    /// Unpacks the image of a tar archive. The rest of the archive is read too: it may have a second image, and a
    /// truncated compressed archive is detected only at its end.
    fn run_tar(&mut self, whole: &mut dyn Read, consumed: &AtomicU64, task: &dyn Task) -> Result<()> {
        let (gate, whole_left) = (Gate::default(), self.limit);
        let mut bounded = Bounded::new(whole.take(whole_left.saturating_add(1)), &gate);
        let images = self.run_entries(&mut bounded, &gate, consumed, task)?;
        if images != 1 {
            return Err(unsupported(self.packed, &archive::other_than_one("tar", images)));
        }
        gate.allow(u64::MAX);
        let mut rest = bounded.into_inner();
        io::copy(&mut rest, &mut io::sink())
            .map_err(|e| unreadable(e, self.packed, self.writer.position()))?;
        if rest.limit() == 0 { Err(too_large(self.packed, self.limit)) } else { Ok(()) }
    }

    /// The files of an archive; how many of them are images.
    fn run_entries(
        &mut self,
        whole: &mut dyn Read,
        gate: &Gate,
        consumed: &AtomicU64,
        task: &dyn Task,
    ) -> Result<usize> {
        let mut archive = tar::Archive::new(whole);
        let mut images = 0;
        let mut entries = archive.entries().map_err(|e| unreadable(e, self.packed, 0))?;
        loop {
            self.cx.interrupt.check()?;
            // What precedes a file, its long names above all, is read into memory.
            gate.allow(archive::MOST_HEADERS);
            let entry = entries.next();
            if gate.is_exceeded() {
                return Err(unsupported(self.packed, archive::MANY_HEADERS));
            }
            gate.allow(u64::MAX);
            let Some(entry) = entry else { return Ok(images) };
            let damaged = |e, unpacked| unreadable(e, self.packed, unpacked);
            let mut entry = entry.map_err(|e| damaged(e, self.writer.position()))?;
            let kind = entry.header().entry_type();
            if (kind.is_file() || kind.is_gnu_sparse()) && archive::is_image(&entry.path_bytes()) {
                if archive::is_pax_sparse(&mut entry).map_err(|e| damaged(e, 0))? {
                    return Err(unsupported(self.packed, archive::PAX_SPARSE));
                }
                images += 1;
                if images == 1 {
                    self.run(&mut entry, consumed, task)?;
                }
            }
            // The rest of the file, so that only headers are read above.
            let mut rest = entry.take(self.limit);
            io::copy(&mut rest, &mut io::sink())
                .map_err(|e| unreadable(e, self.packed, self.writer.position()))?;
            if rest.limit() == 0 {
                return Err(too_large(self.packed, self.limit));
            }
        }
    }

    fn run(&mut self, mut decoder: &mut dyn Read, consumed: &AtomicU64, task: &dyn Task) -> Result<()> {
        let mut piece = vec![0; PIECE];
        let mut told = 0;
        loop {
            self.cx.interrupt.check()?;
            let length = fill(&mut decoder, &mut piece);
            let length = length.map_err(|e| unreadable(e, self.packed, self.writer.position()))?;
            let Some(bytes) = piece.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
            self.check_disk_space()?;
            self.writer
                .append(bytes)
                .map_err(|e| space::write_failed(e, self.dir, self.what, PIECE as u64))?;
            let now = consumed.load(Ordering::Relaxed);
            task.advance(now.saturating_sub(told));
            told = now;
        }
    }

    fn check_disk_space(&mut self) -> Result<()> {
        let position = self.writer.position();
        if position > self.limit {
            return Err(too_large(self.packed, self.limit));
        }
        if position.saturating_sub(self.checked) >= SPACE_STEP {
            self.checked = position;
            space::require(self.dir, SPACE_STEP, self.what)?;
        }
        Ok(())
    }
}

fn unsupported(packed: &Path, what: &str) -> SourceError {
    let file = packed.display().to_string();
    SourceError::Unsupported { file, what: what.to_owned(), hint: format!("give {INPUT_FORMATS}") }
}

fn bad_archive(error: ZipError, packed: &Path) -> SourceError {
    match (archive::unsupported(&error), error) {
        (Some(what), _) => unsupported(packed, what),
        (None, ZipError::Io(error)) => unreadable(error, packed, 0),
        (None, error) => unreadable(io::Error::new(io::ErrorKind::InvalidData, error), packed, 0),
    }
}

fn too_large(packed: &Path, limit: u64) -> SourceError {
    SourceError::Unsupported {
        file: packed.display().to_string(),
        what: format!(
            "a file that unpacks to more than {:.1} GiB ({MOST_RATIO} times its size and {} GiB, at most {} GiB)",
            limit as f64 / f64::from(1 << 30),
            ALWAYS >> 30,
            MAX_IMAGE >> 30
        ),
        hint: "it may be a decompression bomb; if you trust it, unpack it yourself and give the raw image"
            .into(),
    }
}

/// Separates errors of the decoder from errors of reading the file.
fn unreadable(error: io::Error, packed: &Path, unpacked: u64) -> SourceError {
    if error.raw_os_error().is_some() {
        return SourceError::Io { what: format!("reading {}", packed.display()), source: error };
    }
    if let Some((what, hint)) = window::too_large(&error, packed) {
        return SourceError::Unsupported { file: packed.display().to_string(), what, hint };
    }
    let problem = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file is truncated".to_owned(),
        _ => format!("damaged compressed data, or other bytes after it: {error}"),
    };
    SourceError::Damaged { file: packed.display().to_string(), problem, unpacked }
}

/// Reads until the buffer is full or the input ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(length)
}

/// Counts the bytes read, for the progress.
struct Counted {
    inner: io::Take<File>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{DiskError, PartitionTable, Window};
    use std::io::Write;

    #[test]
    fn a_format_is_detected_by_its_first_bytes() {
        assert_eq!(Format::of(b"\xfd7zXZ\0\0\x04"), Ok(Format::Xz));
        assert_eq!(Format::of(&[0x1f, 0x8b, 8, 0]), Ok(Format::Gzip));
        assert_eq!(Format::of(&[0x28, 0xb5, 0x2f, 0xfd, 0]), Ok(Format::Zstd));
        assert_eq!(Format::of(&[0x5a, 0x2a, 0x4d, 0x18]), Ok(Format::Zstd));
        assert_eq!(Format::of(&[0; 16]), Ok(Format::Raw));
        assert_eq!(Format::of(b"PK\x03\x04"), Ok(Format::Zip));
        assert_eq!(Format::of(b"QFI\xfb\0\0\0\x03"), Ok(Format::Qcow2));
        assert_eq!(Format::of(b"BZh9").map_err(|format| format.name), Err("a bzip2 file"));
        let tar = [[b'x'; 257].as_slice(), b"ustar\x0000"].concat();
        assert_eq!(Format::of(&tar), Ok(Format::Tar));
    }

    /// The messages name what is unpacked, and where a disk is expected it is recognised by the same bytes.
    #[test]
    fn every_packed_format_is_named_and_is_no_disk() {
        let tar = [[b'x'; 257].as_slice(), b"ustar\x0000"].concat();
        for (start, name) in [
            (&b"\xfd7zXZ\0\0\x04"[..], "xz"),
            (&[0x1f, 0x8b, 8, 0], "gzip"),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0], "zstd"),
            (b"PK\x03\x04", "zip"),
            (b"QFI\xfb\0\0\0\x03", "qcow2"),
            (&tar, "tar"),
        ] {
            assert_ne!(Format::of(start), Ok(Format::Raw), "{name}");
            assert!(INPUT_FORMATS.contains(name), "{name}");
            let file = tempfile::tempfile().unwrap();
            (&file).write_all(&[start, &[0; 64 << 10]].concat()).unwrap();
            let disk = Window::whole(Arc::new(file)).unwrap();
            let error = PartitionTable::read(&disk).unwrap_err();
            assert!(
                matches!(error, DiskError::NotAnImage { ref found, .. } if found.contains(name)),
                "{error}"
            );
        }
    }
}
