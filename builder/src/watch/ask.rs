//! One question to a node, whoever answers: bounded in size, time and redirects.

use std::error::Error;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hc_firstboot::status::{MAX_BYTES, NodeStatus};
use reqwest::blocking::{Client, Response};

/// A wait for one step of an exchange.
const STEP: Duration = Duration::from_secs(4);

/// An exchange as a whole; it may last one step longer.
const WHOLE: Duration = Duration::from_secs(8);

/// Asks nodes.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    client: Client,
    port: u16,
}

impl Asker {
    pub(super) fn new(port: u16) -> Result<Self, reqwest::Error> {
        // The library prepares TLS even for plain HTTP: with a provider (this fails only if one is there, and any works), and
        // without the authorities of this machine, which may have none.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("hcimage/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            // Nodes are on this network: a proxy of the user's is for others.
            .no_proxy()
            .tls_certs_only([])
            .pool_max_idle_per_host(0)
            .connect_timeout(STEP)
            .timeout(STEP)
            .build()?;
        Ok(Self { client, port })
    }

    /// What the node says, or in words why it says nothing. Foreign text in it is not printable yet.
    pub(super) fn ask(&self, address: IpAddr) -> Result<NodeStatus, String> {
        let url = format!("http://{}/status.json", SocketAddr::new(address, self.port));
        let response = self.client.get(url).send().map_err(|e| cause(&e))?;
        if !response.status().is_success() {
            return Err(format!("it answers {}", response.status()));
        }
        NodeStatus::parse(&read(response)?)
    }
}

fn read(mut response: Response) -> Result<Vec<u8>, String> {
    let (begun, mut body, mut chunk) = (Instant::now(), Vec::new(), [0; 4096]);
    loop {
        let length = response.read(&mut chunk).map_err(|e| format!("its answer ends early: {e}"))?;
        if length == 0 {
            return Ok(body);
        }
        body.extend(chunk.iter().take(length));
        if body.len() > MAX_BYTES {
            return Err(format!("its answer is longer than {MAX_BYTES} bytes"));
        }
        if begun.elapsed() > WHOLE {
            return Err(format!("its answer takes longer than {} s", WHOLE.as_secs()));
        }
    }
}

/// The innermost cause: those around it repeat the address.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", STEP.as_secs());
    }
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
