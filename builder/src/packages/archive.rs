//! An archive of packages: its signed index, its lists and its packages, fetched.
//!
//! The signature vouches for all, down to the package, by digests: so an archive may be asked without TLS, as apt does.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use reqwest::StatusCode;

use crate::formats::deb822;
use crate::local_file;
use crate::source::bounded::{Bounded, Gate};
use crate::source::expected::ExpectedDigest;
use crate::source::input::{self, CachedFile, Published};
use crate::source::url::SourceUrl;
use crate::source::{Format, SourceContext, SourceError, decoder};

use super::apt_base::SignedSource;
use super::error::{PackageError, Result};
use super::release::{Listed, Release};
use super::universe::{Origin, Package, Universe};

/// The longest index of a suite in bytes: Debian's has 150 kilobytes.
const INRELEASE_LIMIT: u64 = 4 << 20;
/// The longest packed list in bytes: Debian's largest has 9 megabytes, Ubuntu's 20.
const LIST_LIMIT: u64 = 128 << 20;
/// The longest unpacked list in bytes.
const UNPACKED_LIMIT: u64 = 512 << 20;
/// The longest paragraph in bytes.
const PARAGRAPH_LIMIT: u64 = 1 << 20;

/// A suite whose index is signed by a key that the base trusts.
pub(super) struct Suite<'a> {
    board: &'a str,
    signed: &'a SignedSource,
    /// The archive's address.
    pub(super) url: SourceUrl,
    /// The suite's directory.
    dir: SourceUrl,
    pub(super) release: Release,
}

impl<'a> Suite<'a> {
    /// Fetches and verifies the index. `now` is in seconds since 1970.
    pub(super) fn open(
        cx: &SourceContext<'_>,
        board: &'a str,
        signed: &'a SignedSource,
        now: i64,
    ) -> Result<Self> {
        let of = PackageError::of(board);
        let source = &signed.source;
        let url = SourceUrl::signed(&source.uri).map_err(&of)?;
        // A suite that ends in a slash is a directory of the archive, and has no components.
        let dir = match source.suite.strip_suffix('/') {
            Some(flat) => flat
                .split('/')
                .filter(|part| !matches!(*part, "" | "."))
                .fold(url.clone(), |at, part| at.below(part)),
            None => url.below("dists").below_path(&source.suite),
        };
        let at = dir.below("InRelease");
        let invalid =
            |problem: String| PackageError::invalid(board, format!("{at}: {problem} ({})", source.place));
        if signed.keys.is_empty() {
            return Err(invalid(
                "the base has no key for it that can be read, so nothing of it can be trusted; remove the source from the base, \
                 or add its key"
                    .to_owned(),
            ));
        }
        cx.progress.message(&format!("asking {} for {} of {board}", at.host(), source.suite));
        let text = match cx.fetcher.text(&at, INRELEASE_LIMIT, cx.interrupt) {
            Ok(text) => signed.keys.verify_inline(&text, now).map_err(|error| invalid(error.to_string()))?,
            Err(error) if error.is_not_found() => {
                // The older way: a text, and a signature in a file of its own.
                let text = cx.fetcher.text(&dir.below("Release"), INRELEASE_LIMIT, cx.interrupt);
                let text = text.map_err(|error| of(explained(error)))?;
                let signature = cx.fetcher.text(&dir.below("Release.gpg"), INRELEASE_LIMIT, cx.interrupt);
                let signature = signature.map_err(|error| of(explained(error)))?;
                let verified = signed.keys.verify_detached(text.as_bytes(), signature.as_bytes(), now);
                verified.map_err(|error| invalid(error.to_string()))?;
                text
            }
            Err(error) => return Err(of(error)),
        };
        let release = Release::parse(&text).map_err(invalid)?;
        release.is_of(&source.suite).map_err(invalid)?;
        Ok(Self { board, signed, url, dir, release })
    }

    /// What the suite is called in the lock.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.url, self.signed.source.suite)
    }

    /// It is no old one that somebody serves again.
    pub(super) fn is_current(&self, now: i64, seen: Option<i64>) -> Result<()> {
        let fail = |problem| {
            PackageError::invalid(self.board, format!("{}: {problem}", self.dir.below("InRelease")))
        };
        self.release.is_current(now, seen).map_err(fail)
    }

    /// Takes the packages of all its components into `universe`; `place` is its place among the sources.
    pub(super) fn read_into(
        &self,
        cx: &SourceContext<'_>,
        universe: &mut Universe,
        place: usize,
    ) -> Result<()> {
        if self.release.is_not_automatic {
            return Ok(());
        }
        let source = &self.signed.source;
        let lists: Vec<(String, Listed)> = if source.suite.ends_with('/') {
            self.release.flat_list().into_iter().collect()
        } else {
            source
                .components
                .iter()
                .flat_map(|component| self.release.lists(component, &universe.arch))
                .collect()
        };
        for (name, listed) in lists {
            let file = self.fetch_list(cx, &name, listed)?;
            self.read_list(&file, &name, universe, place)
                .map_err(|problem| PackageError::invalid(self.board, format!("{}: {problem}", file.url)))?;
        }
        Ok(())
    }

    /// By its digest where the archive has that: its name may lead to a newer list by now.
    fn fetch_list(&self, cx: &SourceContext<'_>, name: &str, listed: Listed) -> Result<CachedFile> {
        let plain = self.dir.below_path(name);
        let short = format!("{}-{}", self.signed.source.suite, name).replace('/', "-");
        let published = |url: SourceUrl| Published {
            name: Some(short.clone()),
            ..Published::new(url, ExpectedDigest::Sha256(listed.sha256), format!("{}/InRelease", self.dir))
        };
        let fetch = |url| input::obtain_published(cx, &published(url), Some(listed.size), LIST_LIMIT);
        let by_hash = plain.sibling("by-hash").below("SHA256").below(&listed.sha256.to_string());
        let fetched = match self.release.by_hash.then(|| fetch(by_hash)) {
            Some(Err(SourceError::Status { status: StatusCode::NOT_FOUND, .. })) | None => fetch(plain),
            Some(fetched) => fetched,
        };
        fetched.map_err(PackageError::of(self.board))
    }

    fn read_list(
        &self,
        file: &CachedFile,
        name: &str,
        universe: &mut Universe,
        place: usize,
    ) -> std::result::Result<(), String> {
        let packed = local_file::open(&file.path).map_err(|error| error.to_string())?;
        let gate = Gate::of(UNPACKED_LIMIT);
        let format = match name.rsplit_once('.') {
            Some((_, "xz")) => Format::Xz,
            Some((_, "gz")) => Format::Gzip,
            _ => Format::Raw,
        };
        let unpacked = decoder(format, BufReader::new(packed)).map_err(|error| error.to_string())?;
        let arch = Arc::clone(&universe.arch);
        for_each_paragraph(BufReader::new(Bounded::new(unpacked, &gate)), |paragraph| {
            let text = |field: &str| paragraph.field(field).map(deb822::Value::text);
            let (Some(filename), Some(size), Some(sha256)) = (text("Filename"), text("Size"), text("SHA256"))
            else {
                return Err("a package has no Filename, Size or SHA256".to_owned());
            };
            let named = || format!("the package {filename:?} is invalid");
            let is_inside = !filename.starts_with('/')
                && filename.split('/').all(|part| part != ".." && !part.is_empty());
            let origin = Origin::Archive {
                archive: place,
                filename: Some(filename.to_owned()).filter(|_| is_inside).ok_or_else(named)?,
                size: size.parse().map_err(|_| named())?,
                sha256: sha256.parse().map_err(|_| named())?,
            };
            universe.extend(Package::of(paragraph, &arch, origin)?);
            Ok(())
        })
    }
}

/// What a refusal means for who wrote the base's sources.
fn explained(error: SourceError) -> SourceError {
    match error {
        SourceError::Status { url, status: StatusCode::NOT_FOUND } => SourceError::BadAnswer {
            url,
            problem: "there is no signed index (404): the suite is gone, or its archive does not sign"
                .to_owned(),
        },
        other => other,
    }
}

fn for_each_paragraph(
    mut text: impl BufRead,
    mut each: impl FnMut(deb822::Paragraph<'_>) -> std::result::Result<(), String>,
) -> std::result::Result<(), String> {
    let mut paragraph = Vec::new();
    loop {
        let start = paragraph.len();
        let room = PARAGRAPH_LIMIT.saturating_sub(start as u64);
        let read =
            (&mut text).take(room).read_until(b'\n', &mut paragraph).map_err(|error| error.to_string())?;
        if room == 0 || (read > 0 && paragraph.last() != Some(&b'\n') && read as u64 == room) {
            return Err(format!("a paragraph has more than {PARAGRAPH_LIMIT} bytes"));
        }
        let is_end = paragraph.get(start..).is_none_or(|line| line.trim_ascii().is_empty());
        if is_end {
            let text = String::from_utf8_lossy(&paragraph);
            if let Some(found) = deb822::paragraphs(&text).next() {
                each(found)?;
            }
            paragraph.clear();
        }
        if read == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_of_a_stream_are_those_of_the_text() {
        let names = |text: &str| {
            let mut names = Vec::new();
            for_each_paragraph(text.as_bytes(), |found| {
                names.push(found.field("Package").unwrap().text().to_owned());
                Ok(())
            })
            .map(|()| names)
        };
        assert_eq!(names("Package: a\n\n\nPackage: b\nX: y\n\nPackage: c").unwrap(), ["a", "b", "c"]);
        assert_eq!(names("").unwrap(), [""; 0]);
        let long = format!("Package: a\nX: {}\n", "x".repeat(2 << 20));
        assert!(names(&long).unwrap_err().contains("more than"));
    }
}
