//! As much of HTTP as asking k3s's supervisor needs.

use std::time::Duration;

use crate::report::days_before;

/// An answer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// When the server sent it, since 1970 (RFC 9110, 6.6.1).
    pub(crate) date: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// A GET whose answer ends with the connection: an HTTP/1.0 client gets no chunks.
pub(crate) fn get(path: &str, host: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n").into_bytes()
}

/// Reads an answer; none where it is not one, or was cut short.
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

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), the one form that servers may send.
fn date(text: &str) -> Option<Duration> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let right = (1970..10_000).contains(&year)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && words.next() == Some("GMT");
    let days = days_before(year, month)?.checked_add(day)?.checked_sub(1)?;
    right.then(|| Duration::from_secs(((days * 24 + hour) * 60 + minute) * 60 + second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
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
    fn answers_whole_and_cut_short() {
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
