//! The base image: a local file or a publisher's address, verified and unpacked once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

use super::cache::{Cache, CacheLock};
use super::checksum_file::FileDigest;
use super::digest::Sha256Digest;
use super::error::{IoContext, Result, SourceError, Wrong, file_name};
use super::expected::ExpectedDigest;
use super::input::{self, Published, digest_file, read_checksums};
use super::lock::Lock;
use super::unpack::{Format, Wanted, unpack};
use super::url::SourceUrl;
use super::{SourceContext, cache, private, publisher, record};
use crate::local_file;
use crate::openpgp::Keyring;

/// Where a base image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseSource {
    /// A local file: a raw or qcow2 image, or one packed with xz, gzip, zstd, tar or zip. If a checksum file
    /// `<name>.sha256` is beside it, it must match.
    File(PathBuf),
    /// A publisher's address. It may redirect, as Raspberry Pi's "latest" does. `<address>.sha256`, or `SHA256SUMS` or
    /// `SHA512SUMS` in the same directory, is required and must match.
    Url(SourceUrl),
}

/// The largest packed image that is fetched, in bytes.
const LARGEST: u64 = 16 << 30;

/// A raw base image for reading. It must not be written: an unpacked one is shared through the cache, or removed with the
/// last clone of this where it must not be kept.
#[derive(Debug, Clone)]
pub struct UnpackedBase {
    /// The raw image.
    pub image: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The publisher's file name, such as `2026-06-18-raspios-trixie-arm64-lite.img.xz`: it contains date, release and
    /// architecture.
    pub name: String,
    /// Digest of the file as given or fetched. `None` for a raw image without a checksum file: hashing it would take
    /// longer than the build.
    pub sha256: Option<Sha256Digest>,
    /// Where it was fetched from.
    pub url: Option<SourceUrl>,
    _unkept: Option<Arc<Unkept>>,
}

/// An unpacked image that is not kept in the cache. Others wait meanwhile, so that nobody takes it for left over.
#[derive(Debug)]
struct Unkept {
    _path: TempPath,
    _lock: CacheLock,
}

/// An unpacked image, its size, and what removes it.
type Unpacked = (PathBuf, u64, Option<Arc<Unkept>>);

/// Obtains the base image. `lock_name` is its entry in the lock file, such as `base.cm4`; local files are not locked.
/// Where there are keys, or its publisher is known to sign, the checksum file must be signed.
pub fn obtain(
    cx: &SourceContext<'_>,
    source: &BaseSource,
    keys: Option<&Keyring>,
    lock_name: &str,
    lock: &mut Lock,
) -> Result<UnpackedBase> {
    match source {
        BaseSource::File(path) => obtain_file(cx, path),
        BaseSource::Url(url) => from_url(cx, url, keys, lock_name, lock),
    }
}

/// Whether a local image must be unpacked before it can be read.
pub fn is_packed(path: &Path) -> Result<bool> {
    Ok(Format::of_file(path)? != Format::Raw)
}

/// The same for a local file, which is not locked.
pub fn obtain_file(cx: &SourceContext<'_>, path: &Path) -> Result<UnpackedBase> {
    let file = local_file::open(path).context("opening the base image", path)?;
    let length = file.metadata().context("opening the base image", path)?.len();
    let format = Format::of_file(path)?;
    let name = file_name(path);
    let promise = promised_beside(path, &name)?;
    let sha256 = if format == Format::Raw && promise.is_none() { None } else { Some(digest_file(cx, path)?) };
    if let (Some(promise), Some(actual)) = (promise, sha256) {
        promise.verify(path, actual)?;
    }
    let (image, size, _unkept) = match sha256.filter(|_| format != Format::Raw) {
        Some(sha256) => unpack_once(cx, path, format, sha256, Wanted::Image)?,
        None => (path.to_owned(), length, None),
    };
    Ok(UnpackedBase { image, size, name, sha256, url: None, _unkept })
}

/// The bytes of a file that may be packed with xz, gzip or zstd.
#[derive(Debug, Clone)]
pub(crate) struct UnpackedStream {
    path: PathBuf,
    /// An unpacked copy is removed with the last of these.
    _unkept: Option<Arc<Unkept>>,
}

impl UnpackedStream {
    /// Where they are.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Unpacks a local file where that is needed: what was packed, whatever it is.
pub(crate) fn unpack_stream(cx: &SourceContext<'_>, path: &Path) -> Result<UnpackedStream> {
    match Format::of_file(path)? {
        format @ (Format::Xz | Format::Gzip | Format::Zstd) => {
            let sha256 = digest_file(cx, path)?;
            let (path, _, _unkept) = unpack_once(cx, path, format, sha256, Wanted::Stream)?;
            Ok(UnpackedStream { path, _unkept })
        }
        _ => Ok(UnpackedStream { path: path.to_owned(), _unkept: None }),
    }
}

/// A digest and its source.
struct Promise {
    sha256: Sha256Digest,
    by: PathBuf,
}

impl Promise {
    fn verify(&self, file: &Path, actual: Sha256Digest) -> Result<()> {
        if self.sha256 == actual {
            return Ok(());
        }
        Err(SourceError::WrongDigest(Box::new(Wrong {
            file: file.display().to_string(),
            actual: ExpectedDigest::Sha256(actual),
            expected: ExpectedDigest::Sha256(self.sha256),
            promised_by: self.by.display().to_string(),
            hint: "fetch the file again",
        })))
    }
}

/// The digest in a checksum file beside a local file. A missing checksum file is not an error: the user trusts the file.
fn promised_beside(path: &Path, name: &str) -> Result<Option<Promise>> {
    let by = path.with_file_name(format!("{name}.sha256"));
    if !by.exists() {
        return Ok(None);
    }
    let sha256 = read_checksums(&by)?.digest_of(name).map_err(|e| input::bad_checksums(by.display(), &e))?;
    Ok(Some(Promise { sha256, by }))
}

fn from_url(
    cx: &SourceContext<'_>,
    asked: &SourceUrl,
    keys: Option<&Keyring>,
    lock_name: &str,
    lock: &mut Lock,
) -> Result<UnpackedBase> {
    let file = input::obtain(cx, lock, lock_name, asked, LARGEST, || published(cx, asked, keys))?;
    let name = file.url.file_name()?;
    let (image, size, _unkept) = match Format::of_file(&file.path)? {
        Format::Raw => (file.path, file.size, None),
        format => unpack_once(cx, &file.path, format, file.sha256, Wanted::Image)?,
    };
    Ok(UnpackedBase { image, size, name, sha256: Some(file.sha256), url: Some(file.url), _unkept })
}

/// The current target of the address and its digest in the publisher's checksum file.
fn published(cx: &SourceContext<'_>, asked: &SourceUrl, keys: Option<&Keyring>) -> Result<Published> {
    let end = cx.fetcher.resolve(asked, cx.interrupt)?;
    // An address with a query is usually signed and valid for minutes only: useless in a lock file.
    let url = if end.has_query() { asked.clone() } else { end };
    let name = url.file_name()?;
    let known = publisher::keys_of(&url)?;
    let keys = keys.or(known.as_ref());
    for by in [url.beside(".sha256"), url.sibling("SHA256SUMS")] {
        if let Some((sha256, signed_by)) = listed(cx, &by, &name, keys)? {
            let published = Published::new(url, ExpectedDigest::Sha256(sha256), by.to_string());
            return Ok(Published { signed_by, ..published });
        }
    }
    let by = url.sibling("SHA512SUMS");
    match listed(cx, &by, &name, keys)? {
        Some((sha512, signed_by)) => {
            let published = Published::new(url, ExpectedDigest::Sha512(sha512), by.to_string());
            Ok(Published { signed_by, ..published })
        }
        None => Err(no_checksum(&url)),
    }
}

/// The digest of a file in the checksum file at `by`, and the key that signed it, where there must be one; none where there is
/// no such checksum file.
fn listed<D: FileDigest>(
    cx: &SourceContext<'_>,
    by: &SourceUrl,
    name: &str,
    keys: Option<&Keyring>,
) -> Result<Option<(D, Option<String>)>> {
    let text = match input::fetch_checksums(cx, by) {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let signed_by = keys.map(|keys| publisher::verify(cx, by, &text, keys)).transpose()?;
    let digest = input::parse_checksums::<D>(by, &text)?.digest_of(name);
    digest.map(|digest| Some((digest, signed_by))).map_err(|error| input::bad_checksums(by, &error))
}

fn no_checksum(url: &SourceUrl) -> SourceError {
    SourceError::BadRecord {
        file: url.to_string(),
        problem: "cannot verify the file: the publisher has none of .sha256, SHA256SUMS and SHA512SUMS beside it; download \
                  and verify it yourself, and use the local file as base"
            .into(),
    }
}

/// The unpacked image in the cache. Its name has the digest of the packed file and the size of the image.
fn unpack_once(
    cx: &SourceContext<'_>,
    packed: &Path,
    format: Format,
    sha256: Sha256Digest,
    wanted: Wanted,
) -> Result<Unpacked> {
    let images = cx.cache.images();
    let lock = cx.cache.lock(&format!("{sha256}.img"), cx.progress, cx.interrupt)?;
    if wanted == Wanted::Image
        && let Some((image, size)) = find_unpacked(&images, &sha256)?
    {
        return Ok((image, size, None));
    }
    // A fixed name, so that the remains of a power cut are overwritten. The lock excludes other processes.
    let temporary = TempPath::try_from_path(images.join(format!("{sha256}.unpacking")))
        .context("making a name in", &images)?;
    let target = private::create(&temporary)?;
    let size = unpack(cx, packed, format, wanted, &target, &images)?;
    if wanted == Wanted::Stream || !(cx.may_keep)(&temporary) {
        let image = temporary.to_path_buf();
        return Ok((image, size, Some(Arc::new(Unkept { _path: temporary, _lock: lock }))));
    }
    target.sync_all().context("syncing", &temporary)?;
    private::make_read_only(&target).context("protecting", &temporary)?;
    let image = images.join(format!("{sha256}.{size}.img"));
    temporary.persist(&image).map_err(|e| e.error).context("renaming to", &image)?;
    cache::sync_dir(&images).context("syncing", &images)?;
    record::write(&image, &target, &sha256)?;
    Ok((image, size, None))
}

/// An image that has not changed since it was unpacked. Any other is removed: nothing says what its bytes should be.
fn find_unpacked(images: &Path, sha256: &Sha256Digest) -> Result<Option<(PathBuf, u64)>> {
    let entries = match std::fs::read_dir(images) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).context("reading the directory", images),
    };
    for entry in entries {
        let entry = entry.context("reading the directory", images)?;
        let Some(size) = size_in_name(&entry.file_name().to_string_lossy(), sha256) else { continue };
        let path = entry.path();
        let unchanged = Cache::unchanged(&path, sha256).ok().flatten();
        let length = unchanged.map(|file| file.metadata()).transpose().context("looking at", &path)?;
        if length.is_some_and(|found| found.len() == size) {
            return Ok(Some((path, size)));
        }
        record::remove(&path)?;
    }
    Ok(None)
}

fn size_in_name(name: &str, sha256: &Sha256Digest) -> Option<u64> {
    name.strip_prefix(&sha256.to_string())?.strip_prefix('.')?.strip_suffix(".img")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_an_unpacked_image_has_its_size() {
        let digest = Sha256Digest::of(b"x");
        assert_eq!(size_in_name(&format!("{digest}.4096.img"), &digest), Some(4096));
        for other in [
            format!("{digest}.unpacking"),
            format!("{digest}.img"),
            format!("{digest}.x.img"),
            "4096.img".into(),
        ] {
            assert_eq!(size_in_name(&other, &digest), None, "{other}");
        }
        assert_eq!(size_in_name(&format!("{digest}.4096.img"), &Sha256Digest::of(b"y")), None);
    }
}
