//! Charts of a repository: `index.yaml`, and the file that it names.

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap};

use crate::images::Login;
use crate::source::digest::Sha256Digest;
use crate::source::expected::ExpectedDigest;
use crate::source::input::{self, CachedFile, Published};
use crate::source::lock::{Lock, LockedInput};
use crate::source::url::SourceUrl;
use crate::source::{SourceContext, SourceError};

use super::error::{ChartError, Result};
use super::index;
use super::package::{self, Package};
use super::{LARGEST, Obtained, Repository};

/// The longest index in bytes. The largest known have 25 megabytes.
const INDEX_LIMIT: u64 = 32 << 20;

/// The packed chart, as locked or as the repository has it now. `key` is its entry in the lock.
pub(super) fn obtain(
    cx: &SourceContext<'_>,
    lock: &mut Lock,
    release: &str,
    key: &str,
    repository: &Repository,
) -> Result<(Obtained, Package)> {
    let of = ChartError::of(release);
    let fetcher = match &repository.ca {
        Some(ca) => cx.fetcher.with_root(ca).map_err(&of)?,
        None => cx.fetcher.clone(),
    };
    let cx = &SourceContext { fetcher: &fetcher, ..*cx };
    let asked = repository.url.below("index.yaml");
    let locked = lock.input(key).cloned();
    let CachedFile { path, url, size, sha256 } = match &locked {
        Some(locked) if locked.asked == asked => {
            fetch(cx, repository, &locked.url, locked.sha256, Some(locked.size))
                .map_err(|error| of(input::as_mismatch(error, lock, key)))?
        }
        Some(locked) => {
            let file = fetch_listed(cx, release, repository, &asked)?;
            if file.sha256 != locked.sha256 {
                return Err(of(lock.mismatch(key, "sha256", &locked.sha256, &file.sha256)));
            }
            file
        }
        None => fetch_listed(cx, release, repository, &asked)?,
    };
    // Only the chart that was asked for is pinned.
    let package = package::read(release, &path)?;
    package.expect(release, &repository.chart, &repository.version)?;
    if locked.is_none() {
        cx.progress.message(&format!(
            "chart {release}: on first use its SHA-256 is what {} says over TLS; {} pins it from now on",
            asked.host(),
            lock.path().display()
        ));
        lock.record(key, LockedInput { asked: asked.clone(), url, size, sha256 }).map_err(&of)?;
    }
    let promised_by = if locked.is_some() { "the lock file".to_owned() } else { asked.to_string() };
    Ok((Obtained { path, size, sha256, promised_by }, package))
}

/// The file that the index names now.
fn fetch_listed(
    cx: &SourceContext<'_>,
    release: &str,
    repository: &Repository,
    asked: &SourceUrl,
) -> Result<CachedFile> {
    let of = ChartError::of(release);
    cx.progress.message(&format!("asking {} for chart {}", asked.host(), repository.chart));
    let text = get(cx, repository, asked, INDEX_LIMIT).map_err(&of)?;
    let text = String::from_utf8(text)
        .map_err(|_| ChartError::invalid(release, format!("{asked} is not UTF-8 text")))?;
    let listed = index::find(&text, &repository.chart, &repository.version)
        .map_err(|problem| ChartError::invalid(release, format!("{asked}: {problem}")))?;
    let url = asked.joined(&listed.url).map_err(&of)?;
    let file = match listed.sha256 {
        Some(sha256) => fetch(cx, repository, &url, sha256, None),
        None => fetch_unknown(cx, repository, url),
    };
    file.map_err(of)
}

fn fetch(
    cx: &SourceContext<'_>,
    repository: &Repository,
    url: &SourceUrl,
    sha256: Sha256Digest,
    size: Option<u64>,
) -> crate::source::Result<CachedFile> {
    let published = Published {
        headers: headers(repository, url),
        name: Some(name(repository)),
        ..Published::new(url.clone(), ExpectedDigest::Sha256(sha256), repository.url.to_string())
    };
    input::obtain_published(cx, &published, size, LARGEST).map_err(|error| explained(error, repository, url))
}

/// A file whose digest the repository does not say: what comes over TLS this time is pinned.
fn fetch_unknown(
    cx: &SourceContext<'_>,
    repository: &Repository,
    url: SourceUrl,
) -> crate::source::Result<CachedFile> {
    let bytes = get(cx, repository, &url, LARGEST)?;
    let (path, size, sha256) = input::keep(cx, &name(repository), &bytes)?;
    Ok(CachedFile { path, url, size, sha256 })
}

fn get(
    cx: &SourceContext<'_>,
    repository: &Repository,
    url: &SourceUrl,
    limit: u64,
) -> crate::source::Result<Vec<u8>> {
    let answer = cx.fetcher.ask(url, &headers(repository, url), limit, cx.interrupt)?;
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        status => Err(explained(SourceError::Status { url: url.to_string(), status }, repository, url)),
    }
}

/// What a refusal means for who wrote the cluster file.
fn explained(error: SourceError, repository: &Repository, url: &SourceUrl) -> SourceError {
    let SourceError::Status { status, .. } = &error else { return error };
    let problem = match *status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
            "the server does not give it out ({status}): set `auth` of the chart, with `username` and `password`{}",
            if repository.credentials.is_some() { ", to those of this repository" } else { "" }
        ),
        StatusCode::NOT_FOUND => {
            format!("there is no such file ({status}): check `repo`, `chart` and `version`")
        }
        _ => return error,
    };
    SourceError::BadAnswer { url: url.to_string(), problem }
}

/// What the file is called in the cache.
fn name(repository: &Repository) -> String {
    format!("{}-{}.tgz", repository.chart, repository.version)
}

/// Credentials go to the server of the repository only: its index may name files anywhere.
fn headers(repository: &Repository, url: &SourceUrl) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let credentials = repository.credentials.as_ref().filter(|_| url.is_same_server(&repository.url));
    if let Some(value) = credentials.and_then(Login::basic) {
        headers.insert(AUTHORIZATION, value);
    }
    headers
}
