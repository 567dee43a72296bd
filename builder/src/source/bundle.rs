//! All inputs of a project in one file, for a machine without a network.
//!
//! A tar with `files/<SHA-256>/<name>` for each file of the cache that is needed, and the lock. What is taken out of one is
//! compared with the digest in its name, and used only where a lock asks for that digest: so a bundle can be of anybody.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use tar::{Archive, Builder, EntryType, Header};

use super::digest::Sha256Digest;
use super::error::{IoContext, Result, SourceError, file_name};
use super::inventory::{CacheEntry, Kind};
use super::unpack::bounded::{Bounded, Gate};
use super::url::is_plain_name;
use super::{NewFile, SourceContext, input, space};
use crate::local_file;

/// The most bytes of headers before a file, since they are read into memory.
const MOST_HEADERS: u64 = 1 << 20;

/// The largest file that is taken out of a bundle, in bytes: a base image.
const LARGEST: u64 = 16 << 30;

/// Where the lock is in a bundle.
const LOCK: &str = "hcimage.lock";

/// Writes a bundle of `entries` and the text of the lock as the file `out`, whose directory has room for it. Returns its size in
/// bytes.
pub(crate) fn write(cx: &SourceContext<'_>, entries: &[CacheEntry], lock: &str, out: &Path) -> Result<u64> {
    let dir = out.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let total = entries.iter().fold(0_u64, |total, entry| total.saturating_add(entry.size));
    let what = format!("writing {}", file_name(out));
    space::require(dir, total, &what)?;
    let task = cx.progress.start(&what, Some(total));
    let file =
        tempfile::Builder::new().prefix(".hcimage-bundle").tempfile_in(dir).context("writing in", dir)?;
    let mut tar = Builder::new(BufWriter::with_capacity(1 << 20, file.as_file()));
    let mut add = |name: &str, size: u64, data: &mut dyn Read| tar.append_data(&mut header(size), name, data);
    add(LOCK, length(lock.as_bytes()), &mut lock.as_bytes()).context("writing", out)?;
    let mut sorted: Vec<(String, &CacheEntry)> =
        entries.iter().filter_map(|entry| Some((path_in_bundle(entry)?, entry))).collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, entry) in sorted {
        cx.interrupt.check()?;
        let mut data = local_file::open(entry.path()).context("opening", entry.path())?;
        let size = data.metadata().context("looking at", entry.path())?.len();
        add(&name, size, &mut data).context("writing", out)?;
        task.advance(entry.size);
    }
    tar.into_inner().and_then(|mut written| written.flush()).context("writing", out)?;
    file.as_file().sync_all().context("syncing", out)?;
    let size = file.as_file().metadata().context("looking at", out)?.len();
    file.persist(out).map_err(|error| error.error).context("renaming to", out)?;
    super::cache::sync_dir(dir).context("syncing the directory of", out)?;
    task.done();
    Ok(size)
}

/// Takes the files of a bundle into the cache. Returns how many were new there.
pub(crate) fn import(cx: &SourceContext<'_>, bundle: &Path) -> Result<usize> {
    let damaged = |error: io::Error| SourceError::BadRecord {
        file: bundle.display().to_string(),
        problem: format!("the bundle is damaged: {error}; copy it again"),
    };
    let file = local_file::open(bundle).context("opening the bundle", bundle)?;
    let size = file.metadata().context("looking at", bundle)?.len();
    let task = cx.progress.start(&format!("reading {}", file_name(bundle)), Some(size));
    let gate = Gate::default();
    let mut archive = Archive::new(Bounded::new(BufReader::with_capacity(1 << 20, file), &gate));
    gate.allow(MOST_HEADERS);
    let (mut taken, mut seen) = (0, 0_usize);
    for entry in archive.entries_with_seek().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        cx.interrupt.check()?;
        let size = entry.size();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if let (EntryType::Regular, Some((digest, name))) = (entry.header().entry_type(), parts(&name)) {
            seen += 1;
            if size > LARGEST {
                return Err(damaged(io::Error::other(format!("{name} has {size} bytes"))));
            }
            if input::kept(cx, digest, name, Some(size))?.is_none() {
                gate.allow(u64::MAX);
                take(cx, bundle, digest, name, size, &mut entry)?;
                taken += 1;
            }
        }
        task.advance(size);
        gate.allow(MOST_HEADERS);
    }
    if seen == 0 {
        return Err(damaged(io::Error::other("there is no input in it: `hcimage vendor` writes bundles")));
    }
    task.done();
    Ok(taken)
}

fn take(
    cx: &SourceContext<'_>,
    bundle: &Path,
    digest: Sha256Digest,
    name: &str,
    size: u64,
    data: &mut dyn Read,
) -> Result<()> {
    let wrong = |problem: String| SourceError::BadRecord { file: bundle.display().to_string(), problem };
    let mut file = NewFile::create(cx, name, size, "reading the bundle")?;
    let copied = io::copy(data, &mut file)
        .map_err(|error| wrong(format!("{name}: {error}; copy the bundle again")))?;
    if copied != size {
        return Err(wrong(format!("it ends in the middle of {name}: copy it again")));
    }
    let actual = file.digest_so_far();
    if actual != digest {
        return Err(wrong(format!("{name} has SHA-256 {actual}, expected {digest}: copy the bundle again")));
    }
    file.keep(cx).map(drop)
}

/// Digest and name of a file; none for the lock and for what is none of a bundle.
fn parts(path: &str) -> Option<(Sha256Digest, &str)> {
    let (digest, name) = path.strip_prefix("files/")?.split_once('/')?;
    let is_plain = is_plain_name(name) && !name.ends_with(".verified");
    Some((digest.parse().ok()?, name)).filter(|_| is_plain)
}

fn path_in_bundle(entry: &CacheEntry) -> Option<String> {
    match entry.kind {
        Kind::File(digest) => Some(format!("files/{digest}/{}", entry.name)),
        Kind::Unpacked(_) | Kind::Incomplete => None,
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Of nobody, at no time: the same on every machine. Larger than 8 GiB takes GNU's own form of a size.
fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_with_a_digest_and_a_plain_name_are_taken() {
        let digest = Sha256Digest::of(b"x");
        assert_eq!(parts(&format!("files/{digest}/k3s-arm64")), Some((digest, "k3s-arm64")));
        for bad in [
            "hcimage.lock".to_owned(),
            "files/abc/x".to_owned(),
            format!("files/{digest}"),
            format!("files/{digest}/"),
            format!("files/{digest}/../x"),
            format!("files/{digest}/.."),
            format!("files/{digest}/a/b"),
            format!("files/{digest}/x.verified"),
            format!("../files/{digest}/x"),
        ] {
            assert_eq!(parts(&bad), None, "{bad}");
        }
    }
}
