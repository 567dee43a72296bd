//! One external input: from the cache or the network, verified, and matching the lock file.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::checksum_file::{ChecksumError, ChecksumFile, FileDigest};
use super::digest::Sha256Digest;
use super::error::{IoContext, Result, SourceError};
use super::expected::ExpectedDigest;
use super::fetch::DownloadSpec;
use super::lock::{Lock, LockedInput};
use super::url::SourceUrl;
use super::{NewFile, SourceContext, cache, private, record};
use crate::local_file;
use crate::progress::Task;

/// The size limit of checksum files: Ubuntu's has a few kilobytes.
const CHECKSUM_LIMIT: u64 = 1 << 20;

/// A verified file in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CachedFile {
    pub(crate) path: PathBuf,
    pub(crate) url: SourceUrl,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
}

/// The publisher's current version of the input.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    /// The address of the bytes.
    pub(crate) url: SourceUrl,
    pub(crate) digest: ExpectedDigest,
    /// The source of the checksum.
    pub(crate) promised_by: String,
    /// More headers of the request.
    pub(crate) headers: HeaderMap,
    /// What the file is called in the cache; none takes the name in the address.
    pub(crate) name: Option<String>,
    /// The key that signed the checksum.
    pub(crate) signed_by: Option<String>,
}

impl Published {
    /// A file under its own name, which anybody may have.
    pub(crate) fn new(url: SourceUrl, digest: ExpectedDigest, promised_by: String) -> Self {
        Self { url, digest, promised_by, headers: HeaderMap::new(), name: None, signed_by: None }
    }
}

/// The input `name`, of at most `limit` bytes, from the address `asked`. A locked input is used as locked, without a request to the publisher; a
/// lock entry for another address is valid only if the publisher at `asked` gives the same digest.
pub(crate) fn obtain(
    cx: &SourceContext<'_>,
    lock: &mut Lock,
    name: &str,
    asked: &SourceUrl,
    limit: u64,
    published: impl FnOnce() -> Result<Published>,
) -> Result<CachedFile> {
    let file = obtain_unsaid(cx, lock, name, asked, limit, published)?;
    if file.url.host() != asked.host() {
        cx.progress.message(&format!(
            "warning: {name} comes from {}, and not from {} where it was asked for; if you do not trust that, remove its \
             entry from {}",
            file.url.host(),
            asked.host(),
            lock.path().display()
        ));
    }
    Ok(file)
}

fn obtain_unsaid(
    cx: &SourceContext<'_>,
    lock: &mut Lock,
    name: &str,
    asked: &SourceUrl,
    limit: u64,
    published: impl FnOnce() -> Result<Published>,
) -> Result<CachedFile> {
    let Some(locked) = lock.input(name).cloned() else {
        let source = published()?;
        let file = obtain_published(cx, &source, None, limit)?;
        let signed = match &source.signed_by {
            Some(key) => format!("signed by the publisher's key {key}"),
            None => "without a signature".to_owned(),
        };
        cx.progress.message(&format!(
            "{name}: on first use its digest is what {} says, {signed}; {} pins it from now on",
            source.promised_by,
            lock.path().display()
        ));
        let (url, size, sha256) = (file.url.clone(), file.size, file.sha256);
        lock.record(name, LockedInput { asked: asked.clone(), url, size, sha256 })?;
        return Ok(file);
    };
    let pinned = ExpectedDigest::Sha256(locked.sha256);
    let mut source = Published::new(locked.url, pinned, "the lock file".into());
    if locked.asked != *asked {
        source = published()?;
    }
    let differs = |found: &Sha256Digest| Err(lock.mismatch(name, "sha256", &locked.sha256, found));
    match source.digest.sha256() {
        Some(found) if found != locked.sha256 => return differs(&found),
        _ => {}
    }
    let file = obtain_published(cx, &source, Some(locked.size), limit)
        .map_err(|error| as_mismatch(error, lock, name))?;
    if file.sha256 == locked.sha256 { Ok(file) } else { differs(&file.sha256) }
}

/// Reports bytes that do not match the lock as a lock mismatch, with the way to change the lock.
pub(crate) fn as_mismatch(error: SourceError, lock: &Lock, name: &str) -> SourceError {
    match error {
        SourceError::WrongDigest(wrong) => lock.mismatch(name, "sha256", &wrong.expected, &wrong.actual),
        SourceError::WrongSize(wrong) => lock.mismatch(name, "size", &wrong.expected, &wrong.actual),
        SourceError::Status { url, status: StatusCode::NOT_FOUND } => {
            let lock = lock.path().display();
            let problem = format!(
                "the file is gone from the server (404); to use its current version, remove the entry \"{name}\" from {lock}"
            );
            SourceError::BadAnswer { url, problem }
        }
        other => other,
    }
}

/// A file whose digest is known: from the cache, or fetched.
pub(crate) fn obtain_published(
    cx: &SourceContext<'_>,
    source: &Published,
    size: Option<u64>,
    limit: u64,
) -> Result<CachedFile> {
    let file_name = source.name.clone().map_or_else(|| source.url.file_name(), Ok)?;
    let key = match source.digest {
        ExpectedDigest::Sha256(digest) => digest.to_string(),
        ExpectedDigest::Sha512(digest) => digest.to_string(),
    };
    let _lock = cx.cache.lock(&key, cx.progress, cx.interrupt)?;
    let found = |path, size, sha256| CachedFile { path, url: source.url.clone(), size, sha256 };
    // By another digest than its own nothing is found in the cache.
    if let Some(sha256) = source.digest.sha256() {
        let path = cx.cache.file(&sha256, &file_name);
        if let Some(size) = intact(cx, &path, sha256, size)? {
            return Ok(found(path, size, sha256));
        }
        record::remove(&path)?;
    }
    let Published { url, digest, promised_by, headers, name, .. } = source;
    let shown = match name {
        // A name of the cache alone says nothing.
        Some(name) => format!("{name} {}", key.get(..12).unwrap_or_default()),
        None => file_name.clone(),
    };
    let wanted = DownloadSpec { url, digest: *digest, size, limit, promised_by, headers, shown: &shown };
    let partial = cx.cache.partial(url, &file_name);
    let (partial, size, sha256) = cx.fetcher.download(&wanted, &partial, cx.progress, cx.interrupt)?;
    let path = cx.cache.file(&sha256, &file_name);
    cache::publish(&partial, &path, &sha256)?;
    Ok(found(path, size, sha256))
}

/// A file in the cache, if it is there with the right bytes, and its size.
pub(crate) fn kept(
    cx: &SourceContext<'_>,
    sha256: Sha256Digest,
    name: &str,
    size: Option<u64>,
) -> Result<Option<(PathBuf, u64)>> {
    let path = cx.cache.file(&sha256, name);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let _lock = cx.cache.lock(&sha256.to_string(), cx.progress, cx.interrupt)?;
    Ok(intact(cx, &path, sha256, size)?.map(|size| (path, size)))
}

/// Keeps a small file in the cache. Returns its path, size and digest.
pub(crate) fn keep(cx: &SourceContext<'_>, name: &str, bytes: &[u8]) -> Result<(PathBuf, u64, Sha256Digest)> {
    let mut file = NewFile::create(cx, name, bytes.len() as u64, "keeping a file")?;
    file.write_all(bytes).map_err(|source| SourceError::Io { what: format!("writing {name}"), source })?;
    file.keep(cx)
}

/// The size of the file in the cache, if it is there with the right bytes. They are hashed where it is not as it was when
/// they were last.
fn intact(
    cx: &SourceContext<'_>,
    path: &Path,
    sha256: Sha256Digest,
    size: Option<u64>,
) -> Result<Option<u64>> {
    let Some(file) = private::open(path)? else { return Ok(None) };
    let length = file.metadata().context("looking at", path)?.len();
    if size.is_some_and(|size| size != length) {
        return Ok(None);
    }
    if record::holds(path, &file, &sha256)? {
        return Ok(Some(length));
    }
    if digest_file(cx, path)? != sha256 {
        cx.progress.message(&format!("{} is damaged: it is fetched again", path.display()));
        return Ok(None);
    }
    private::make_read_only(&file).context("protecting", path)?;
    record::write(path, &file, &sha256)?;
    Ok(Some(length))
}

/// The digest of a local file, with progress.
pub(crate) fn digest_file(cx: &SourceContext<'_>, path: &Path) -> Result<Sha256Digest> {
    let size = path.metadata().context("looking at", path)?.len();
    let task =
        cx.progress.start(&format!("computing the SHA-256 of {}", super::error::file_name(path)), Some(size));
    let (digest, _) = digest_part(cx, path, task.as_ref())?;
    task.done();
    Ok(digest)
}

/// Digest and size of a local file, which is one of those that a task reads.
pub(crate) fn digest_part(
    cx: &SourceContext<'_>,
    path: &Path,
    task: &dyn Task,
) -> Result<(Sha256Digest, u64)> {
    let file = local_file::open(path).context("opening", path)?;
    let size = file.metadata().context("looking at", path)?.len();
    // A file that grows is not read without end.
    let file = file.take(size.saturating_add(1));
    let digest = Sha256Digest::of_reader::<DigestStop>(file, |n| {
        task.advance(n);
        Ok(cx.interrupt.check()?)
    });
    match digest {
        Ok(digest) => Ok((digest, size)),
        Err(DigestStop::Io(e)) => Err(e).context("reading", path),
        Err(DigestStop::Interrupted(e)) => Err(e.into()),
    }
}

/// Why the hashing of a file ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DigestStop {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Interrupted(#[from] crate::interrupt::Interrupted),
}

/// Fetches the text of a checksum file.
pub(crate) fn fetch_checksums(cx: &SourceContext<'_>, url: &SourceUrl) -> Result<String> {
    cx.fetcher.text(url, CHECKSUM_LIMIT, cx.interrupt)
}

/// Reads the text of the checksum file at `url`.
pub(crate) fn parse_checksums<D: FileDigest>(url: &SourceUrl, text: &str) -> Result<ChecksumFile<D>> {
    ChecksumFile::parse(text).map_err(|e| bad_checksums(url, &e))
}

/// Reads a local checksum file.
pub(crate) fn read_checksums(path: &Path) -> Result<ChecksumFile> {
    let text = local_file::read_text(path, CHECKSUM_LIMIT).context("reading", path)?;
    ChecksumFile::parse(&text).map_err(|e| bad_checksums(path.display(), &e))
}

/// The error for an unusable checksum file.
pub(crate) fn bad_checksums(file: impl std::fmt::Display, error: &ChecksumError) -> SourceError {
    SourceError::BadRecord { file: file.to_string(), problem: error.to_string() }
}
