//! A stand-in for the controller of a Turing Pi 2: it says itself that it is one. It has the API of bmcd 2.3 as far as a flash uses it,
//! and its habits: slots counted from 0 and from 1, one job at a time which a new request ends, ten seconds to begin the upload, five
//! wrong passwords and then a ban, an answer to an upload only at its end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "turing-test";
const TOKEN: &str = "a-token-of-the-stand-in";

/// What goes wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// A module that it does not know, such as a CM5.
    Module,
    /// The connection of the upload ends in its midst, and the job with it.
    Breaks,
    /// What was read back differs.
    Checksum,
    /// It takes bytes slowly.
    Slow,
    /// Its answers are those of another program.
    Other,
    /// It answers with megabytes.
    Endless,
}

/// Its job.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Job {
    Ready,
    Transferring { id: u64, size: u64, written: u64, taken: bool },
    Done(u64),
    Error(String),
}

/// What happened.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) fault: Fault,
    job: Job,
    next: u64,
    bad_logins: u32,
    /// Requests in order, without their bodies.
    pub(crate) requests: Vec<String>,
    /// What was uploaded.
    pub(crate) received: Vec<u8>,
}

pub(crate) struct Double {
    pub(crate) port: u16,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Double {
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State {
            fault,
            job: Job::Ready,
            next: 7,
            bad_logins: 0,
            requests: Vec::new(),
            received: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let config = tls();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for peer in listener.incoming().map_while(Result::ok) {
                let (state, config) = (Arc::clone(&shared), Arc::clone(&config));
                thread::spawn(move || drop(serve(peer, config, &state)));
            }
        });
        Self { port, state }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    /// As if somebody else had begun a job.
    pub(crate) fn make_busy(&self) {
        self.state.lock().unwrap().job = Job::Transferring { id: 1, size: 9, written: 3, taken: true };
    }

    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.state.lock().unwrap().job, Job::Transferring { id: 1, .. })
    }
}

/// A certificate of its own making, another one at each start.
fn tls() -> Arc<ServerConfig> {
    let own = rcgen::generate_simple_self_signed(["turingpi.local".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

/// One request, and the end of the connection.
fn serve(peer: TcpStream, config: Arc<ServerConfig>, state: &Mutex<State>) -> io::Result<()> {
    peer.set_read_timeout(Some(Duration::from_secs(30)))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, peer));
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut length, mut authorised) = (0_u64, false);
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let header = header.trim();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => authorised = value == format!("Bearer {TOKEN}"),
            _ => {}
        }
    }
    state.lock().unwrap().requests.push(target.clone());
    let fault = state.lock().unwrap().fault;
    let (status, body) = if fault == Fault::Other {
        ("200 OK", "<html>a router</html>".to_owned())
    } else if fault == Fault::Endless {
        ("200 OK", "x".repeat(64 << 20))
    } else if target == "/api/bmc/authenticate" {
        let mut body = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut body)?;
        login(&body, &mut state.lock().unwrap())
    } else if !authorised {
        ("401 Unauthorized", "no authorization header provided".to_owned())
    } else if let Some(rest) = target.strip_prefix("/api/bmc/upload/") {
        match rest.strip_suffix("/cancel") {
            Some(_) => {
                state.lock().unwrap().job = Job::Error("cancelled by user".to_owned());
                ("200 OK", String::new())
            }
            None => upload(&mut stream, rest.parse().unwrap(), length, state)?,
        }
    } else {
        command(&target, state)
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nServer: stand-in-for-a-turing-pi\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn login(body: &[u8], state: &mut State) -> (&'static str, String) {
    let given: Value = serde_json::from_slice(body).unwrap_or_default();
    if state.bad_logins >= 5 {
        return (
            "403 Forbidden",
            "Exceeded allowed authentication attempts. Access blocked for 1m".to_owned(),
        );
    }
    if given["username"] != "root" || given["password"] != PASSWORD {
        state.bad_logins += 1;
        return ("403 Forbidden", "credentials incorrect".to_owned());
    }
    ("200 OK", json!({ "id": TOKEN, "name": "User Session" }).to_string())
}

fn command(target: &str, state: &Mutex<State>) -> (&'static str, String) {
    let query = target.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let value = |key: &str| {
        query.split('&').find_map(|pair| pair.strip_prefix(&format!("{key}=")).map(str::to_owned))
    };
    let mut state_now = state.lock().unwrap();
    match (value("opt").as_deref(), value("type").as_deref()) {
        (Some("get"), Some("flash")) => ("200 OK", shown(&state_now.job).to_string()),
        (Some("set"), Some("flash")) => {
            let (Some(node), Some(size)) =
                (value("node"), value("length").and_then(|size| size.parse().ok()))
            else {
                return ("400 Bad Request", json!({ "response": ["Invalid query parameter"] }).to_string());
            };
            if !["0", "1", "2", "3"].contains(&node.as_str()) {
                return (
                    "400 Bad Request",
                    json!({ "response": ["Parameter `node` is out of range 0..3"] }).to_string(),
                );
            }
            state_now.next += 1;
            let id = state_now.next;
            state_now.job = Job::Transferring { id, size, written: 0, taken: false };
            ("200 OK", json!({ "handle": id }).to_string())
        }
        (Some("set"), Some("power")) => ("200 OK", json!({ "response": [{ "result": "ok" }] }).to_string()),
        _ => ("400 Bad Request", json!({ "response": ["Invalid `type` parameter"] }).to_string()),
    }
}

fn shown(job: &Job) -> Value {
    match job {
        Job::Ready => json!("Ready"),
        Job::Transferring { id, size, written, .. } => json!({ "Transferring": {
            "id": id, "process_name": "Node os install service", "size": size, "cancelled": false, "bytes_written": written } }),
        Job::Done(size) => json!({ "Done": [{ "secs": 1, "nanos": 0 }, size] }),
        Job::Error(said) => json!({ "Error": said }),
    }
}

/// The one file of a form.
fn upload(
    stream: &mut impl BufRead,
    handle: u64,
    length: u64,
    state: &Mutex<State>,
) -> io::Result<(&'static str, String)> {
    let bad = |said: &str| Ok(("400 Bad Request", json!({ "response": [said] }).to_string()));
    let fault = state.lock().unwrap().fault;
    let wanted = match &mut state.lock().unwrap().job {
        Job::Transferring { id, size, taken, .. } if *id == handle && !*taken => {
            *taken = true;
            *size
        }
        _ => return bad("unauthorized request for handle"),
    };
    if fault == Fault::Module {
        // It finds out when it has started the module, after some of the bytes were taken.
        io::copy(&mut stream.by_ref().take(1 << 20), &mut io::sink())?;
        let said = "Compute module's USB interface not found or supported".to_owned();
        state.lock().unwrap().job = Job::Error(said.clone());
        return Ok(("500 Internal Server Error", json!({ "response": [said] }).to_string()));
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_until(b'\n', &mut head)?;
    }
    let boundary = head.split(|byte| *byte == b'\r').next().unwrap().to_vec();
    let file = length - u64::try_from(head.len() + boundary.len() + 6).unwrap();
    let mut received = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    while u64::try_from(received.len()).unwrap() < file {
        let left = usize::try_from(file).unwrap() - received.len();
        let read = stream.read(&mut chunk[..left.min(64 << 10)])?;
        if read == 0 {
            state.lock().unwrap().job = Job::Error("Multipart form invalid".to_owned());
            return bad("missing bytes");
        }
        received.extend_from_slice(&chunk[..read]);
        if fault == Fault::Slow {
            thread::sleep(Duration::from_millis(20));
        }
        if fault == Fault::Breaks && received.len() > 2 << 20 {
            state.lock().unwrap().job = Job::Error("Error loading USB device: gone".to_owned());
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut state = state.lock().unwrap();
        match &mut state.job {
            Job::Transferring { id, written, .. } if *id == handle => {
                *written += u64::try_from(read).unwrap()
            }
            _ => {
                return Ok((
                    "500 Internal Server Error",
                    json!({ "response": ["transfer canceled"] }).to_string(),
                ));
            }
        }
    }
    let mut state = state.lock().unwrap();
    if file != wanted {
        state.job = Job::Error("cancelled by user".to_owned());
        return bad("missing bytes");
    }
    state.job =
        if fault == Fault::Checksum { Job::Error("CRC mismatch".to_owned()) } else { Job::Done(wanted) };
    state.received = received;
    Ok(("200 OK", "null".to_owned()))
}
