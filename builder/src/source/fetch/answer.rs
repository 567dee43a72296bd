//! One request and its response.

use std::io::Read;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, LOCATION, RETRY_AFTER,
};

use super::retry::{Fault, Tried};
use crate::source::error::{Result, SourceError};
use crate::source::url::SourceUrl;

/// About as many as browsers follow.
const MAX_REDIRECTS: usize = 10;

/// A response and its address.
pub(super) struct Opened {
    pub(super) url: SourceUrl,
    pub(super) response: Response,
}

impl Opened {
    pub(super) fn header(&self, name: HeaderName) -> Option<String> {
        Some(self.response.headers().get(name)?.to_str().ok()?.to_owned())
    }

    /// The value for If-Range: a strong ETag, or the date (RFC 9110, 13.1.5).
    pub(super) fn validator(&self) -> Option<String> {
        let etag = self.header(ETAG).filter(|tag| tag.starts_with('"'));
        etag.or_else(|| self.header(LAST_MODIFIED))
    }

    /// The target of a redirect.
    pub(super) fn target(&self) -> Result<SourceUrl> {
        let location = self.header(LOCATION);
        let location = location.ok_or_else(|| self.bad_answer("redirect without a location".into()))?;
        self.url.redirected(&location)
    }

    /// Whether the answer may be another one soon.
    pub(super) fn is_passing(&self) -> bool {
        let status = self.response.status();
        status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
    }

    /// How long the server wants to be left alone, where it says that in seconds (RFC 9110, 10.2.3).
    fn retry_after(&self) -> Option<Duration> {
        self.header(RETRY_AFTER)?.parse().ok().map(Duration::from_secs)
    }

    pub(super) fn bad_answer(&self, problem: String) -> SourceError {
        bad_answer(&self.url, problem)
    }

    /// The whole body, of at most `limit` bytes, within `time`.
    pub(super) fn read_whole(mut self, limit: u64, time: Duration) -> Tried<Vec<u8>> {
        let (mut bytes, mut piece, begun) = (Vec::new(), [0; 8192], Instant::now());
        loop {
            let n = self.response.read(&mut piece).map_err(|e| Fault::Retry(network(&self.url, e)))?;
            bytes.extend_from_slice(piece.get(..n).unwrap_or_default());
            let problem = match () {
                () if n == 0 => return Ok(bytes),
                () if bytes.len() as u64 > limit => {
                    format!("more than {limit} bytes, expected a small text file")
                }
                () if begun.elapsed() > time => {
                    format!("not complete after {} seconds, expected a small text file", time.as_secs())
                }
                () => continue,
            };
            return Err(bad_answer(&self.url, problem).into());
        }
    }
}

/// One request, no redirects.
pub(super) fn send(client: &Client, url: &SourceUrl, headers: HeaderMap) -> Tried<Response> {
    let request = client.get(url.as_url().clone()).headers(headers);
    // The address is in our message already.
    request.send().map_err(|e| Fault::Retry(network(url, e.without_url())))
}

/// One form, already encoded, no redirects.
pub(super) fn send_form(client: &Client, url: &SourceUrl, form: String) -> Tried<Response> {
    let request = client.post(url.as_url().clone());
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
    request.send().map_err(|e| Fault::Retry(network(url, e.without_url())))
}

pub(super) fn follow(client: &Client, mut url: SourceUrl, headers: &HeaderMap) -> Tried<Opened> {
    let (first, mut headers) = (url.clone(), headers.clone());
    for _ in 0..=MAX_REDIRECTS {
        if !url.is_same_server(&first) {
            headers.remove(AUTHORIZATION);
        }
        let opened = Opened { response: send(client, &url, headers.clone())?, url };
        if !matches!(opened.response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(opened);
        }
        url = opened.target()?;
    }
    Err(bad_answer(&url, format!("more than {MAX_REDIRECTS} redirects")).into())
}

/// A server error may be temporary; "not found" and "forbidden" are not.
pub(super) fn require_success(opened: &Opened) -> std::result::Result<(), Fault> {
    let status = opened.response.status();
    if status == StatusCode::OK {
        return Ok(());
    }
    let error = SourceError::Status { url: opened.url.to_string(), status };
    Err(match (opened.is_passing(), opened.retry_after()) {
        (false, _) => Fault::Abort(error),
        (true, None) => Fault::Retry(error),
        (true, Some(pause)) => Fault::Later(Box::new(error), pause),
    })
}

pub(super) fn network(
    url: &SourceUrl,
    source: impl std::error::Error + Send + Sync + 'static,
) -> SourceError {
    SourceError::Network { url: url.to_string(), source: Box::new(source) }
}

pub(super) fn bad_answer(url: &SourceUrl, problem: String) -> SourceError {
    SourceError::BadAnswer { url: url.to_string(), problem }
}

/// `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10` (RFC 9110, 14.4).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) start: Option<u64>,
    pub(super) total: Option<u64>,
}

impl ContentRange {
    pub(super) fn parse(text: &str) -> Option<Self> {
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
    fn content_ranges_are_parsed() {
        let parse = |text| ContentRange::parse(text).map(|range| (range.start, range.total));
        assert_eq!(parse("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(parse("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(parse("bytes */10"), Some((None, Some(10))));
        for bad in ["", "bytes", "bytes 5/10", "items 5-9/10", "bytes x-9/10", "bytes 5-9/y"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
