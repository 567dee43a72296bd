//! What a package file says of itself.
//!
//! Format: deb(5): an archive by ar(1) with `debian-binary`, `control.tar` and `data.tar`, in this order.

use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use tar::Archive;

use crate::local_file;
use crate::source::bounded::{Bounded, Gate};

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

fn read(mut file: impl Read) -> io::Result<String> {
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
    let packed = file.take(size);
    let gate = Gate::of(UNPACKED_LIMIT);
    let unpacked: Box<dyn Read + '_> = match name.as_str() {
        "control.tar" => Box::new(packed),
        "control.tar.gz" => Box::new(MultiGzDecoder::new(packed)),
        "control.tar.xz" => Box::new(XzDecoder::new(packed)),
        "control.tar.zst" => Box::new(zstd::Decoder::new(packed)?),
        other => return Err(invalid(&format!("its second member is {other:?}, expected control.tar"))),
    };
    let mut archive = Archive::new(Bounded::new(unpacked, &gate));
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
