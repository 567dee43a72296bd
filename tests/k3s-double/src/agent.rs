//! `k3s agent`: joins a server and keeps its node registered. A server runs the same for its own node.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::client::Client;
use crate::faults::Faults;
use crate::node::Report;
use crate::pki::Identity;
use crate::secret::Secret;
use crate::settings::{AgentSettings, NodeSettings};
use crate::token::{self, Token};
use crate::url::ServerUrl;
use crate::{balancer, clock, files, images, kubeconfig, log, notify, pki, tls};

/// Between two tries of whatever the server refuses.
const RETRY: Duration = Duration::from_secs(2);
/// Between two reports of the node's state.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long an agent waits for the apiserver before it gives up, as in k3s.
const APISERVER_LIMIT: Duration = Duration::from_secs(15 * 60);

/// One node on its way into the cluster.
pub(crate) struct Agent {
    /// Its settings.
    pub(crate) node: NodeSettings,
    /// The server to join.
    pub(crate) server: ServerUrl,
    /// How to be let in.
    pub(crate) token: Token,
    /// What is to go wrong.
    pub(crate) faults: Faults,
    /// A server's own node: systemd hears of the server, not of it.
    pub(crate) control_plane: bool,
    /// The member of etcd on a server that has one.
    pub(crate) member: Option<String>,
}

/// Runs `k3s agent`; returns only with an error.
///
/// # Errors
/// When the configuration is unusable, the clock is before 1980, or the apiserver does not answer in time.
pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    let settings = AgentSettings::load(arguments)?;
    let faults = Faults::load(&settings.node.etc)?;
    log::info(&format!("Starting k3s agent {} (stand-in for tests)", crate::version()));
    faults.arm();
    clock::refuse_before_1980(clock::now())?;
    let AgentSettings { node, server, token } = settings;
    Agent { node, server, token, faults, control_plane: false, member: None }.run()
}

impl Agent {
    /// Joins, then reports the node's state for ever.
    ///
    /// # Errors
    /// When a file cannot be written or the apiserver does not answer in time.
    pub(crate) fn run(&self) -> Result<()> {
        let local = balancer::start(self.node.lb_port, self.server.clone())?;
        let ca = self.trusted_ca(&local);
        let supervisor = Client::new(local.clone(), tls::client(&ca, None)?)
            // Whatever the token says: k3s joins as an agent (`WithUser("node")`).
            .with_basic("node", &self.token.password)
            .with_header("k3s-Node-Name", self.node.name.clone())
            .with_header("k3s-Node-Password", self.node_password()?.reveal());
        let identity = self.certificate(&supervisor)?;
        self.write_files(&local, &ca, &identity)?;
        retry("Waiting for the server", || supervisor.fetch("/v1-k3s/readyz"));
        let images = images::import_for(&self.node.data)?;
        let api = Client::new(local, tls::client(&ca, Some(&identity))?);
        wait_for_apiserver(&api)?;
        self.register(&api, &images)
    }

    /// Gets the server's CA and holds it against the token, until both agree.
    fn trusted_ca(&self, server: &ServerUrl) -> String {
        retry(&format!("Failed to validate connection to cluster at {}", self.server), || {
            let trusting = Client::new(server.clone(), tls::trusting_client()?);
            let ca = String::from_utf8(trusting.fetch("/cacerts")?).context("the CA bundle is not PEM")?;
            let pinned = Client::new(server.clone(), tls::client(&ca, None)?);
            pinned.fetch("/cacerts").context("CA cert validation failed")?;
            let served = token::ca_hash(ca.as_bytes())?;
            match &self.token.ca_hash {
                None => log::warn("The token does not include a CA hash: the server is not validated"),
                Some(pin) => ensure!(
                    *pin == served,
                    "token CA hash does not match the Cluster CA certificate hash: {pin} != {served}"
                ),
            }
            Ok(ca)
        })
    }

    /// The node's password: made once, then always the same.
    fn node_password(&self) -> Result<Secret> {
        let path = self.node.etc.join("node/password");
        if let Some(text) = files::read_optional(&path)? {
            return Ok(Secret::new(text.trim()));
        }
        let password = Secret::random()?;
        files::write_atomic(&path, 0o600, format!("{}\n", password.reveal()).as_bytes())?;
        Ok(password)
    }

    /// A client certificate for the kubelet, signed on the word of the node's password.
    fn certificate(&self, supervisor: &Client) -> Result<Identity> {
        let (key, request) = pki::request(&format!("system:node:{}", self.node.name))?;
        let chain = retry("Waiting to retrieve agent configuration", || {
            let chain = supervisor.submit("POST", "/v1-k3s/client-kubelet.crt", &request)?;
            String::from_utf8(chain).context("the certificate is not PEM")
        });
        Ok(Identity { chain, key })
    }

    fn write_files(&self, local: &ServerUrl, ca: &str, identity: &Identity) -> Result<()> {
        let dir: PathBuf = self.node.data.join("agent");
        let write =
            |name: &str, mode, text: &str| files::write_atomic(&dir.join(name), mode, text.as_bytes());
        write("server-ca.crt", 0o644, ca)?;
        write("client-kubelet.crt", 0o644, &identity.chain)?;
        write("client-kubelet.key", 0o600, &identity.key)?;
        write("kubelet.kubeconfig", 0o600, &kubeconfig::kubelet(local, &dir))
    }

    /// Registers the node as not ready, tells systemd, then reports for ever.
    fn register(&self, api: &Client, images: &[String]) -> Result<()> {
        if !self.control_plane {
            thread::sleep(self.faults.ready_delay);
            self.faults.hang_if_never_ready();
        }
        let since = clock::rfc3339_now();
        let report = |ready, since: &str| {
            let node = &self.node;
            Report {
                settings: node,
                control_plane: self.control_plane,
                member: self.member.as_deref(),
                ready,
                images,
                since,
            }
            .object()
            .to_string()
        };
        retry("Unable to register node with API server", || {
            api.submit("POST", "/api/v1/nodes", report(false, &since).as_bytes())
        });
        log::info(&format!("Successfully registered node {}", self.node.name));
        if !self.control_plane {
            notify::ready()?;
        }
        thread::sleep(self.faults.node_ready_delay);
        let since = clock::rfc3339_now();
        let path = format!("/api/v1/nodes/{}/status", self.node.name);
        loop {
            let body = report(!self.faults.node_never_ready, &since);
            if let Err(error) = api.submit("PUT", &path, body.as_bytes()) {
                log::error(&format!("Error updating node status, will retry: {error:#}"));
            }
            thread::sleep(HEARTBEAT);
        }
    }
}

fn wait_for_apiserver(api: &Client) -> Result<()> {
    let started = Instant::now();
    while let Err(error) = api.fetch("/readyz") {
        if started.elapsed() > APISERVER_LIMIT {
            bail!("failed to wait for apiserver ready: {error:#}");
        }
        log::info(&format!("Waiting for API server to become available: {error:#}"));
        thread::sleep(RETRY);
    }
    Ok(())
}

/// Tries until it works, and says each time why it did not.
fn retry<T>(what: &str, mut attempt: impl FnMut() -> Result<T>) -> T {
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) => log::error(&format!("{what}: {error:#}")),
        }
        thread::sleep(RETRY);
    }
}
