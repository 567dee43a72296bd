//! As much of HTTP/1.1 as the API needs: one request on a connection, bodies with a Content-Length.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail, ensure};

use crate::clock;

/// Longest head accepted, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;
/// Longest body accepted, in bytes. A node list of any cluster that a test builds is far below.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
const HEADERS: usize = 64;

/// Header fields; names are compared without regard to case.
#[derive(Debug, Default)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn read(parsed: &[httparse::Header<'_>]) -> Result<Self> {
        let field = |header: &httparse::Header<'_>| {
            let value = std::str::from_utf8(header.value).context("a header is not UTF-8")?;
            Ok((header.name.to_owned(), value.to_owned()))
        };
        parsed.iter().map(field).collect::<Result<_>>().map(Self)
    }

    /// The length of the body; `None` when no header tells it.
    fn content_length(&self) -> Result<Option<usize>> {
        ensure!(self.get("transfer-encoding").is_none(), "transfer codings are not supported");
        let Some(text) = self.get("content-length") else { return Ok(None) };
        let length = text.parse().with_context(|| format!("bad Content-Length {text:?}"))?;
        ensure!(length <= BODY_LIMIT, "the body is longer than {BODY_LIMIT} bytes");
        Ok(Some(length))
    }
}

/// A request as a server reads it.
#[derive(Debug)]
pub(crate) struct Request {
    /// `GET`, `POST`, `PUT`
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// What follows the question mark.
    pub(crate) query: String,
    /// All header fields.
    pub(crate) headers: Headers,
    /// Empty when there is none.
    pub(crate) body: Vec<u8>,
}

/// An answer, as a server writes it and a client reads it.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The media type.
    pub(crate) content_type: &'static str,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Reads one request; `None` when the other side closes without one.
    ///
    /// # Errors
    /// When what comes is not such a request.
    pub(crate) fn read(stream: &mut impl Read) -> Result<Option<Self>> {
        let Some((head, rest)) = read_head(stream)? else { return Ok(None) };
        let mut fields = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut fields);
        ensure!(parsed.parse(&head).context("parsing a request")?.is_complete(), "half a request");
        let (Some(method), Some(target)) = (parsed.method, parsed.path) else { bail!("half a request") };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let method = method.to_owned();
        let headers = Headers::read(parsed.headers)?;
        if headers.get("expect").is_some() {
            bail!("Expect is not supported");
        }
        let body = read_body(stream, rest, headers.content_length()?.unwrap_or(0))?;
        Ok(Some(Self { method, path, query, headers, body }))
    }
}

impl Response {
    /// A text answer.
    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain", body: body.into().into_bytes() }
    }

    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, content_type: "application/json", body: body.to_string().into_bytes() }
    }

    /// Writes the answer. It is the last on its connection.
    ///
    /// # Errors
    /// When the other side is gone.
    pub(crate) fn write(&self, stream: &mut impl Write) -> std::io::Result<()> {
        write!(
            stream,
            "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.status,
            reason(self.status),
            clock::http_now(),
            self.content_type,
            self.body.len()
        )?;
        stream.write_all(&self.body)?;
        stream.flush()
    }

    /// Reads the answer to a request.
    ///
    /// # Errors
    /// When the other side closes too early or what comes is not an answer.
    pub(crate) fn read(stream: &mut impl Read) -> Result<Self> {
        let (head, rest) =
            read_head(stream)?.context("the server closed the connection without an answer")?;
        let mut fields = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Response::new(&mut fields);
        ensure!(parsed.parse(&head).context("parsing an answer")?.is_complete(), "half an answer");
        let status = parsed.code.context("an answer without a status")?;
        let length = Headers::read(parsed.headers)?.content_length()?;
        let body = read_body(stream, rest, length.context("an answer without Content-Length")?)?;
        Ok(Self { status, content_type: "", body })
    }

    /// The body as text, for a message.
    pub(crate) fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }
}

/// Reads up to the empty line; returns the head and what came after it.
fn read_head(stream: &mut impl Read) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 2048];
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some((head, rest)) = end.and_then(|end| bytes.split_at_checked(end + 4)) {
            return Ok(Some((head.to_vec(), rest.to_vec())));
        }
        ensure!(bytes.len() <= HEAD_LIMIT, "the head is longer than {HEAD_LIMIT} bytes");
        let count = stream.read(&mut chunk).context("reading from the connection")?;
        if count == 0 && bytes.is_empty() {
            return Ok(None);
        }
        ensure!(count > 0, "the connection ended inside a head");
        bytes.extend(chunk.iter().take(count));
    }
}

fn read_body(stream: &mut impl Read, mut begun: Vec<u8>, length: usize) -> Result<Vec<u8>> {
    let missing = length.checked_sub(begun.len()).context("more bytes came than Content-Length says")?;
    let mut rest = vec![0; missing];
    stream.read_exact(&mut rest).context("reading a body")?;
    begun.append(&mut rest);
    Ok(begun)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Request>> {
        Request::read(&mut text.as_bytes())
    }

    #[test]
    fn a_request_with_query_and_body() {
        let text =
            "POST /a/b?limit=5 HTTP/1.1\r\nHost: x\r\nk3s-Node-Name: hc-1\r\nContent-Length: 3\r\n\r\nabc";
        let request = read(text).unwrap().unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/a/b"));
        assert_eq!(request.headers.get("K3S-NODE-NAME"), Some("hc-1"));
        assert_eq!(request.body, b"abc");
    }

    #[test]
    fn nothing_is_no_request() {
        assert!(read("").unwrap().is_none());
    }

    #[test]
    fn what_is_not_such_a_request_is_refused() {
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(HEAD_LIMIT + 4096));
        for bad in [
            "GET / HTTP/1.1\r\n",
            "GET\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc",
            "GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nabc",
            "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            &long,
        ] {
            assert!(read(bad).is_err(), "{bad:.60}");
        }
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let mut wire = Vec::new();
        Response::text(503, "starting\n").write(&mut wire).unwrap();
        let read = Response::read(&mut wire.as_slice()).unwrap();
        assert_eq!((read.status, read.body_text().as_str()), (503, "starting"));
        wire.truncate(wire.len() - 1);
        assert!(Response::read(&mut wire.as_slice()).is_err());
    }
}
