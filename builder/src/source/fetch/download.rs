//! A download: resumed if possible, bounded, hashed while it arrives.

use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, HeaderMap, IF_RANGE, RANGE};

use super::answer::{ContentRange, Opened, bad_answer, network, require_success};
use super::interruptible::pump;
use super::retry::{Budget, Fault, Tried};
use super::{DownloadSpec, Fetcher, TICK};
use crate::interrupt::Interrupt;
use crate::progress::{Progress, Task};
use crate::source::digest::Sha256Digest;
use crate::source::error::Result;
use crate::source::expected::ExpectedDigest;
use crate::source::partial::Partial;
use crate::source::space;

/// A server that sends fewer bytes than this in the time below does not count as sending.
const SLOWEST: u64 = 64 << 10;
const SLOW_FOR: Duration = Duration::from_secs(60);

/// A download.
pub(super) struct Download<'a> {
    pub(super) fetcher: &'a Fetcher,
    pub(super) wanted: &'a DownloadSpec<'a>,
    pub(super) partial: Partial,
    pub(super) task: Option<Box<dyn Task>>,
    pub(super) progress: &'a dyn Progress,
    pub(super) interrupt: &'a Interrupt,
}

impl Download<'_> {
    /// Fetches until the digest matches. The bytes of an earlier run may be damaged: then it starts once more from zero.
    pub(super) fn verified(mut self) -> Result<(PathBuf, u64, Sha256Digest)> {
        loop {
            self.run()?;
            let actual = match self.wanted.digest {
                ExpectedDigest::Sha256(_) => ExpectedDigest::Sha256(self.partial.digest()),
                ExpectedDigest::Sha512(_) => ExpectedDigest::Sha512(self.partial.sha512(self.interrupt)?),
            };
            if actual == self.wanted.digest {
                break;
            }
            if self.partial.inherited() {
                self.partial.restart()?;
                continue;
            }
            self.partial.discard()?;
            return Err(self.wanted.wrong_digest(actual));
        }
        if let Some(task) = self.task {
            task.done();
        }
        let (size, sha256) = (self.partial.length(), self.partial.digest());
        Ok((self.partial.complete()?, size, sha256))
    }

    /// Fetches all bytes, with retries.
    fn run(&mut self) -> Result<()> {
        let mut budget = Budget::new(self.fetcher.retry_policy);
        loop {
            match self.attempt() {
                Ok(()) => return Ok(()),
                Err(fault) => budget.after(fault, self.partial.length(), self.interrupt)?,
            }
        }
    }

    fn attempt(&mut self) -> Tried<()> {
        let opened = self.fetcher.open(self.wanted.url, self.range(), self.interrupt)?;
        let total = match opened.response.status() {
            StatusCode::PARTIAL_CONTENT => self.resume(&opened)?,
            StatusCode::RANGE_NOT_SATISFIABLE => return self.beyond_the_end(&opened),
            _ => self.begin(&opened)?,
        };
        self.receive(opened, total)
    }

    /// The headers that request the rest, if the server has the same version.
    fn range(&self) -> HeaderMap {
        let mut headers = self.wanted.headers.clone();
        let validator = self.partial.validator().and_then(|text| text.parse().ok());
        let range = format!("bytes={}-", self.partial.length()).parse();
        if let (1.., Some(validator), Ok(range)) = (self.partial.length(), validator, range) {
            headers.insert(RANGE, range);
            headers.insert(IF_RANGE, validator);
        }
        headers
    }

    /// The server sends the rest. Returns the total size, if known.
    fn resume(&mut self, opened: &Opened) -> Tried<Option<u64>> {
        let range = opened.header(CONTENT_RANGE).as_deref().and_then(ContentRange::parse);
        match range {
            Some(ContentRange { start: Some(start), total }) if start == self.partial.length() => {
                let total = total.or_else(|| start.checked_add(opened.response.content_length()?));
                self.announce(total)?;
                Ok(total)
            }
            _ => {
                self.partial.restart()?;
                Err(Fault::Retry(
                    opened.bad_answer("the server sent a different range than requested".into()),
                ))
            }
        }
    }

    /// All bytes are here: either the last run was stopped just before its end, or the file is shorter now.
    fn beyond_the_end(&mut self, opened: &Opened) -> Tried<()> {
        let range = opened.header(CONTENT_RANGE).as_deref().and_then(ContentRange::parse);
        if range.and_then(|range| range.total) == Some(self.partial.length()) {
            return Ok(());
        }
        self.partial.restart()?;
        Err(Fault::Retry(opened.bad_answer("the file became shorter".into())))
    }

    /// The server sends the whole file.
    fn begin(&mut self, opened: &Opened) -> Tried<Option<u64>> {
        require_success(opened)?;
        self.partial.restart_as(opened.validator().as_deref())?;
        let total = opened.response.content_length();
        self.announce(total)?;
        Ok(total)
    }

    /// Before the first byte: checks the size and the disk space, and starts the progress.
    fn announce(&mut self, total: Option<u64>) -> Result<()> {
        if let (Some(total), Some(size)) = (total, self.wanted.size)
            && total != size
        {
            return Err(self.wanted.wrong_size(total, size));
        }
        if total.is_some_and(|total| total > self.wanted.limit) {
            return Err(self.wanted.too_long(total));
        }
        let what = format!("downloading {}", self.wanted.shown);
        let missing = total.unwrap_or(0).saturating_sub(self.partial.length());
        space::require(self.partial.dir(), missing, &what)?;
        let task = self.progress.download(&what, &self.wanted.digest.to_string(), total);
        task.advance(self.partial.length());
        self.task = Some(task);
        Ok(())
    }

    fn receive(&mut self, opened: Opened, total: Option<u64>) -> Tried<()> {
        let url = opened.url.clone();
        let pieces = pump(opened.response)?;
        let (mut begun, mut before) = (Instant::now(), self.partial.length());
        loop {
            let piece = match pieces.recv_timeout(TICK) {
                Ok(piece) => piece.map_err(|e| Fault::Retry(network(&url, e)))?,
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.interrupt.check()?;
            self.partial.append(&piece)?;
            if let Some(task) = &self.task {
                task.advance(piece.len() as u64);
            }
            let length = self.partial.length();
            if let Some(size) = self.wanted.size.filter(|size| length > *size) {
                self.partial.restart()?;
                return Err(self.wanted.wrong_size(length, size).into());
            }
            if length > self.wanted.most(total) {
                self.partial.restart()?;
                return Err(self.wanted.too_long(total).into());
            }
            if begun.elapsed() > SLOW_FOR {
                if length.saturating_sub(before) < SLOWEST {
                    let problem = format!("fewer than {SLOWEST} bytes in {} seconds", SLOW_FOR.as_secs());
                    return Err(Fault::Retry(bad_answer(&url, problem)));
                }
                (begun, before) = (Instant::now(), length);
            }
        }
        match total.filter(|total| *total != self.partial.length()) {
            Some(total) => {
                let problem =
                    format!("the connection ended after {} of {total} bytes", self.partial.length());
                Err(Fault::Retry(bad_answer(&url, problem)))
            }
            None => Ok(()),
        }
    }
}
