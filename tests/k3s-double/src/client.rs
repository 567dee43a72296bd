//! Requests to a server over TLS.

use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::http::Response;
use crate::secret::Secret;
use crate::url::ServerUrl;

/// As long as k3s waits for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A server, how to trust it and how to be known to it.
#[derive(Clone)]
pub(crate) struct Client {
    server: ServerUrl,
    tls: Arc<ClientConfig>,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    /// A client of `server`.
    pub(crate) fn new(server: ServerUrl, tls: Arc<ClientConfig>) -> Self {
        Self { server, tls, headers: Vec::new() }
    }

    /// Adds a header field to every request.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Authenticates every request by user and password.
    pub(crate) fn with_basic(self, user: &str, password: &Secret) -> Self {
        let credentials = STANDARD.encode(format!("{user}:{}", password.reveal()));
        self.with_header("Authorization", format!("Basic {credentials}"))
    }

    /// Gets `path`; any status is an answer.
    ///
    /// # Errors
    /// When there is no connection, no trust, or no answer.
    pub(crate) fn get(&self, path: &str) -> Result<Response> {
        self.send("GET", path, &[])
    }

    /// Gets `path` and demands a good status.
    ///
    /// # Errors
    /// As [`Client::get`], and when the status is not 2xx.
    pub(crate) fn fetch(&self, path: &str) -> Result<Vec<u8>> {
        self.get(path).and_then(|answer| self.demand(path, answer))
    }

    /// Sends `body` and demands a good status.
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub(crate) fn submit(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        self.send(method, path, body).and_then(|answer| self.demand(path, answer))
    }

    fn demand(&self, path: &str, answer: Response) -> Result<Vec<u8>> {
        let good = (200..300).contains(&answer.status);
        ensure!(good, "{}{path}: {} {}", self.server, answer.status, answer.body_text());
        Ok(answer.body)
    }

    /// Sends `body`; any status is an answer.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        let exchange = || {
            let mut stream = self.connect()?;
            let mut message = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n",
                self.server.host,
                body.len()
            );
            for (name, value) in &self.headers {
                message.push_str(&format!("{name}: {value}\r\n"));
            }
            message.push_str("\r\n");
            stream.write_all(message.as_bytes()).context("sending the request")?;
            stream.write_all(body).and_then(|()| stream.flush()).context("sending the request")?;
            Response::read(&mut stream)
        };
        exchange().with_context(|| format!("{method} {}{path}", self.server))
    }

    fn connect(&self) -> Result<StreamOwned<ClientConnection, TcpStream>> {
        let name = ServerName::try_from(self.server.host.clone())
            .map_err(|_| anyhow!("{:?} is no host name", self.server.host))?;
        let tls = ClientConnection::new(self.tls.clone(), name).context("starting TLS")?;
        let socket = connect_tcp(&self.server)?;
        Ok(StreamOwned::new(tls, socket))
    }
}

/// Connects to the first address of the server that answers.
///
/// # Errors
/// When none does.
pub(crate) fn connect_tcp(server: &ServerUrl) -> Result<TcpStream> {
    let addresses = (server.host.as_str(), server.port).to_socket_addrs().context("resolving the name")?;
    let mut last = anyhow!("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(socket) => {
                socket.set_read_timeout(Some(TIMEOUT)).context("setting a timeout")?;
                socket.set_write_timeout(Some(TIMEOUT)).context("setting a timeout")?;
                return Ok(socket);
            }
            Err(error) => last = anyhow!(error).context(format!("connecting to {address}")),
        }
    }
    Err(last)
}
