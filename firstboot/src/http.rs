//! The part of HTTP that a request to k3s's supervisor needs.

use std::time::{Duration, UNIX_EPOCH};

/// A parsed response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The server's time, since 1970 (RFC 9110, 6.6.1).
    pub(crate) date: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// A GET request whose response ends with the connection: an HTTP/1.0 client gets no chunked encoding.
pub(crate) fn get(path: &str, host: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n").into_bytes()
}

/// Parses a response; `None` if it is invalid or truncated.
pub(crate) fn answer(bytes: &[u8]) -> Option<Answer> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = bytes.split_at_checked(at)?;
    let mut lines = str::from_utf8(head).ok()?.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let version = first.next()?;
    let status = first.next()?.parse().ok().filter(|_| version.starts_with("HTTP/1."))?;
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let field =
        |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim());
    let body = rest.get(4..)?.to_vec();
    let whole = field("content-length").is_none_or(|length| length.parse() == Ok(body.len()));
    whole.then(|| Answer { status, date: field("date").and_then(date), body })
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), the only format that servers may send. The library accepts obsolete
/// formats too, which the comparison rejects.
fn date(text: &str) -> Option<Duration> {
    let date = httpdate::parse_http_date(text).ok()?;
    (httpdate::fmt_http_date(date) == text).then(|| date.duration_since(UNIX_EPOCH).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_imf_fixdate_is_accepted() {
        let table = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 12:00:00 GMT", Some(1_709_208_000)),
            ("Sat, 21 Nov 2026 11:30:38 GMT", Some(1_795_260_638)),
            ("Sun Nov  6 08:49:37 1994", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 25:49:37 GMT", None),
            ("Sun, 06 Now 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 99999999999999999 08:49:37 GMT", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(date(text).map(|time| time.as_secs()), expected, "{text}");
        }
    }

    #[test]
    fn only_a_complete_response_is_accepted() {
        let good = b"HTTP/1.0 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 4\r\n\r\npong";
        let read = answer(good).unwrap();
        assert_eq!(
            (read.status, read.date.unwrap().as_secs(), read.body),
            (200, 784_111_777, b"pong".to_vec())
        );
        assert_eq!(answer(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap().status, 503);
        for bad in
            [&good[..good.len() - 1], &good[..20], b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 x\r\n\r\n", b""]
        {
            assert_eq!(answer(bad), None, "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
