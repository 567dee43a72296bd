//! What a package file says of itself.
//!
//! Format: deb(5): an archive by ar(1) with `debian-binary`, `control.tar` and `data.tar`, in this order.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use tar::Archive;

use crate::local_file;
use crate::source::bounded::{Bounded, Gate};
use crate::source::{Format, decoder};

/// The largest packed control archive in bytes; that of the largest package has 2 megabytes.
const CONTROL_LIMIT: u64 = 32 << 20;
/// The largest unpacked one.
const UNPACKED_LIMIT: u64 = 128 << 20;
/// The longest control file.
const TEXT_LIMIT: u64 = 1 << 20;

/// The text of the package's control file. The error follows the name of the file.
pub(super) fn control(path: &Path) -> Result<String, String> {
    let file = local_file::open(path).map_err(|error| error.to_string())?;
    read(BufReader::new(file)).map_err(|error| format!("it is no Debian package: {error}"))
}

fn read(mut file: impl BufRead) -> io::Result<String> {
    let mut magic = [0; 8];
    file.read_exact(&mut magic)?;
    if magic != *b"!<arch>\n" {
        return Err(invalid("it does not begin with !<arch>"));
    }
    let (name, size) = member(&mut file)?;
    if name != "debian-binary" || size > 16 {
        return Err(invalid("its first member is not debian-binary"));
    }
    let mut version = String::new();
    (&mut file).take(size + size % 2).read_to_string(&mut version)?;
    if !version.starts_with("2.") {
        return Err(invalid("its format is not 2"));
    }
    let (name, size) = member(&mut file)?;
    if size > CONTROL_LIMIT {
        return Err(invalid("its control archive is too large"));
    }
    let format = match name.as_str() {
        "control.tar" => Format::Raw,
        "control.tar.gz" => Format::Gzip,
        "control.tar.xz" => Format::Xz,
        "control.tar.zst" => Format::Zstd,
        other => return Err(invalid(&format!("its second member is {other:?}, expected control.tar"))),
    };
    let gate = Gate::of(UNPACKED_LIMIT);
    let mut archive = Archive::new(Bounded::new(decoder(format, file.take(size))?, &gate));
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path_bytes();
        if name.strip_prefix(b"./").unwrap_or(&name) == b"control" {
            let mut text = Vec::new();
            entry.take(TEXT_LIMIT).read_to_end(&mut text)?;
            return String::from_utf8(text).map_err(|_| invalid("its control file is not UTF-8 text"));
        }
    }
    Err(invalid("it has no control file"))
}

/// Name and size of the next member (ar(5)): 60 bytes, the name in the first 16, the size in ten from 48 on.
fn member(file: &mut impl Read) -> io::Result<(String, u64)> {
    let mut header = [0; 60];
    file.read_exact(&mut header)?;
    let text = |from: usize, to: usize| {
        let bytes = header.get(from..to).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default().trim_end().to_owned()
    };
    let size = text(48, 58).parse().map_err(|_| invalid("a member has no size"))?;
    if header.get(58..) != Some(b"`\n") {
        return Err(invalid("the header of a member is damaged"));
    }
    let name = text(0, 16);
    Ok((name.strip_suffix('/').unwrap_or(&name).to_owned(), size))
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const CONTROL: &str = "Package: shop\nVersion: 1\n";

    /// A member as ar(1) has it.
    fn member_of(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", content.len())
            .into_bytes();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len() + content.len() % 2, b'\n');
        bytes
    }

    fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content).unwrap();
        tar.into_inner().unwrap()
    }

    fn deb(control: &str, packed: &[u8]) -> Vec<u8> {
        [b"!<arch>\n".to_vec(), member_of("debian-binary", b"2.0\n"), member_of(control, packed)].concat()
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_control_file_is_read_in_each_way_of_packing() {
        let tar = tar_of("./control", CONTROL.as_bytes());
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&tar).unwrap();
        for (name, packed) in [
            ("control.tar", tar.clone()),
            ("control.tar/", tar.clone()),
            ("control.tar.gz", gz(&tar)),
            ("control.tar.xz", xz.finish().unwrap()),
            ("control.tar.zst", zstd::encode_all(tar.as_slice(), 1).unwrap()),
        ] {
            assert_eq!(read(deb(name, &packed).as_slice()).unwrap(), CONTROL, "{name}");
        }
    }

    #[test]
    fn what_is_cut_or_no_package_is_an_error() {
        let whole = deb("control.tar.gz", &gz(&tar_of("./control", CONTROL.as_bytes())));
        for length in 0..whole.len() - 20 {
            assert!(read(whole.get(..length).unwrap()).is_err(), "{length} bytes");
        }
        let huge = [b"!<arch>\n".to_vec(), member_of("debian-binary", b"2.0\n"), {
            let mut header = member_of("control.tar", b"");
            header.splice(48..58, *b"9999999999");
            header
        }];
        for (what, bytes) in [
            ("another member", deb("data.tar", b"")),
            ("another format", [b"!<arch>\n".to_vec(), member_of("debian-binary", b"3.0\n")].concat()),
            ("no control file", deb("control.tar", &tar_of("./md5sums", b"x"))),
            ("no text", deb("control.tar", &tar_of("./control", b"\xff\xfe"))),
            ("too large", huge.concat()),
            ("a bomb", deb("control.tar.gz", &gz(&vec![0; 256 << 20]))),
        ] {
            assert!(read(bytes.as_slice()).is_err(), "{what}");
        }
    }
}
