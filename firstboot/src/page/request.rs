//! The head of a request (RFC 9112): as little of it as the page needs, and nothing that two readers could understand in two
//! ways.

/// The longest head that is read. Browsers send one of less than a kilobyte.
pub const MAX_HEAD: usize = 8 << 10;

/// More fields than any browser sends.
const MAX_FIELDS: usize = 64;

/// What may be done with the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Head and body.
    Get,
    /// The head alone.
    Head,
}

/// A request without a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// GET or HEAD.
    pub method: Method,
    /// The path, undecoded, without its query.
    pub path: String,
    /// The one Host field.
    pub host: String,
    /// Where a stream of events broke off.
    pub last_event_id: Option<String>,
}

/// Why there is no answer but an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not a request that this server understands.
    Malformed,
    /// Neither GET nor HEAD.
    Method,
    /// The head is too long.
    TooLong,
    /// Not HTTP/1.0 or 1.1.
    Version,
}

/// What has been read so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// The end of the head has not come yet.
    Partial,
    /// A whole head; what follows it is not looked at.
    Complete(Result<Request, Refusal>),
}

/// Reads what has come of a request.
pub fn parse(bytes: &[u8]) -> Head {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    match end.filter(|end| *end <= MAX_HEAD) {
        Some(end) => Head::Complete(request(bytes.get(..end).unwrap_or_default())),
        None if bytes.len() >= MAX_HEAD => Head::Complete(Err(Refusal::TooLong)),
        // What is not HTTP at all need not be waited for: a TLS greeting, a line end without its CR.
        None if bytes.iter().any(|byte| !is_text(*byte)) || has_bare_line_end(bytes) => {
            Head::Complete(Err(Refusal::Malformed))
        }
        None => Head::Partial,
    }
}

/// Visible characters, blanks and line ends; a value may have bytes above 0x7f (obs-text).
fn is_text(byte: u8) -> bool {
    !byte.is_ascii_control() || matches!(byte, b'\r' | b'\n' | b'\t')
}

fn has_bare_line_end(bytes: &[u8]) -> bool {
    let is_bare = |(i, byte): (usize, &u8)| *byte == b'\n' && (i == 0 || bytes.get(i - 1) != Some(&b'\r'));
    bytes.iter().enumerate().any(is_bare)
}

fn request(head: &[u8]) -> Result<Request, Refusal> {
    if head.iter().any(|byte| !is_text(*byte)) || has_bare_line_end(head) {
        return Err(Refusal::Malformed);
    }
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let (method, path) = request_line(lines.next().unwrap_or_default())?;
    let fields: Vec<(&str, &str)> = lines.map(field).collect::<Result<_, _>>()?;
    if fields.len() > MAX_FIELDS {
        return Err(Refusal::TooLong);
    }
    let all = |name: &str| {
        let values = fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.map(|(_, value)| *value).collect::<Vec<&str>>()
    };
    // A body has no meaning here (RFC 9110, 9.3.1), and where it ends is what requests are smuggled with.
    let no_body =
        all("transfer-encoding").is_empty() && all("content-length").iter().all(|length| *length == "0");
    match all("host").as_slice() {
        [host] if no_body => Ok(Request {
            method,
            path: path.to_owned(),
            host: (*host).to_owned(),
            last_event_id: all("last-event-id").first().map(|id| (*id).to_owned()),
        }),
        _ => Err(Refusal::Malformed),
    }
}

/// `GET /path?query HTTP/1.1`: the method and the path.
fn request_line(line: &str) -> Result<(Method, &str), Refusal> {
    let [method, target, version] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(Refusal::Malformed);
    };
    match version {
        "HTTP/1.0" | "HTTP/1.1" => {}
        _ if version.starts_with("HTTP/") => return Err(Refusal::Version),
        _ => return Err(Refusal::Malformed),
    }
    let is_token = !method.is_empty() && method.bytes().all(is_token);
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ if is_token => return Err(Refusal::Method),
        _ => return Err(Refusal::Malformed),
    };
    let path = target.split('?').next().unwrap_or_default();
    let is_plain = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { Ok((method, path)) } else { Err(Refusal::Malformed) }
}

/// `Name: value`. A blank before the colon, or a line that goes on, is an error (RFC 9112, 5.1, 5.2).
fn field(line: &str) -> Result<(&str, &str), Refusal> {
    let (name, value) = line.split_once(':').ok_or(Refusal::Malformed)?;
    let is_name = !name.is_empty() && name.bytes().all(is_token) && !value.contains('\r');
    if is_name { Ok((name, value.trim_matches([' ', '\t']))) } else { Err(Refusal::Malformed) }
}

/// A character of a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Request, Refusal> {
        match parse(text.as_bytes()) {
            Head::Complete(result) => result,
            Head::Partial => panic!("{text:?} is partial"),
        }
    }

    #[test]
    fn a_browsers_request_is_read() {
        let text = "GET /events?x=../.. HTTP/1.1\r\nHost: hc-1.local:8680\r\nAccept: text/event-stream\r\n\
                    last-event-id:  ab \r\nUser-Agent: M\u{fc}ller\r\n\r\nGET /second HTTP/1.1\r\n";
        let expected = Request {
            method: Method::Get,
            path: "/events".to_owned(),
            host: "hc-1.local:8680".to_owned(),
            last_event_id: Some("ab".to_owned()),
        };
        assert_eq!(of(text), Ok(expected));
        let head = of("HEAD / HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert_eq!((head.method, head.path.as_str(), head.last_event_id), (Method::Head, "/", None));
        assert_eq!(
            of("GET /../../etc/shadow HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().path,
            "/../../etc/shadow"
        );
    }

    #[test]
    fn every_beginning_of_a_request_is_waited_for() {
        let text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        (0..text.len()).for_each(|end| assert_eq!(parse(&text.as_bytes()[..end]), Head::Partial, "{end}"));
        assert!(of(text).is_ok());
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        let long = format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "a".repeat(MAX_HEAD));
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(100));
        let table = [
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", Refusal::Method),
            ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", Refusal::Method),
            ("get / HTTP/1.1\r\nHost: x\r\n\r\n", Refusal::Method),
            ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", Refusal::Version),
            ("GET / HTTP/1.1\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\nHost: a\n\n", Refusal::Malformed),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Malformed),
            ("GET http://x/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Malformed),
            ("GET /\u{fc} HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Malformed),
            ("GET /\r\n\r\n", Refusal::Malformed),
            ("\r\n\r\n", Refusal::Malformed),
            ("\u{16}\u{3}\u{1}\u{2}", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nA: \0\r\n", Refusal::Malformed),
            (&long, Refusal::TooLong),
            (&many, Refusal::TooLong),
        ];
        for (text, expected) in table {
            assert_eq!(of(text), Err(expected), "{text:?}");
        }
    }
}
