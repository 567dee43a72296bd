//! Requests to the controller, each with a limit of time and size.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::blocking::{Body, RequestBuilder, Response};
use reqwest::{StatusCode, Url};
use rustls::ClientConfig;
use rustls::crypto::ring;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::exit_class::{Classified, ExitClass};
use crate::interrupt::Interrupted;
use crate::source::digest::Sha256Digest;

use super::answer::{Session, message};
use super::pin::PinVerifier;
use super::{Host, Slot};

/// For everything but the upload: writing to the module begins only after minutes on some.
const SHORT: Duration = Duration::from_secs(60);

/// The most bytes of an answer.
const LONGEST: u64 = 64 << 10;

/// Why the controller did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// It cannot be reached.
    #[error(
        "asking the controller {host}: is the name right, the Turing Pi on, and its firmware 2.0 or newer (before, it has no https)?"
    )]
    Unreachable {
        /// The host.
        host: Host,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// It shows another certificate than before.
    #[error(
        "the controller {host} shows another certificate than before: SHA-256 {seen}, known is {known}. After an update of its firmware that may \
         be right: then remove the line of {host} from {file}. Else another machine answers in its place: nothing was sent to it"
    )]
    OtherCertificate {
        /// The host.
        host: Host,
        /// What it shows.
        seen: Sha256Digest,
        /// What was known.
        known: Sha256Digest,
        /// Where that is kept.
        file: String,
    },
    /// It does not take the password.
    #[error(
        "the controller {host} does not take the password of {user}: {said}. It was not tried again: after five wrong ones it lets nobody in \
         from here, for a minute and then longer each time"
    )]
    Login {
        /// The host.
        host: Host,
        /// The user.
        user: String,
        /// What it says.
        said: String,
    },
    /// It has a job.
    #[error(
        "the controller {host} is at work already ({job}), and a new job would end that one: wait until it is done"
    )]
    Busy {
        /// The host.
        host: Host,
        /// What it does.
        job: String,
    },
    /// Its module is none that it can write to.
    #[error(
        "the controller does not write to the module in slot {slot}: {said}. It can write to a CM4 with eMMC and to an RK1. A CM4 Lite has a card, \
         which `hcimage flash` writes to in a reader; a CM5 is written to by rpiboot on a carrier board of its own, or its card or NVMe in a reader"
    )]
    Module {
        /// The slot.
        slot: Slot,
        /// What it says.
        said: String,
    },
    /// It says no.
    #[error("the controller says {status}: {said}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What it says.
        said: String,
    },
    /// Its answer is none that it gives.
    #[error(
        "the controller's answer to {what} is not what was expected: {said:?}; expected the API 1.1 (firmware 2.0 or newer)"
    )]
    Answer {
        /// What was asked.
        what: &'static str,
        /// The answer's beginning.
        said: String,
    },
    /// The job failed.
    #[error(
        "the controller stopped: {said}. The module in slot {slot} is off and has half an image; write it again"
    )]
    Job {
        /// The slot.
        slot: Slot,
        /// What it says.
        said: String,
    },
    /// Nothing happens any more.
    #[error(
        "the controller has written nothing for {} minutes. The module in slot {slot} has half an image; write it again", after.as_secs() / 60
    )]
    Stalled {
        /// The slot.
        slot: Slot,
        /// For how long.
        after: Duration,
    },
    /// The image cannot be read.
    #[error("reading the image")]
    Image(#[source] std::io::Error),
    /// TLS cannot be set up.
    #[error("preparing TLS")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody pressed Ctrl-C.
    #[error("stopped; the controller was told, and the module has half an image")]
    Interrupted(#[from] Interrupted),
}

impl Classified for ControllerError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Module { .. } => Some(ExitClass::Unsupported),
            _ => Some(ExitClass::Failed),
        }
    }
}

/// Who asks.
#[derive(Debug)]
pub struct Access {
    /// The controller.
    pub host: Host,
    /// The user there.
    pub user: String,
    /// The password.
    pub password: Zeroizing<String>,
    /// The certificate, where the controller was used before.
    pub pinned: Option<Sha256Digest>,
    /// Where certificates are kept, for messages.
    pub pins: String,
}

/// A controller that has let us in.
pub struct Client {
    http: reqwest::blocking::Client,
    host: Host,
    pinned: Option<Sha256Digest>,
    pins: String,
    seen: Arc<Mutex<Option<Sha256Digest>>>,
    token: Zeroizing<String>,
}

impl Client {
    /// Logs in, once: the controller counts wrong passwords.
    ///
    /// # Errors
    /// See [`ControllerError`].
    pub fn login(access: Access) -> Result<Self, ControllerError> {
        let Access { host, user, password, pinned, pins } = access;
        let provider = Arc::new(ring::default_provider());
        let (verifier, seen) = PinVerifier::new(Arc::clone(&provider), pinned);
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ControllerError::Tls(error.into()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let http = reqwest::blocking::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("hcimage/", env!("CARGO_PKG_VERSION")))
            // With the password only to the host itself, and never by a proxy.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(SHORT)
            .build()
            .map_err(|error| ControllerError::Tls(error.into()))?;
        let mut client = Self { http, host, pinned, pins, seen, token: Zeroizing::default() };
        let body = Zeroizing::new(serde_json::json!({ "username": user, "password": *password }).to_string());
        let request =
            client.http.post(client.url(&["authenticate"], &[])).header("Content-Type", "application/json");
        let (status, said) = client.send(request.body(body.to_string()))?;
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let host = client.host;
            return Err(ControllerError::Login { host, user, said: message(&said) });
        }
        let session: Session = parse("a login", status, &said)?;
        client.token = Zeroizing::new(session.id);
        Ok(client)
    }

    /// The controller.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The certificate that it shows.
    pub fn certificate(&self) -> Option<Sha256Digest> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request whose answer is JSON of this kind.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        query: &[(&str, &str)],
    ) -> Result<T, ControllerError> {
        let (status, said) = self.send(self.authorised(self.http.get(self.url(&[], query))))?;
        parse(what, status, &said)
    }

    /// A request of which only the success matters.
    pub(super) fn set(&self, query: &[(&str, &str)]) -> Result<(), ControllerError> {
        let (status, said) = self.send(self.authorised(self.http.get(self.url(&[], query))))?;
        success(status, &said)
    }

    /// Ends the job that is under way, whosoever it is.
    pub(super) fn cancel(&self, handle: u64) -> Result<(), ControllerError> {
        let url = self.url(&["upload", &handle.to_string(), "cancel"], &[]);
        let (status, said) = self.send(self.authorised(self.http.get(url)))?;
        success(status, &said)
    }

    /// Sends `len` bytes as the file of a form.
    pub(super) fn upload(
        &self,
        handle: u64,
        bytes: impl Read + Send + 'static,
        len: u64,
        within: Duration,
    ) -> Result<(), ControllerError> {
        let boundary = Sha256Digest::of(handle.to_string().as_bytes()).to_string();
        let before = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: application/octet-stream\r\n\r\n",
            super::flash::FILE
        );
        let after = format!("\r\n--{boundary}--\r\n");
        let size = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
        let length = len.saturating_add(size(&before)).saturating_add(size(&after));
        let body = std::io::Cursor::new(before).chain(bytes).chain(std::io::Cursor::new(after));
        let url = self.url(&["upload", &handle.to_string()], &[]);
        let request = self
            .authorised(self.http.post(url))
            .header("Content-Type", format!("multipart/form-data; boundary={boundary}"))
            .timeout(within)
            .body(Body::sized(body, length));
        let (status, said) = self.send(request)?;
        success(status, &said)
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&*self.token)
    }

    fn send(&self, request: RequestBuilder) -> Result<(StatusCode, String), ControllerError> {
        let response = request.send().map_err(|source| self.unreachable(source))?;
        let status = response.status();
        Ok((status, read(response)))
    }

    fn unreachable(&self, source: reqwest::Error) -> ControllerError {
        match (self.pinned, self.certificate()) {
            (Some(known), Some(seen)) if known != seen => ControllerError::OtherCertificate {
                host: self.host.clone(),
                seen,
                known,
                file: self.pins.clone(),
            },
            _ => ControllerError::Unreachable { host: self.host.clone(), source },
        }
    }

    /// The host was read as one of an address, so the address can be read.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> String {
        let mut text = format!("https://{}/api/bmc", self.host);
        for part in path {
            text.push('/');
            text.push_str(part);
        }
        if query.is_empty() {
            return text;
        }
        Url::parse_with_params(&text, query).map(String::from).unwrap_or(text)
    }
}

/// The beginning of the answer.
fn read(response: Response) -> String {
    let mut bytes = Vec::new();
    // An answer that breaks off is not what was expected, and is told as that.
    let _ = response.take(LONGEST).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn success(status: StatusCode, said: &str) -> Result<(), ControllerError> {
    if status.is_success() { Ok(()) } else { Err(ControllerError::Refused { status, said: message(said) }) }
}

fn parse<T: DeserializeOwned>(
    what: &'static str,
    status: StatusCode,
    said: &str,
) -> Result<T, ControllerError> {
    success(status, said)?;
    serde_json::from_str(said)
        .map_err(|_| ControllerError::Answer { what, said: said.chars().take(200).collect() })
}
