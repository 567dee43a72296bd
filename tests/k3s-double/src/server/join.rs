//! A further server: it takes the CAs of the server that it joins. With etcd it has a member of its own (`etcd/`); a
//! stand-in without etcd has no datastore of its own then, and passes on whatever it is asked.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::auth::Caller;
use crate::client::Client;
use crate::http::{Request, Response};
use crate::token::Token;
use crate::url::ServerUrl;
use crate::{files, log, tls, token};

/// Where the first server hands out what a further one needs, as in k3s.
pub(super) const BOOTSTRAP: &str = "/v1-k3s/server-bootstrap";

/// By which one server tells the other for whom it asks.
pub(super) const CALLER: &str = "k3s-double-caller";

/// The CAs, below `server/tls`.
pub(super) const FILES: [&str; 10] = [
    "server-ca.crt",
    "server-ca.key",
    "client-ca.crt",
    "client-ca.key",
    "request-header-ca.crt",
    "request-header-ca.key",
    "etcd/peer-ca.crt",
    "etcd/peer-ca.key",
    "etcd/server-ca.crt",
    "etcd/server-ca.key",
];

const RETRY: Duration = Duration::from_secs(2);

/// What the first server hands out.
///
/// # Errors
/// When a file is missing.
pub(super) fn bootstrap(dir: &Path) -> Result<Value> {
    let mut all = Map::new();
    for name in FILES {
        let text = files::read_optional(&dir.join(name))?.with_context(|| format!("{name} is missing"))?;
        all.insert(name.into(), json!(STANDARD.encode(text)));
    }
    Ok(Value::Object(all))
}

/// What the first server hands out, as a datastore keeps it: the files by their names, as text.
///
/// # Errors
/// When a file is missing.
pub(super) fn plain(dir: &Path) -> Result<Value> {
    let mut all = Map::new();
    for name in FILES {
        let text = files::read_optional(&dir.join(name))?.with_context(|| format!("{name} is missing"))?;
        all.insert(name.into(), json!(text));
    }
    Ok(Value::Object(all))
}

/// Asks a server once, writes its CAs to `dir`, and gives back the way to it.
///
/// # Errors
/// When the server refuses: k3s ends, and its unit starts it again.
pub(super) fn fetch_once(server: &ServerUrl, token: &Token, dir: &Path) -> Result<Client> {
    let (client, all) = ask(server, token).context("failed to bootstrap cluster data")?;
    write(dir, all)?;
    Ok(client)
}

fn write(dir: &Path, all: Vec<(&'static str, String)>) -> Result<()> {
    for (name, text) in all {
        let mode = if name.ends_with(".key") { 0o600 } else { 0o644 };
        files::write_atomic(&dir.join(name), mode, text.as_bytes())?;
    }
    Ok(())
}

/// Waits for the first server, writes its CAs to `dir`, and gives back the way to it.
///
/// # Errors
/// When a file cannot be written. Whatever the server refuses is tried again, as k3s does.
pub(super) fn fetch(server: &ServerUrl, token: &Token, dir: &Path) -> Result<Client> {
    loop {
        match ask(server, token) {
            Ok((client, all)) => {
                write(dir, all)?;
                return Ok(client);
            }
            Err(error) => log::error(&format!("Waiting for other members to finish joining: {error:#}")),
        }
        thread::sleep(RETRY);
    }
}

fn ask(server: &ServerUrl, token: &Token) -> Result<(Client, Vec<(&'static str, String)>)> {
    let trusting = Client::new(server.clone(), tls::trusting_client()?);
    let ca = String::from_utf8(trusting.fetch("/cacerts")?).context("the CA bundle is not PEM")?;
    if let Some(pin) = &token.ca_hash {
        let served = token::ca_hash(ca.as_bytes())?;
        ensure!(
            *pin == served,
            "token CA hash does not match the Cluster CA certificate hash: {pin} != {served}"
        );
    }
    let client = Client::new(server.clone(), tls::client(&ca, None)?).with_basic("server", &token.password);
    let all: Value =
        serde_json::from_slice(&client.fetch(BOOTSTRAP)?).context("reading the bootstrap data")?;
    let read = |name: &'static str| -> Result<(&'static str, String)> {
        let text = all.get(name).and_then(Value::as_str).with_context(|| format!("{name} is not in it"))?;
        let bytes = STANDARD.decode(text).with_context(|| format!("{name} is not base64"))?;
        Ok((name, String::from_utf8(bytes).with_context(|| format!("{name} is not PEM"))?))
    };
    let all = FILES.into_iter().map(read).collect::<Result<_>>().context("reading the bootstrap data")?;
    Ok((client, all))
}

/// Asks the first server in the name of whoever asks this one.
///
/// # Errors
/// When it does not answer.
pub(super) fn pass_on(first: &Client, request: &Request, caller: &Caller) -> Result<Response> {
    let mut client = first.clone().with_header(CALLER, caller.text());
    for name in ["k3s-Node-Name", "k3s-Node-Password"] {
        if let Some(value) = request.headers.get(name) {
            client = client.with_header(name, value);
        }
    }
    let target = if request.query.is_empty() {
        request.path.clone()
    } else {
        format!("{}?{}", request.path, request.query)
    };
    client.send(&request.method, &target, &request.body)
}
