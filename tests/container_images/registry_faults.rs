//! A registry with faults, which is a server of the tests' own: connections that end, answers that lie, and servers that want
//! a password that is not theirs.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hcimage::arch::Arch;
use hcimage::images::{Credentials, RegistryAccess, RegistryHosts};
use hcimage::source::digest::Sha256Digest;
use hcimage::value::Secret;
use hcimage_testkit::desk::{Desk, chain};

use crate::{bundle_with, fetched};
use hcimage_testkit::oci_layout::{Layout, Packed, multi};

/// What a request is answered with.
#[derive(Clone, Debug, Default)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Only so many bytes of the body.
    cut: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
struct Request {
    path: String,
    authorization: Option<String>,
    range: Option<usize>,
}

type Answers = dyn Fn(&Request, &[Request]) -> Answer + Send + Sync;

/// Answers as it is told; keeps what it was asked.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(answers: impl Fn(&Request, &[Request]) -> Answer + Send + Sync + 'static) -> Self {
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

    fn requests(&self) -> Vec<Request> {
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
        let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let mut request = Request { path, authorization: None, range: None };
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "authorization" => request.authorization = Some(value.to_owned()),
                "range" => {
                    request.range = value.trim_start_matches("bytes=").trim_end_matches('-').parse().ok();
                }
                _ => {}
            }
        }
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
struct Pages(HashMap<String, Vec<u8>>);

impl Pages {
    /// `shop/web:1.2`, with a layer of a megabyte that does not pack.
    fn shop(desk: &Desk) -> Self {
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

    fn answer(&self, request: &Request) -> Answer {
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

fn status(status: u16) -> Answer {
    Answer { status, ..Answer::default() }
}

fn with(mut answer: Answer, name: &str, value: &str) -> Answer {
    answer.headers.push((name.to_owned(), value.to_owned()));
    answer
}

fn name(server: &Server) -> String {
    format!("{}/shop/web:1.2", server.address)
}

fn fetch(desk: &Desk, hosts: &RegistryHosts, name: &str) -> Result<Sha256Digest, String> {
    let made = bundle_with(desk, hosts, &[fetched(name)], Arch::Aarch64);
    made.map(|made| made.archive.sha256).map_err(|error| chain(&error))
}

fn password_for(hosts: &[&str]) -> RegistryHosts {
    let credentials = Credentials { username: "pull".to_owned(), password: Secret::new("geheim".to_owned()) };
    let access = |host: &&str| {
        ((*host).to_owned(), RegistryAccess { credentials: Some(credentials.clone()), ca: None })
    };
    RegistryHosts { access: hosts.iter().map(access).collect(), ..RegistryHosts::default() }
}

#[test]
fn a_connection_that_ends_at_any_tenth_of_a_layer_is_resumed_there() {
    let desk = Desk::new();
    let pages = Pages::shop(&desk);
    for tenth in 0..10 {
        let served = pages.clone();
        let server = Server::start(move |request, before| {
            let answer = served.answer(request);
            let is_first = !before.iter().any(|earlier| earlier.path == request.path);
            if answer.body.len() > 100_000 && is_first {
                let cut = answer.body.len() * tenth / 10;
                return Answer { cut: Some(cut), ..answer };
            }
            answer
        });
        let desk = Desk::new();
        fetch(&desk, &RegistryHosts::default(), &name(&server)).unwrap();
        let ranges: Vec<_> = server.requests().into_iter().filter_map(|request| request.range).collect();
        assert_eq!(ranges.len(), usize::from(tenth > 0), "{tenth}: {ranges:?}");
    }
}

#[test]
fn answers_that_lie_are_refused_and_nothing_of_them_is_locked() {
    let pages = Pages::shop(&Desk::new());
    type Lie = fn(&Request, Answer) -> Answer;
    let lies: [(&str, Lie, &str); 5] = [
        (
            "a manifest of another digest",
            |request, mut answer| {
                if request.path.contains("manifests/sha256") {
                    answer.body.push(b' ');
                }
                answer
            },
            "expected sha256",
        ),
        (
            "a layer of another digest",
            |_, mut answer| {
                if answer.body.len() > 100_000 {
                    answer.body[500] ^= 1;
                }
                answer
            },
            "SHA-256",
        ),
        (
            "a layer that is longer",
            |_, mut answer| {
                if answer.body.len() > 100_000 {
                    answer.body.extend([0; 10]);
                }
                answer
            },
            "bytes",
        ),
        (
            "an index of 100 MB",
            |request, mut answer| {
                if request.path.ends_with("/1.2") {
                    answer.body.resize(100 << 20, b' ');
                }
                answer
            },
            "more than 4194304 bytes",
        ),
        (
            "a page for people",
            |request, answer| {
                if request.path.ends_with("/1.2") {
                    return Answer { body: b"<html>log in</html>".to_vec(), ..answer };
                }
                answer
            },
            "expected an image manifest",
        ),
    ];
    for (what, lie, why) in lies {
        let served = pages.clone();
        let server = Server::start(move |request, _| lie(request, served.answer(request)));
        let desk = Desk::new();
        let said = fetch(&desk, &RegistryHosts::default(), &name(&server)).unwrap_err();
        assert!(said.contains(why), "{what}: {said}");
        assert!(!desk.path("hcimage.lock").exists(), "{what}");
    }
}

#[test]
fn refusals_are_told_with_what_to_do() {
    for (code, why) in
        [(403, "docker login"), (404, "check name and tag"), (401, "in a way that is not supported")]
    {
        let server = Server::start(move |_, _| status(code));
        let desk = Desk::new();
        let said = fetch(&desk, &RegistryHosts::default(), &name(&server)).unwrap_err();
        assert!(said.contains(why), "{code}: {said}");
        assert!(server.requests().len() <= 2, "{code}: {:?}", server.requests());
    }
}

#[test]
fn a_registry_that_wants_to_be_left_alone_is() {
    let pages = Pages::shop(&Desk::new());
    let served = pages.clone();
    let server = Server::start(move |request, before| {
        if before.is_empty() { with(status(429), "Retry-After", "2") } else { served.answer(request) }
    });
    let began = Instant::now();
    fetch(&Desk::new(), &RegistryHosts::default(), &name(&server)).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2));
    // For hours nobody waits.
    let server = Server::start(|_, _| with(status(429), "Retry-After", "86400"));
    let said = fetch(&Desk::new(), &RegistryHosts::default(), &name(&server)).unwrap_err();
    assert!(said.contains("429"), "{said}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn redirects_in_a_circle_end() {
    let server = Server::start(|request, _| with(status(307), "Location", &request.path));
    let said = fetch(&Desk::new(), &RegistryHosts::default(), &name(&server)).unwrap_err();
    assert!(said.contains("redirects"), "{said}");
}

/// A registry with a server of tokens; both answer on addresses of their own.
fn with_tokens(pages: &Pages, token: &str) -> (Server, Server) {
    let answer = format!("{{\"token\":\"{token}\"}}").into_bytes();
    let tokens = Server::start(move |_, _| Answer { status: 200, body: answer.clone(), ..Answer::default() });
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"shop\"", tokens.address);
    let (pages, wanted) = (pages.clone(), format!("Bearer {token}"));
    let registry = Server::start(move |request, _| match &request.authorization {
        Some(given) if *given == wanted => pages.answer(request),
        _ => with(status(401), "WWW-Authenticate", &realm),
    });
    (registry, tokens)
}

#[test]
fn a_token_is_fetched_where_the_registry_says_and_no_password_goes_to_another_host() {
    let pages = Pages::shop(&Desk::new());
    let (registry, tokens) = with_tokens(&pages, "t0ken");
    let host = registry.address.to_string();
    // As a mirror, a server of this machine is reached without TLS although it has credentials.
    let mut hosts = password_for(&[&host]);
    hosts.mirrors.insert("registry.example".to_owned(), vec![format!("http://{host}").parse().unwrap()]);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    let asked = tokens.requests();
    assert!(
        asked.iter().all(|request| request.path.contains("scope=repository%3Ashop%2Fweb%3Apull")),
        "{asked:?}"
    );
    assert!(asked.iter().all(|request| request.authorization.is_none()), "{asked:?}");

    // Who names the server of tokens as well means it.
    let mut hosts = password_for(&[&host, &tokens.address.to_string()]);
    hosts.mirrors.insert("registry.example".to_owned(), vec![format!("http://{host}").parse().unwrap()]);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    let last: Vec<_> = tokens.requests().into_iter().filter_map(|request| request.authorization).collect();
    assert_eq!(last, ["Basic cHVsbDpnZWhlaW0="]);
}

#[test]
fn neither_token_nor_password_follows_a_redirect_to_another_host() {
    let pages = Pages::shop(&Desk::new());
    let blobs = pages.clone();
    let storage = Server::start(move |request, _| blobs.answer(request));
    let (served, place) = (pages.clone(), storage.address);
    let registry = Server::start(move |request, _| {
        if request.authorization.as_deref() != Some("Basic cHVsbDpnZWhlaW0=") {
            return with(status(401), "WWW-Authenticate", "Basic realm=\"x\"");
        }
        if request.path.contains("/blobs/") {
            return with(status(307), "Location", &format!("http://{place}{}", request.path));
        }
        served.answer(request)
    });
    let key = registry.address.to_string();
    let mut hosts = password_for(&[&key]);
    hosts.mirrors.insert("registry.example".to_owned(), vec![format!("http://{key}").parse().unwrap()]);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    let there = storage.requests();
    assert!(!there.is_empty() && there.iter().all(|request| request.authorization.is_none()), "{there:?}");
}

#[test]
fn a_mirror_comes_first_and_the_next_one_helps_out() {
    let pages = Pages::shop(&Desk::new());
    let broken = Server::start(|_, _| status(404));
    let good = Server::start(move |request, _| pages.answer(request));
    let mut hosts = RegistryHosts::default();
    let url = |server: &Server| format!("http://{}", server.address).parse().unwrap();
    hosts.mirrors.insert("*".to_owned(), vec![url(&broken), url(&good)]);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    assert!(!broken.requests().is_empty());
}

/// The list of a lock that was written by hand, or a registry that forgot: the digest must be that of the lock.
#[test]
fn a_name_with_another_digest_than_the_lock_is_refused() {
    let desk = Desk::new();
    let pages = Pages::shop(&Desk::new());
    let server = Server::start(move |request, _| pages.answer(request));
    fetch(&desk, &RegistryHosts::default(), &name(&server)).unwrap();
    let path = desk.path("hcimage.lock");
    let lock = std::fs::read_to_string(&path).unwrap();
    let line = lock.lines().find(|line| line.starts_with("sha256")).unwrap().to_owned();
    std::fs::write(&path, lock.replace(&line, &format!("sha256 = \"{}\"", "0".repeat(64)))).unwrap();
    let said = fetch(&desk, &RegistryHosts::default(), &name(&server)).unwrap_err();
    assert!(said.contains("404") && said.contains("hcimage update"), "{said}");
}
