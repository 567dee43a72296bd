//! How much k3s writes to a node's disk from its own files: what it unpacks of itself, and what it imports of an archive of
//! images. Both are read once, as a stream; nothing is written.
//!
//! The files are not verified yet, so anything may be in them: time and memory have a limit, and what is damaged or not
//! understood has no size. The digest is checked when the file is copied.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::{IoContext, Result};
use super::unpack::bounded::{Bounded, Gate};
use crate::interrupt::Interrupt;
use crate::local_file;

/// More is not measured: k3s's own archive holds less than a gigabyte.
const LIMIT: u64 = 16 << 30;

/// tar's unit.
const BLOCK: usize = 512;

/// A file on a disk takes whole blocks of this size.
const DISK_BLOCK: u64 = 4096;

/// The first bytes of a zstd frame.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of a program that are searched at once.
const PIECE: u64 = 1 << 20;

/// Places in a program that look like a zstd frame and are tried.
const TRIES: usize = 256;

/// The longest list of the images of an archive, in bytes.
const LIST_LIMIT: u64 = 4 << 20;

/// What a file for k3s has in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// Size in bytes of what k3s makes of it; none where that is not known.
    pub(super) unpacked_size: Option<u64>,
    /// The images in it; empty for a program.
    pub(super) image_names: Vec<String>,
}

/// What the file `name` at `path` has in it.
///
/// # Errors
/// When the file cannot be opened, or the user interrupts.
pub(super) fn content(name: &str, path: &Path, interrupt: &Interrupt) -> Result<Content> {
    let open = || -> Result<Watched<'_>> {
        Ok(Watched { file: local_file::open(path).context("reading", path)?, interrupt })
    };
    let packed = || open().map(|file| BufReader::with_capacity(256 << 10, file));
    let content = if name.ends_with(".tar") {
        images(packed()?, LIMIT)
    } else if name.ends_with(".tar.gz") {
        images(flate2::bufread::MultiGzDecoder::new(packed()?), LIMIT)
    } else if name.ends_with(".tar.zst") {
        zstd::Decoder::with_buffer(packed()?).and_then(|unpacked| images(unpacked, LIMIT))
    } else if name.ends_with(".tgz") {
        // A chart, which stays as it is.
        return Ok(Content { unpacked_size: Some(0), image_names: Vec::new() });
    } else {
        program(open()?, LIMIT).map(|size| Content { unpacked_size: Some(size), image_names: Vec::new() })
    };
    interrupt.check()?;
    Ok(content.unwrap_or_default())
}

/// A file that ends when the user interrupts.
struct Watched<'a> {
    file: File,
    interrupt: &'a Interrupt,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(io::Error::other)?;
        self.file.read(buffer)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// containerd keeps each file of the archive, and each layer once more unpacked. A layer may be packed itself.
fn images(archive: impl Read, limit: u64) -> io::Result<Content> {
    let (mut total, mut image_names) = (0_u64, Vec::new());
    walk(Bounded::new(archive, &Gate::of(limit)), |name, file, size| {
        let unpacked = match name {
            b"manifest.json" | b"index.json" => {
                let mut list = Vec::new();
                file.take(LIST_LIMIT).read_to_end(&mut list)?;
                image_names.extend(names(&list));
                0
            }
            _ => layer(file, limit)?,
        };
        total = total.saturating_add(on_disk(size)).saturating_add(unpacked);
        Ok(())
    })?;
    image_names.sort();
    image_names.dedup();
    if total == 0 { Err(invalid("no file")) } else { Ok(Content { unpacked_size: Some(total), image_names }) }
}

/// The names in the list of an archive: Docker's `manifest.json`, or the `index.json` of OCI with containerd's annotation.
/// What is neither has no names.
fn names(list: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Saved {
        repo_tags: Option<Vec<String>>,
    }
    #[derive(serde::Deserialize)]
    struct Index {
        manifests: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        #[serde(default)]
        annotations: std::collections::BTreeMap<String, String>,
    }
    if let Ok(saved) = serde_json::from_slice::<Vec<Saved>>(list) {
        return saved.into_iter().filter_map(|image| image.repo_tags).flatten().collect();
    }
    let Ok(index) = serde_json::from_slice::<Index>(list) else { return Vec::new() };
    let name = |mut entry: Entry| entry.annotations.remove("io.containerd.image.name");
    index.manifests.into_iter().filter_map(name).collect()
}

/// What a layer takes unpacked; nothing for a file that is no layer.
fn layer(file: &mut dyn Read, limit: u64) -> io::Result<u64> {
    let mut start = Vec::new();
    (&mut *file).take(BLOCK as u64).read_to_end(&mut start)?;
    let is_tar = start.get(257..262) == Some(b"ustar");
    let (is_gzip, is_zstd) = (start.starts_with(&[0x1f, 0x8b, 8]), start.starts_with(&ZSTD));
    let whole = BufReader::new(io::Cursor::new(start).chain(file));
    if is_tar {
        files(whole, limit)
    } else if is_gzip {
        files(flate2::bufread::MultiGzDecoder::new(whole), limit)
    } else if is_zstd {
        files(zstd::Decoder::with_buffer(whole)?, limit)
    } else {
        Ok(0)
    }
}

/// What the files of a tar take on a disk.
fn files(tar: impl Read, limit: u64) -> io::Result<u64> {
    let mut total = 0_u64;
    walk(Bounded::new(tar, &Gate::of(limit)), |_, _, size| {
        total = total.saturating_add(on_disk(size));
        Ok(())
    })?;
    Ok(total)
}

/// The program has what it unpacks at its first start in it: a tar, packed with zstd (k3s `scripts/package-cli`).
fn program(mut program: impl Read + Seek, limit: u64) -> io::Result<u64> {
    for place in places(&mut program)? {
        program.seek(SeekFrom::Start(place))?;
        let unpacked = zstd::Decoder::new(&mut program).and_then(|frame| files(frame.single_frame(), limit));
        if let Ok(size) = unpacked
            && size > 0
        {
            return Ok(size);
        }
    }
    Err(invalid("nothing packed in it"))
}

/// Where a zstd frame may begin.
fn places(program: &mut impl Read) -> io::Result<Vec<u64>> {
    let finder = memchr::memmem::Finder::new(&ZSTD);
    let mut places = Vec::new();
    // The end of the piece before is kept, since a frame may begin in it.
    let (mut piece, mut begin) = (Vec::new(), 0_u64);
    loop {
        let read = (&mut *program).take(PIECE).read_to_end(&mut piece)?;
        let found = finder.find_iter(&piece).map(|at| begin.saturating_add(at as u64));
        places.extend(found.take(TRIES.saturating_sub(places.len())));
        if read == 0 || places.len() == TRIES {
            return Ok(places);
        }
        let seen = piece.len().saturating_sub(ZSTD.len() - 1);
        piece.drain(..seen);
        begin = begin.saturating_add(seen as u64);
    }
}

fn on_disk(size: u64) -> u64 {
    size.div_ceil(DISK_BLOCK).saturating_mul(DISK_BLOCK)
}

/// Calls `each` with the short name and the data of every regular file of a tar. Its headers alone are kept in memory: long
/// names stand in entries of their own, which are not regular files.
fn walk(
    mut tar: impl Read,
    mut each: impl FnMut(&[u8], &mut dyn Read, u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut header = [0; BLOCK];
    let mut first = true;
    while read_header(&mut tar, &mut header)? {
        if first && header.get(257..262) != Some(b"ustar") {
            return Err(invalid("no tar"));
        }
        first = false;
        let size = entry_size(&header).ok_or_else(|| invalid("the size of an entry"))?;
        let mut data = (&mut tar).take(size);
        if matches!(header[156], b'0' | 0 | b'7') {
            let name =
                header.get(..100).unwrap_or_default().split(|byte| *byte == 0).next().unwrap_or_default();
            each(name.strip_prefix(b"./").unwrap_or(name), &mut data, size)?;
        }
        io::copy(&mut data, &mut io::sink())?;
        if data.limit() > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let padding = size.next_multiple_of(BLOCK as u64).saturating_sub(size);
        io::copy(&mut (&mut tar).take(padding), &mut io::sink())?;
    }
    Ok(())
}

/// False at the end: a block of zeros, or no more data.
fn read_header(tar: &mut impl Read, header: &mut [u8; BLOCK]) -> io::Result<bool> {
    let mut start = Vec::with_capacity(BLOCK);
    tar.take(BLOCK as u64).read_to_end(&mut start)?;
    match <[u8; BLOCK]>::try_from(start) {
        Ok(block) => {
            *header = block;
            Ok(block.iter().any(|byte| *byte != 0))
        }
        Err(start) if start.is_empty() => Ok(false),
        Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Octal digits, or GNU's binary form for more than eight gigabytes.
fn entry_size(header: &[u8; BLOCK]) -> Option<u64> {
    let field = header.get(124..136)?;
    if let [0x80, rest @ ..] = field {
        let number = rest
            .iter()
            .try_fold(0_u64, |number, byte| number.checked_mul(256)?.checked_add(u64::from(*byte)));
        return number.filter(|size| *size <= LIMIT);
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    u64::from_str_radix(text, 8).ok().filter(|size| *size <= LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, content.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd_of(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    /// Two files, which take three blocks of a disk.
    fn layer_tar() -> Vec<u8> {
        let long = "a/".repeat(120) + "program";
        tar(&[(&long, vec![1; 5000]), ("small", vec![2; 10])])
    }

    fn measured(name: &str, bytes: &[u8]) -> Option<u64> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        content(name, &path, &Interrupt::new()).unwrap().unpacked_size
    }

    #[test]
    fn a_frame_is_found_wherever_it_begins() {
        let piece = usize::try_from(PIECE).unwrap();
        for begin in [0, 1, 700, piece - 4, piece - 3, piece - 1, piece, 2 * piece - 2, 3 * piece - 4] {
            let mut bytes = vec![0x28; 3 * piece];
            bytes[begin..begin + 4].copy_from_slice(&ZSTD);
            assert_eq!(places(&mut &bytes[..]).unwrap(), [begin as u64], "{begin}");
        }
        let many = ZSTD.repeat(TRIES + 9);
        assert_eq!(places(&mut &many[..]).unwrap().len(), TRIES);
        assert_eq!(places(&mut &ZSTD[..3]).unwrap(), [0_u64; 0]);
    }

    #[test]
    fn the_names_of_images_are_those_in_either_list() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let names = |files: &[(&str, Vec<u8>)]| {
            std::fs::write(&path, tar(files)).unwrap();
            content("x.tar", &path, &Interrupt::new()).unwrap().image_names
        };
        let saved = br#"[{"Config":"a.json","RepoTags":["docker.io/a/b:1","docker.io/a/c:2"],"Layers":[]},{"RepoTags":null}]"#;
        let index = br#"{"manifests":[{"annotations":{"io.containerd.image.name":"docker.io/a/b:1"}},{"digest":"x"}]}"#;
        assert_eq!(names(&[("manifest.json", saved.to_vec())]), ["docker.io/a/b:1", "docker.io/a/c:2"]);
        assert_eq!(names(&[("./index.json", index.to_vec())]), ["docker.io/a/b:1"]);
        assert_eq!(names(&[("index.json", index.to_vec()), ("manifest.json", saved.to_vec())]).len(), 2);
        for other in [&b"{}"[..], b"[]", b"[1", b""] {
            assert!(names(&[("manifest.json", other.to_vec()), ("x", vec![1])]).is_empty());
        }
    }

    #[test]
    fn an_archive_takes_its_files_and_its_layers_unpacked() {
        let layers = [layer_tar(), gzip(&layer_tar()), zstd_of(&layer_tar())];
        let files: Vec<(String, Vec<u8>)> =
            layers.iter().enumerate().map(|(i, layer)| (format!("blobs/{i}"), layer.clone())).collect();
        let mut files: Vec<(&str, Vec<u8>)> =
            files.iter().map(|(name, content)| (name.as_str(), content.clone())).collect();
        files.push(("manifest.json", b"[]".to_vec()));
        let kept: u64 = files.iter().map(|(_, content)| on_disk(content.len() as u64)).sum();
        let expected = Some(kept + 3 * 3 * DISK_BLOCK);
        let archive = tar(&files);
        assert_eq!(measured("images.tar", &archive), expected);
        assert_eq!(measured("images.tar.gz", &gzip(&archive)), expected);
        assert_eq!(measured("images.tar.zst", &zstd_of(&archive)), expected);
        // pzstd writes a skippable frame first, and several behind each other.
        let (front, back) = archive.split_at(1000);
        let frames = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], &[0; 4], &zstd_of(front), &zstd_of(back)];
        assert_eq!(measured("images.tar.zst", &frames.concat()), expected);
    }

    #[test]
    fn what_is_damaged_or_no_archive_has_no_size() {
        let archive = tar(&[("layer", layer_tar())]);
        let packed = zstd_of(&archive);
        for (name, bytes) in [
            ("images.tar", &archive[..2000]),
            ("images.tar", &[0; 2048]),
            ("images.tar", &[7; 2048]),
            ("images.tar.zst", &packed[..packed.len() / 2]),
            ("images.tar.zst", b"not zstd"),
            ("images.tar.gz", b""),
            ("k3s", b"no program of k3s"),
        ] {
            assert_eq!(measured(name, bytes), None, "{name} {}", bytes.len());
        }
        let mut wrong = archive.clone();
        wrong[124..136].copy_from_slice(b"77777777777\0");
        assert_eq!(measured("images.tar", &wrong), None, "an entry of eight gigabytes");
        wrong[124..136]
            .copy_from_slice(&[0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(measured("images.tar", &wrong), None, "more than there is");
    }

    /// A few kilobytes that unpack to a gigabyte: reading ends at the limit, outside and inside.
    #[test]
    fn a_bomb_is_not_measured_to_its_end() {
        const SMALL: u64 = 1 << 20;
        let mut header = tar(&[("zeros", Vec::new())]);
        header.truncate(BLOCK);
        header[124..136].copy_from_slice(b"10000000000\0");
        let bomb = zstd::Decoder::new(io::Cursor::new({
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.write_all(&header).unwrap();
            io::copy(&mut io::repeat(0).take(1 << 26), &mut encoder).unwrap();
            encoder.finish().unwrap()
        }));
        assert!(images(bomb.unwrap(), SMALL).is_err());
        let inner = gzip(&[header, vec![0; 1 << 24]].concat());
        assert!(inner.len() < 100_000);
        assert!(images(io::Cursor::new(tar(&[("layer", inner)])), SMALL).is_err());
    }

    #[test]
    fn a_program_is_measured_by_what_is_packed_in_it() {
        let data = tar(&[("bin/containerd", vec![1; 9000]), ("bin/links", Vec::new())]);
        let decoy = zstd_of(b"a dictionary, not a tar");
        let program = [&[0x7f; 3000][..], &ZSTD, &[9; 50], &decoy, &[3; 77], &zstd_of(&data), &[5; 4000]];
        assert_eq!(measured("k3s-arm64", &program.concat()), Some(3 * DISK_BLOCK));
    }

    #[test]
    fn an_interruption_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.tar");
        std::fs::write(&path, tar(&[("layer", layer_tar())])).unwrap();
        let interrupt = Interrupt::new();
        interrupt.raise();
        assert!(content("images.tar", &path, &interrupt).is_err());
        assert!(content("images.tar", &dir.path().join("none"), &Interrupt::new()).is_err());
    }
}
