//! The part of HTTP that a request to the cluster's API or to k3s's supervisor needs.

use std::time::{Duration, UNIX_EPOCH};

/// A parsed response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The server's time, since 1970 (RFC 9110, 6.6.1).
    pub(crate) date: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// A GET request with further header fields, each with its line end.
pub(crate) fn get(path: &str, host: &str, more: &str) -> Vec<u8> {
    request("GET", path, host, more, b"")
}

/// A request whose answer is the last on its connection.
pub(crate) fn request(method: &str, path: &str, host: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{length}{more}\r\n");
    [head.as_bytes(), body].concat()
}

/// Parses a response; `None` if it is invalid or truncated.
pub(crate) fn answer(bytes: &[u8]) -> Option<Answer> {
    let (head, rest) = split_at(bytes, b"\r\n\r\n")?;
    let mut lines = str::from_utf8(head).ok()?.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let version = first.next()?;
    let status = first.next()?.parse().ok().filter(|_| version.starts_with("HTTP/1."))?;
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let field =
        |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim());
    let body = match (field("transfer-encoding"), field("content-length")) {
        (Some(coding), _) => coding.eq_ignore_ascii_case("chunked").then(|| dechunked(rest))??,
        (None, Some(length)) => (length.parse() == Ok(rest.len())).then(|| rest.to_vec())?,
        // Nothing tells whether a body without a length is complete; that of an error is only shown.
        (None, None) if (200..300).contains(&status) && !rest.is_empty() => return None,
        (None, None) => rest.to_vec(),
    };
    Some(Answer { status, date: field("date").and_then(date), body })
}

/// The bytes before and after the first separator.
fn split_at<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.get(separator.len()..)?))
}

/// The content of a chunked body (RFC 9112, 7.1), without its trailers; `None` if it is invalid or truncated.
fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (line, after) = split_at(rest, b"\r\n")?;
        let digits = str::from_utf8(line).ok()?.split(';').next()?.trim();
        // The library accepts a sign too.
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(digits, 16).ok().filter(|_| hex)?;
        if size == 0 {
            return after.ends_with(b"\r\n").then_some(body);
        }
        let (chunk, after) = after.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n")?;
    }
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
    fn a_chunked_body_is_put_together() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = |text: &str| answer(format!("{head}{text}").as_bytes()).map(|answer| answer.body);
        assert_eq!(body("4;x=y\r\npong\r\nA\r\n0123456789\r\n0\r\n\r\n").unwrap(), b"pong0123456789");
        assert_eq!(body("0\r\nTrailer: x\r\n\r\n").unwrap(), b"");
        for bad in [
            "",
            "4\r\npong\r\n",
            "4\r\npong\r\n0\r\n",
            "4\r\npon",
            "5\r\npong\r\n0\r\n\r\n",
            "+4\r\npong\r\n0\r\n\r\n",
            "fffffffffffffffff\r\n",
            "\r\n",
        ] {
            assert_eq!(body(bad), None, "{bad:?}");
        }
        let other = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(answer(other.as_bytes()), None);
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\n\r\nhow long?"), None);
        assert_eq!(answer(b"HTTP/1.1 502 Bad Gateway\r\n\r\noh").unwrap().body, b"oh");
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
