//! A registry that answers as a test tells it, and keeps what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use hcimage::arch::Arch;
use hcimage::images::{Mirror, NameRewrites, RegistryHosts};
use hcimage::source::digest::Sha256Digest;
use hcimage_testkit::desk::{Desk, chain};
use hcimage_testkit::oci_layout::{Layout, Packed, multi};

use crate::{bundle_with, fetched};

/// What a request is answered with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Only so many bytes of the body.
    pub(crate) cut: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The address that it was sent to.
    pub(crate) host: String,
    pub(crate) authorization: Option<String>,
    pub(crate) range: Option<usize>,
    /// What a POST sends, and as what.
    pub(crate) content_type: Option<String>,
    pub(crate) body: String,
}

type Answers = dyn Fn(&Request, &[Request]) -> Answer + Send + Sync;

/// Answers as it is told; keeps what it was asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(answers: impl Fn(&Request, &[Request]) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, answers): (_, Arc<Answers>) = (requests.clone(), Arc::new(answers));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, kept, answers) = (stream.unwrap(), kept.clone(), answers.clone());
                std::thread::spawn(move || drop(serve(stream, &kept, answers.as_ref())));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Request>>, answers: &Answers) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut request = Request { method, path, ..Request::default() };
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "host" => request.host = value.to_owned(),
                "authorization" => request.authorization = Some(value.to_owned()),
                "range" => {
                    request.range = value.trim_start_matches("bytes=").trim_end_matches('-').parse().ok();
                }
                "content-type" => request.content_type = Some(value.to_owned()),
                "content-length" => length = value.parse().unwrap(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        request.body = String::from_utf8(body).unwrap();
        let answer = {
            let mut kept = kept.lock().unwrap();
            let answer = answers(&request, &kept);
            kept.push(request);
            answer
        };
        write!(out, "HTTP/1.1 {} x\r\n", answer.status)?;
        if !answer.headers.iter().any(|(name, _)| name == "Content-Length") {
            write!(out, "Content-Length: {}\r\n", answer.body.len())?;
        }
        for (name, value) in &answer.headers {
            write!(out, "{name}: {value}\r\n")?;
        }
        out.write_all(b"\r\n")?;
        let length = answer.cut.unwrap_or(answer.body.len()).min(answer.body.len());
        out.write_all(&answer.body[..length])?;
        if length < answer.body.len() {
            return out.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// An image as a registry has it: the answers by path.
#[derive(Clone)]
pub(crate) struct Pages(HashMap<String, Vec<u8>>);

impl Pages {
    /// `shop/web:1.2`, with a layer of a megabyte that does not pack.
    pub(crate) fn shop(desk: &Desk) -> Self {
        let layout = Layout::new(&desk.path("pages"));
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(1 << 20)
        .collect();
        let layer = layout.layer(Packed::Gzip, &[("noise", &noise)]);
        let index = multi(&layout, &["arm64"], &[layer]);
        let mut pages = HashMap::new();
        for entry in std::fs::read_dir(layout.dir.join("blobs/sha256")).unwrap() {
            let path = entry.unwrap().path();
            let (digest, bytes) =
                (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap());
            let kind = if bytes.starts_with(b"{") && String::from_utf8_lossy(&bytes).contains("mediaType") {
                "manifests"
            } else {
                "blobs"
            };
            if index["digest"] == format!("sha256:{digest}") {
                pages.insert("/v2/shop/web/manifests/1.2".to_owned(), bytes.clone());
            }
            pages.insert(format!("/v2/shop/web/{kind}/sha256:{digest}"), bytes);
        }
        Self(pages)
    }

    pub(crate) fn answer(&self, request: &Request) -> Answer {
        let Some(body) = self.0.get(&request.path) else { return status(404) };
        let etag = ("ETag".to_owned(), format!("\"{}\"", Sha256Digest::of(body)));
        match request.range {
            Some(start) if start < body.len() => Answer {
                status: 206,
                headers: vec![
                    ("Content-Range".to_owned(), format!("bytes {start}-{}/{}", body.len() - 1, body.len())),
                    etag,
                ],
                body: body[start..].to_vec(),
                cut: None,
            },
            _ => Answer { status: 200, headers: vec![etag], body: body.clone(), cut: None },
        }
    }
}

pub(crate) fn status(status: u16) -> Answer {
    Answer { status, ..Answer::default() }
}

pub(crate) fn with(mut answer: Answer, name: &str, value: &str) -> Answer {
    answer.headers.push((name.to_owned(), value.to_owned()));
    answer
}

pub(crate) fn name(server: &Server) -> String {
    format!("{}/shop/web:1.2", server.address)
}

/// A mirror at `http://ADDRESS`, with other names for images.
pub(crate) fn mirror(address: &str, rewrites: &[(&str, &str)]) -> Mirror {
    let rewrites = NameRewrites::new(rewrites.iter().copied()).unwrap();
    Mirror::new(&format!("http://{address}").parse().unwrap(), rewrites).unwrap()
}

pub(crate) fn fetch(desk: &Desk, hosts: &RegistryHosts, name: &str) -> Result<Sha256Digest, String> {
    let made = bundle_with(desk, hosts, &[fetched(name)], Arch::Aarch64);
    made.map(|made| made.archive.sha256).map_err(|error| chain(&error))
}
