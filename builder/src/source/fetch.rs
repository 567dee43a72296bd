//! Fetching over HTTP: redirects, bounded retries, resumption, and a look at the interrupt all along.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE};

use super::digest::Sha256Digest;
use super::error::{Result, SourceError, Wrong};
use super::partial::Partial;
use super::space;
use super::url::SourceUrl;
use crate::interrupt::{Interrupt, Interrupted};
use crate::progress::{Progress, Task};

/// As many as browsers follow, about.
const MAX_REDIRECTS: usize = 10;
/// How often a blocked call looks at the interrupt.
const TICK: Duration = Duration::from_millis(100);
/// Less than this between two failures does not count as getting on.
const PROGRESS: u64 = 1 << 20;

/// How long to wait for servers, and how often to try.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Tries without getting on, the first included.
    pub tries: u32,
    /// Pause after the first failure; doubled after each further one.
    pub pause: Duration,
    /// Longest time to connect, and longest time without a byte. There is no limit in total.
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 5, pause: Duration::from_secs(1), stall: Duration::from_secs(30) }
    }
}

/// Fetches files. Proxies are taken from the environment.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// Made when it is first needed: a build from local files needs neither TLS nor its certificates.
    client: OnceLock<Client>,
    patience: Patience,
}

/// A file that is wanted, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where it is.
    pub url: &'a SourceUrl,
    /// Its digest.
    pub sha256: Sha256Digest,
    /// Its size in bytes, where known.
    pub size: Option<u64>,
    /// Who says so, for messages.
    pub promised_by: &'a str,
}

/// Why a try failed.
enum Fault {
    /// Another try may help.
    Passing(SourceError),
    /// It will not.
    Lasting(SourceError),
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        Self::Lasting(error)
    }
}

impl From<Interrupted> for Fault {
    fn from(interrupted: Interrupted) -> Self {
        Self::Lasting(interrupted.into())
    }
}

impl Fetcher {
    /// A fetcher over TLS by rustls, trusting the certificates that the system trusts.
    pub fn new(patience: Patience) -> Self {
        Self { client: OnceLock::new(), patience }
    }

    fn client(&self) -> Result<Client> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        // It fails only where a provider is installed already, and any provider will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("hcimage/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.patience.stall)
            // In the blocking client this bounds each wait, not the sum of them.
            .timeout(self.patience.stall)
            .build()
            .map_err(|e| SourceError::Io {
                what: "preparing TLS (is the package ca-certificates installed?)".into(),
                source: std::io::Error::other(e),
            })?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// Where the address leads after all redirects.
    pub fn resolve(&self, url: &SourceUrl, interrupt: &Interrupt) -> Result<SourceUrl> {
        self.persist(interrupt, || {
            let opened = self.open(url, HeaderMap::new(), interrupt)?;
            require_success(&opened)?;
            Ok(opened.url)
        })
    }

    /// Where the address leads by its first redirect, without going there.
    pub fn redirect(&self, url: &SourceUrl, interrupt: &Interrupt) -> Result<SourceUrl> {
        self.persist(interrupt, || {
            let (client, asked) = (self.client()?, url.clone());
            let response = unless_interrupted(interrupt, move || send(&client, &asked, HeaderMap::new()))??;
            let opened = Opened { url: url.clone(), response };
            if opened.response.status().is_redirection() {
                return Ok(opened.target()?);
            }
            require_success(&opened)?;
            Err(opened.bad_answer("a redirect was expected".into()).into())
        })
    }

    /// A small text file. More than `limit` bytes are refused.
    pub fn text(&self, url: &SourceUrl, limit: u64, interrupt: &Interrupt) -> Result<String> {
        self.persist(interrupt, || {
            let opened = self.open(url, HeaderMap::new(), interrupt)?;
            require_success(&opened)?;
            let bytes = unless_interrupted(interrupt, move || opened.read_whole(limit))??;
            String::from_utf8(bytes).map_err(|_| bad_answer(url, "it is not UTF-8 text".into()).into())
        })
    }

    /// Fetches a file to `partial`, going on where an earlier run stopped, and verifies it. The file is synced; the
    /// caller gives it its final name. Returns its size in bytes.
    pub fn download(
        &self,
        wanted: &Wanted<'_>,
        partial: &Path,
        progress: &dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<(PathBuf, u64)> {
        let partial = Partial::open(partial, interrupt)?;
        let mut download = Download { fetcher: self, wanted, partial, task: None, progress, interrupt };
        loop {
            download.run()?;
            let actual = download.partial.digest();
            if actual == wanted.sha256 {
                break;
            }
            // A power cut may have spoilt what an earlier run left.
            if download.partial.inherited() {
                download.partial.restart()?;
                continue;
            }
            download.partial.discard()?;
            return Err(wanted.wrong_digest(actual));
        }
        if let Some(task) = download.task {
            task.done();
        }
        let size = download.partial.length();
        Ok((download.partial.complete()?, size))
    }

    /// Tries again after failures that may pass.
    fn persist<T>(
        &self,
        interrupt: &Interrupt,
        mut attempt: impl FnMut() -> std::result::Result<T, Fault>,
    ) -> Result<T> {
        let mut budget = Budget::new(self.patience);
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(Fault::Lasting(error)) => return Err(error),
                Err(Fault::Passing(error)) => budget.spend(error, 0, interrupt)?,
            }
        }
    }

    /// Asks for a file, following redirects.
    fn open(
        &self,
        url: &SourceUrl,
        headers: HeaderMap,
        interrupt: &Interrupt,
    ) -> std::result::Result<Opened, Fault> {
        let (client, url) = (self.client()?, url.clone());
        unless_interrupted(interrupt, move || follow(&client, url, &headers))?
    }
}

impl Wanted<'_> {
    fn wrong_digest(&self, actual: Sha256Digest) -> SourceError {
        SourceError::WrongDigest(Box::new(Wrong {
            file: self.url.to_string(),
            actual,
            expected: self.sha256,
            promised_by: self.promised_by.to_owned(),
            cure: "what came was thrown away: try again, and if it stays so, do not trust the server",
        }))
    }

    fn wrong_size(&self, actual: u64, expected: u64) -> SourceError {
        SourceError::WrongSize(Box::new(Wrong {
            file: self.url.to_string(),
            actual,
            expected,
            promised_by: self.promised_by.to_owned(),
            cure: "the server has another file now",
        }))
    }
}

/// Tries that are left.
struct Budget {
    patience: Patience,
    failures: u32,
    furthest: u64,
}

impl Budget {
    fn new(patience: Patience) -> Self {
        Self { patience, failures: 0, furthest: 0 }
    }

    /// Waits before the next try, or gives up with `error`. Who got further than ever before starts counting anew.
    fn spend(&mut self, error: SourceError, reached: u64, interrupt: &Interrupt) -> Result<()> {
        if reached >= self.furthest.saturating_add(PROGRESS) {
            (self.failures, self.furthest) = (0, reached);
        }
        self.failures += 1;
        if self.failures >= self.patience.tries {
            return Err(error);
        }
        let doubled = 1u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX);
        let mut left = self.patience.pause.saturating_mul(doubled).min(Duration::from_secs(60));
        while !left.is_zero() {
            interrupt.check()?;
            let nap = left.min(TICK);
            std::thread::sleep(nap);
            left -= nap;
        }
        Ok(())
    }
}

/// A file on its way.
struct Download<'a> {
    fetcher: &'a Fetcher,
    wanted: &'a Wanted<'a>,
    partial: Partial,
    task: Option<Box<dyn Task>>,
    progress: &'a dyn Progress,
    interrupt: &'a Interrupt,
}

impl Download<'_> {
    /// Until all bytes are there.
    fn run(&mut self) -> Result<()> {
        let mut budget = Budget::new(self.fetcher.patience);
        loop {
            match self.attempt() {
                Ok(()) => return Ok(()),
                Err(Fault::Lasting(error)) => return Err(error),
                Err(Fault::Passing(error)) => budget.spend(error, self.partial.length(), self.interrupt)?,
            }
        }
    }

    fn attempt(&mut self) -> std::result::Result<(), Fault> {
        let opened = self.fetcher.open(self.wanted.url, self.range(), self.interrupt)?;
        let total = match opened.response.status() {
            StatusCode::PARTIAL_CONTENT => self.resume(&opened)?,
            StatusCode::RANGE_NOT_SATISFIABLE => return self.beyond_the_end(&opened),
            _ => self.begin(&opened)?,
        };
        self.receive(opened, total)
    }

    /// Asks for the rest, if that is of the same version.
    fn range(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let validator = self.partial.validator().and_then(|text| text.parse().ok());
        let range = format!("bytes={}-", self.partial.length()).parse();
        if let (1.., Some(validator), Ok(range)) = (self.partial.length(), validator, range) {
            headers.insert(RANGE, range);
            headers.insert(IF_RANGE, validator);
        }
        headers
    }

    /// The server sends the rest. Returns the size of the whole, where it tells.
    fn resume(&mut self, opened: &Opened) -> std::result::Result<Option<u64>, Fault> {
        let range = opened.header(CONTENT_RANGE).as_deref().and_then(ContentRange::parse);
        match range {
            Some(ContentRange { start: Some(start), total }) if start == self.partial.length() => {
                let total = total.or_else(|| start.checked_add(opened.response.content_length()?));
                self.announce(total)?;
                Ok(total)
            }
            _ => {
                self.partial.restart()?;
                Err(Fault::Passing(
                    opened.bad_answer("it sent another part of the file than was asked for".into()),
                ))
            }
        }
    }

    /// We have as much as there is: either the last run was stopped just before its end, or the file is shorter now.
    fn beyond_the_end(&mut self, opened: &Opened) -> std::result::Result<(), Fault> {
        let range = opened.header(CONTENT_RANGE).as_deref().and_then(ContentRange::parse);
        if range.and_then(|range| range.total) == Some(self.partial.length()) {
            return Ok(());
        }
        self.partial.restart()?;
        Err(Fault::Passing(opened.bad_answer("the file became shorter".into())))
    }

    /// The server sends the whole.
    fn begin(&mut self, opened: &Opened) -> std::result::Result<Option<u64>, Fault> {
        require_success(opened)?;
        self.partial.restart_as(opened.validator().as_deref())?;
        let total = opened.response.content_length();
        self.announce(total)?;
        Ok(total)
    }

    /// Before the first byte: is it the file that is meant, is there room, how long is the bar.
    fn announce(&mut self, total: Option<u64>) -> Result<()> {
        if let (Some(total), Some(size)) = (total, self.wanted.size)
            && total != size
        {
            return Err(self.wanted.wrong_size(total, size));
        }
        let what = format!("downloading {}", self.wanted.url.file_name()?);
        let missing = total.unwrap_or(0).saturating_sub(self.partial.length());
        space::require(self.partial.folder(), missing, &what)?;
        let task = self.progress.start(&what, total);
        task.advance(self.partial.length());
        self.task = Some(task);
        Ok(())
    }

    fn receive(&mut self, opened: Opened, total: Option<u64>) -> std::result::Result<(), Fault> {
        let url = opened.url.clone();
        let pieces = pump(opened.response)?;
        loop {
            let piece = match pieces.recv_timeout(TICK) {
                Ok(piece) => piece.map_err(|e| Fault::Passing(network(&url, e)))?,
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.interrupt.check()?;
            self.partial.append(&piece)?;
            if let Some(task) = &self.task {
                task.advance(piece.len() as u64);
            }
            if let Some(size) = self.wanted.size.filter(|size| self.partial.length() > *size) {
                let length = self.partial.length();
                self.partial.restart()?;
                return Err(self.wanted.wrong_size(length, size).into());
            }
        }
        match total.filter(|total| *total != self.partial.length()) {
            Some(total) => {
                let problem = format!("it broke off after {} of {total} bytes", self.partial.length());
                Err(Fault::Passing(bad_answer(&url, problem)))
            }
            None => Ok(()),
        }
    }
}

/// An answer, and the address that gave it.
struct Opened {
    url: SourceUrl,
    response: Response,
}

impl Opened {
    fn header(&self, name: HeaderName) -> Option<String> {
        Some(self.response.headers().get(name)?.to_str().ok()?.to_owned())
    }

    /// What may stand in If-Range: a strong ETag, or the date (RFC 9110, 13.1.5).
    fn validator(&self) -> Option<String> {
        let etag = self.header(ETAG).filter(|tag| tag.starts_with('"'));
        etag.or_else(|| self.header(LAST_MODIFIED))
    }

    /// Where a redirect leads.
    fn target(&self) -> Result<SourceUrl> {
        let location = self.header(LOCATION);
        let location =
            location.ok_or_else(|| self.bad_answer("it redirects, but does not say where".into()))?;
        self.url.redirected(&location)
    }

    fn bad_answer(&self, problem: String) -> SourceError {
        bad_answer(&self.url, problem)
    }

    fn read_whole(self, limit: u64) -> std::result::Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let read = self.response.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|e| Fault::Passing(network(&self.url, e)))?;
        if bytes.len() as u64 > limit {
            return Err(bad_answer(
                &self.url,
                format!("more than {limit} bytes: that is not the small file that was expected"),
            )
            .into());
        }
        Ok(bytes)
    }
}

/// One request, no redirects.
fn send(client: &Client, url: &SourceUrl, headers: HeaderMap) -> std::result::Result<Response, Fault> {
    let request = client.get(url.as_url().clone()).headers(headers);
    // The address is in our own message already.
    request.send().map_err(|e| Fault::Passing(network(url, e.without_url())))
}

fn follow(client: &Client, mut url: SourceUrl, headers: &HeaderMap) -> std::result::Result<Opened, Fault> {
    for _ in 0..=MAX_REDIRECTS {
        let opened = Opened { response: send(client, &url, headers.clone())?, url };
        if !matches!(opened.response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(opened);
        }
        url = opened.target()?;
    }
    Err(bad_answer(&url, format!("more than {MAX_REDIRECTS} redirects")).into())
}

/// Server trouble may pass; "not found" and "forbidden" will not.
fn require_success(opened: &Opened) -> std::result::Result<(), Fault> {
    let status = opened.response.status();
    if status == StatusCode::OK {
        return Ok(());
    }
    let error = SourceError::Status { url: opened.url.to_string(), status: status.to_string() };
    let passing = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    Err(if passing { Fault::Passing(error) } else { Fault::Lasting(error) })
}

fn network(url: &SourceUrl, source: impl std::error::Error + Send + Sync + 'static) -> SourceError {
    SourceError::Network { url: url.to_string(), source: Box::new(source) }
}

fn bad_answer(url: &SourceUrl, problem: String) -> SourceError {
    SourceError::BadAnswer { url: url.to_string(), problem }
}

/// Runs `work`, which may block, aside. On an interrupt it is left to itself: its result is dropped.
fn unless_interrupted<T: Send + 'static>(
    interrupt: &Interrupt,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    aside(move || drop(sender.send(work())))?;
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => interrupt.check()?,
            Err(RecvTimeoutError::Disconnected) => {
                let source = std::io::Error::other("the thread ended without a result");
                return Err(SourceError::Io { what: "waiting for the network".into(), source });
            }
        }
    }
}

/// The body in pieces, read ahead a little while the earlier ones are digested and written.
fn pump(mut response: Response) -> Result<Receiver<std::io::Result<Vec<u8>>>> {
    const PIECE: usize = 128 * 1024;
    let (sender, receiver) = mpsc::sync_channel(8);
    aside(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = response.read(&mut piece);
            let more = matches!(read, Ok(1..));
            let at_end = matches!(read, Ok(0));
            let read = read.map(|n| piece.truncate(n)).map(|()| piece);
            if at_end || sender.send(read).is_err() || !more {
                return;
            }
        }
    })?;
    Ok(receiver)
}

fn aside(work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = std::thread::Builder::new().name("network".into()).spawn(work);
    spawned.map(drop).map_err(|source| SourceError::Io { what: "starting a thread".into(), source })
}

/// `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10` (RFC 9110, 14.4).
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    start: Option<u64>,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let start = match range {
            "*" => None,
            _ => Some(range.split_once('-')?.0.parse().ok()?),
        };
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        Some(Self { start, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let parse = |text| ContentRange::parse(text).map(|range| (range.start, range.total));
        assert_eq!(parse("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(parse("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(parse("bytes */10"), Some((None, Some(10))));
        for bad in ["", "bytes", "bytes 5/10", "items 5-9/10", "bytes x-9/10", "bytes 5-9/y"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn tries_are_bounded_and_getting_on_renews_them() {
        let patience = Patience { tries: 2, pause: Duration::ZERO, stall: Duration::ZERO };
        let error = || SourceError::Missing { what: String::new(), cure: String::new() };
        let interrupt = Interrupt::new();
        let mut budget = Budget::new(patience);
        budget.spend(error(), 0, &interrupt).unwrap();
        budget.spend(error(), PROGRESS, &interrupt).unwrap();
        budget.spend(error(), 3 * PROGRESS, &interrupt).unwrap();
        // The same place again: a server that never gets further is given up.
        budget.spend(error(), 3 * PROGRESS, &interrupt).unwrap_err();
    }

    #[test]
    fn a_pause_ends_with_the_interrupt() {
        let patience = Patience { tries: 9, pause: Duration::from_secs(3600), stall: Duration::ZERO };
        let interrupt = Interrupt::new();
        interrupt.raise();
        let error = SourceError::Missing { what: String::new(), cure: String::new() };
        assert!(matches!(
            Budget::new(patience).spend(error, 0, &interrupt),
            Err(SourceError::Interrupted(_))
        ));
    }
}
