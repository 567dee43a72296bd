//! Fetching over HTTP: redirects, bounded retries, resumption; interruptible at any time.

mod answer;
mod download;
mod interruptible;
mod retry;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::StatusCode;
use reqwest::blocking::Client;
use reqwest::header::HeaderMap;

use super::digest::Sha256Digest;
use super::error::{Result, SourceError, Wrong};
use super::expected::ExpectedDigest;
use super::partial::Partial;
use super::url::SourceUrl;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

use self::answer::{Opened, bad_answer, follow, require_success, send, send_form};
use self::download::Download;
use self::interruptible::unless_interrupted;
use self::retry::Tried;

/// The most bytes that are fetched from a server that does not say how many will come.
const WITHOUT_LENGTH: u64 = 1 << 30;

/// The longest time for a small text file, however steadily its bytes come.
const TEXT_DEADLINE: Duration = Duration::from_secs(120);

/// How often a blocked call checks for an interrupt.
const TICK: Duration = Duration::from_millis(100);

/// How long to wait for servers, and how often to try.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Attempts without progress, including the first.
    pub tries: u32,
    /// Pause after the first failure; doubled after each subsequent one.
    pub pause: Duration,
    /// Longest time to connect, and longest time without a byte. The total time is not limited.
    pub stall: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { tries: 5, pause: Duration::from_secs(1), stall: Duration::from_secs(30) }
    }
}

/// Fetches files. Proxies come from the environment.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// Created on first use: a build from local files needs neither TLS nor certificates.
    client: OnceLock<Client>,
    retry_policy: RetryPolicy,
    /// Certificates that are trusted besides the system's.
    roots: Vec<Certificate>,
    is_offline: bool,
}

/// What a server said, whatever it is.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Who answered, after all redirects.
    pub(crate) url: SourceUrl,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A file to download, with its known properties.
#[derive(Debug, Clone, Copy)]
pub struct DownloadSpec<'a> {
    /// Its address.
    pub url: &'a SourceUrl,
    /// Its digest.
    pub digest: ExpectedDigest,
    /// Its size in bytes, if known.
    pub size: Option<u64>,
    /// The most bytes that it may have.
    pub limit: u64,
    /// The source of the checksum, for messages.
    pub promised_by: &'a str,
    /// More headers of the request. Credentials in them do not leave for another server.
    pub headers: &'a HeaderMap,
    /// What the file is called in messages.
    pub shown: &'a str,
}

impl Fetcher {
    /// A fetcher with TLS by rustls and the system's trusted certificates.
    pub fn new(retry_policy: RetryPolicy) -> Self {
        Self { client: OnceLock::new(), retry_policy, roots: Vec::new(), is_offline: false }
    }

    /// The same, which asks nobody where `is_offline`.
    pub fn offline(self, is_offline: bool) -> Self {
        Self { is_offline, ..self }
    }

    /// The same, which trusts the certificate authorities in `pem` too.
    pub(crate) fn with_root(&self, pem: &str) -> Result<Self> {
        let roots = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| SourceError::Invalid {
            what: "the CA certificate of a registry".into(),
            problem: error.to_string(),
        })?;
        Ok(Self {
            client: OnceLock::new(),
            retry_policy: self.retry_policy,
            roots,
            is_offline: self.is_offline,
        })
    }

    fn client_for(&self, url: &SourceUrl) -> Result<Client> {
        if self.is_offline {
            return Err(SourceError::Offline { url: url.to_string() });
        }
        self.client()
    }

    fn client(&self) -> Result<Client> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        // It fails only if a provider is already installed, and any provider works.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("hcimage/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.retry_policy.stall)
            // In the blocking client this bounds each wait, not their sum.
            .timeout(self.retry_policy.stall)
            .tls_certs_merge(self.roots.iter().cloned())
            .build()
            .map_err(|e| SourceError::Io {
                what: "preparing TLS (is the package ca-certificates installed?)".into(),
                source: std::io::Error::other(e),
            })?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// The target of the address after all redirects.
    pub fn resolve(&self, url: &SourceUrl, interrupt: &Interrupt) -> Result<SourceUrl> {
        retry::persist(self.retry_policy, interrupt, || {
            let opened = self.open(url, HeaderMap::new(), interrupt)?;
            require_success(&opened)?;
            Ok(opened.url)
        })
    }

    /// The target of the first redirect, which is not followed.
    pub fn redirect(&self, url: &SourceUrl, interrupt: &Interrupt) -> Result<SourceUrl> {
        retry::persist(self.retry_policy, interrupt, || {
            let (client, asked) = (self.client_for(url)?, url.clone());
            let response = unless_interrupted(interrupt, move || send(&client, &asked, HeaderMap::new()))??;
            let opened = Opened { url: url.clone(), response };
            if opened.response.status().is_redirection() {
                return Ok(opened.target()?);
            }
            require_success(&opened)?;
            Err(opened.bad_answer("expected a redirect".into()).into())
        })
    }

    /// A small text file. More than `limit` bytes are an error.
    pub fn text(&self, url: &SourceUrl, limit: u64, interrupt: &Interrupt) -> Result<String> {
        retry::persist(self.retry_policy, interrupt, || {
            let opened = self.open(url, HeaderMap::new(), interrupt)?;
            require_success(&opened)?;
            let bytes = unless_interrupted(interrupt, move || opened.read_whole(limit, TEXT_DEADLINE))??;
            String::from_utf8(bytes).map_err(|_| bad_answer(url, "the file is not UTF-8 text".into()).into())
        })
    }

    /// Asks a server that may answer with a refusal, which says what it wants. Passing failures are tried again; more than
    /// `limit` bytes are an error.
    pub(crate) fn ask(
        &self,
        url: &SourceUrl,
        headers: &HeaderMap,
        limit: u64,
        interrupt: &Interrupt,
    ) -> Result<Answer> {
        retry::persist(self.retry_policy, interrupt, || {
            whole_answer(self.open(url, headers.clone(), interrupt)?, limit, interrupt)
        })
    }

    /// Sends a form to such a server. It may hold secrets: a redirect is an answer, and not followed.
    pub(crate) fn submit(
        &self,
        url: &SourceUrl,
        form: &str,
        limit: u64,
        interrupt: &Interrupt,
    ) -> Result<Answer> {
        retry::persist(self.retry_policy, interrupt, || {
            let (client, asked, form) = (self.client_for(url)?, url.clone(), form.to_owned());
            let response = unless_interrupted(interrupt, move || send_form(&client, &asked, form))??;
            whole_answer(Opened { url: url.clone(), response }, limit, interrupt)
        })
    }

    /// Fetches a file to `partial`, resuming an earlier run, and verifies it. The file is synced; the caller renames it.
    /// Returns its size in bytes and its SHA-256.
    pub fn download(
        &self,
        wanted: &DownloadSpec<'_>,
        partial: &Path,
        progress: &dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<(PathBuf, u64, Sha256Digest)> {
        let partial = Partial::open(partial, interrupt)?;
        Download { fetcher: self, wanted, partial, task: None, progress, interrupt }.verified()
    }

    /// Requests a file, following redirects.
    fn open(&self, url: &SourceUrl, headers: HeaderMap, interrupt: &Interrupt) -> Tried<Opened> {
        let (client, url) = (self.client_for(url)?, url.clone());
        unless_interrupted(interrupt, move || follow(&client, url, &headers))?
    }
}

/// The answer with its body; a passing failure is to be tried again.
fn whole_answer(opened: Opened, limit: u64, interrupt: &Interrupt) -> Tried<Answer> {
    if opened.is_passing() {
        require_success(&opened)?;
    }
    let (url, status) = (opened.url.clone(), opened.response.status());
    let headers = opened.response.headers().clone();
    let body = unless_interrupted(interrupt, move || opened.read_whole(limit, TEXT_DEADLINE))??;
    Ok(Answer { url, status, headers, body })
}

impl DownloadSpec<'_> {
    fn wrong_digest(&self, actual: ExpectedDigest) -> SourceError {
        SourceError::WrongDigest(Box::new(Wrong {
            file: self.url.to_string(),
            actual,
            expected: self.digest,
            promised_by: self.promised_by.to_owned(),
            hint: "the download was deleted: try again; if the error persists, do not trust the server",
        }))
    }

    /// The most bytes that may come, where the server says `total` or nothing.
    fn most(&self, total: Option<u64>) -> u64 {
        match self.size.or(total) {
            Some(size) => size.min(self.limit),
            None => WITHOUT_LENGTH.min(self.limit),
        }
    }

    fn too_long(&self, total: Option<u64>) -> SourceError {
        let most = self.most(total);
        let why = match self.size.or(total) {
            Some(size) if size <= self.limit => "more than it announced",
            Some(_) => "more than such a file may have",
            None => "more than is fetched from a server that does not say how long the file is",
        };
        bad_answer(self.url, format!("the file has more than {most} bytes, {why}"))
    }

    fn wrong_size(&self, actual: u64, expected: u64) -> SourceError {
        SourceError::WrongSize(Box::new(Wrong {
            file: self.url.to_string(),
            actual,
            expected,
            promised_by: self.promised_by.to_owned(),
            hint: "the file on the server has changed",
        }))
    }
}
