//! A publisher for tests: a small HTTP/1.1 server on 127.0.0.1 with files, redirects and injected faults.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hcimage::source::digest::Sha256Digest;
use hcimage::source::url::SourceUrl;

/// The response of a path. Each fault is for one response; afterwards the file is served normally.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Only the status code.
    Status(u16),
    /// Only so many bytes of the body, then the connection is closed.
    CutAfter(usize),
    /// So many bytes of the body, then nothing for the given time.
    StallAfter(usize, Duration),
    /// The range is ignored: the whole file is sent.
    NoRange,
    /// A different range than requested.
    WrongRange,
    /// A body of unknown length, ended by closing.
    NoLength,
}

#[derive(Clone, Debug)]
enum Page {
    File { bytes: Vec<u8>, etag: Option<String> },
    Redirect(String),
}

/// The request of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub path: String,
    pub range: Option<String>,
    pub if_range: Option<String>,
    pub authorization: Option<String>,
}

#[derive(Default)]
struct State {
    pages: HashMap<String, Page>,
    faults: HashMap<String, Vec<Fault>>,
    requests: Vec<Request>,
}

/// The server runs as long as the test process.
pub struct Publisher {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Publisher {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), shared.clone());
                // Some tests close the connection.
                std::thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Self { address, state }
    }

    pub fn url(&self, path: &str) -> SourceUrl {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    /// Serves `bytes` at `path`, with their digest as ETag.
    pub fn file(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        let etag = Some(format!("\"{}\"", Sha256Digest::of(&bytes)));
        self.page(path, Page::File { bytes, etag });
    }

    /// Like [`Publisher::file`], but without a validator of the file's version.
    pub fn file_without_etag(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.page(path, Page::File { bytes: bytes.into(), etag: None });
    }

    /// A file and `<path>.sha256`, as on Raspberry Pi's server.
    pub fn file_with_sum(&self, path: &str, bytes: &[u8]) {
        let name = path.rsplit('/').next().unwrap();
        let digest = Sha256Digest::of(bytes);
        self.file(path, bytes);
        self.file(&format!("{path}.sha256"), format!("{digest}  {name}\n"));
    }

    pub fn redirect(&self, path: &str, location: &str) {
        self.page(path, Page::Redirect(location.to_owned()));
    }

    pub fn remove(&self, path: &str) {
        self.state.lock().unwrap().pages.remove(path);
    }

    fn page(&self, path: &str, page: Page) {
        self.state.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    /// The next responses for `path` have these faults, one each.
    pub fn faults(&self, path: &str, faults: &[Fault]) {
        let faults = faults.iter().rev().cloned().collect();
        self.state.lock().unwrap().faults.insert(path.to_owned(), faults);
    }

    /// All requests so far, which are cleared.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    pub fn take_paths(&self) -> Vec<String> {
        self.take_requests().into_iter().map(|request| request.path).collect()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["GET", path, "HTTP/1.1"] = words[..] else { panic!("not a GET request: {line}") };
        let mut request = Request { path: path.to_owned(), range: None, if_range: None, authorization: None };
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "range" => request.range = Some(value.to_owned()),
                "authorization" => request.authorization = Some(value.to_owned()),
                "if-range" => request.if_range = Some(value.to_owned()),
                _ => {}
            }
        }
        let (page, fault) = {
            let mut state = state.lock().unwrap();
            state.requests.push(request.clone());
            (state.pages.get(path).cloned(), state.faults.get_mut(path).and_then(Vec::pop))
        };
        if !answer(&stream, &request, page, fault)? {
            return stream.shutdown(std::net::Shutdown::Both);
        }
        line.clear();
    }
    Ok(())
}

/// Whether the connection stays open.
fn answer(
    mut stream: &TcpStream,
    request: &Request,
    page: Option<Page>,
    fault: Option<Fault>,
) -> std::io::Result<bool> {
    if let Some(Fault::Status(code)) = fault {
        write!(stream, "HTTP/1.1 {code} Fault\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(true);
    }
    let (bytes, etag) = match page {
        None => {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n")?;
            return Ok(true);
        }
        Some(Page::Redirect(location)) => {
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        }
        Some(Page::File { bytes, etag }) => (bytes, etag),
    };
    let total = bytes.len();
    let tag = etag.as_ref().map(|etag| format!("ETag: {etag}\r\n")).unwrap_or_default();
    let same = request.if_range.is_none() || request.if_range == etag;
    let start = request.range.as_deref().filter(|_| same && !matches!(fault, Some(Fault::NoRange)));
    let start: Option<usize> =
        start.map(|range| range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap());
    let mut start = start.unwrap_or_default();
    if start >= total && total > 0 {
        write!(stream, "HTTP/1.1 416 No\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(true);
    }
    if matches!(fault, Some(Fault::WrongRange)) {
        start /= 2;
    }
    let body = &bytes[start..];
    if matches!(fault, Some(Fault::NoLength)) {
        write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n{tag}\r\n")?;
        stream.write_all(body)?;
        return Ok(false);
    }
    let status = if start > 0 {
        format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}", total - 1)
    } else {
        "200 OK".to_owned()
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{tag}\r\n", body.len())?;
    match fault {
        Some(Fault::CutAfter(n)) => {
            stream.write_all(&body[..n.min(body.len())])?;
            Ok(false)
        }
        Some(Fault::StallAfter(n, time)) => {
            stream.write_all(&body[..n.min(body.len())])?;
            std::thread::sleep(time);
            Ok(false)
        }
        _ => stream.write_all(body).map(|()| true),
    }
}
