//! The start of a server, step by step, and what it does from then on.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::auth::Passwords;
use super::datastore::{self, Datastore};
use super::routes::{Api, lock};
use crate::agent::Agent;
use crate::client::Client;
use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::manifests::Addons;
use crate::pki::{Ca, Subject};
use crate::secret::Secret;
use crate::settings::ServerSettings;
use crate::token::{self, Token};
use crate::url::ServerUrl;
use crate::workload::Workload;
use crate::{clock, files, kubeconfig, log, notify, tls};

/// Between two looks at the manifests, as in k3s.
const MANIFEST_SCAN: Duration = Duration::from_secs(15);
/// How long a client may take for its request.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The CAs of a k3s server under `server/tls`, of which the stand-in uses the first two.
const OTHER_CAS: [(&str, &str); 3] = [
    ("request-header-ca", "request-header-ca"),
    ("etcd/peer-ca", "etcd-peer-ca"),
    ("etcd/server-ca", "etcd-server-ca"),
];

/// Runs `k3s server`; returns only with an error.
///
/// # Errors
/// When the configuration is unusable, the clock is before 1980 or before the CA, the port is taken, or a file
/// cannot be written.
pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    let settings = ServerSettings::load(arguments)?;
    let faults = Faults::load(&settings.node.etc)?;
    log::info(&format!("Starting k3s {} (stand-in for tests)", crate::version()));
    faults.arm();
    clock::refuse_before_1980(clock::now())?;

    let dir = settings.node.data.join("server");
    let before = datastore::prepare(&settings)?;
    let authorities = Authorities::load_or_make(&dir.join("tls"))?;
    let passwords = settle_tokens(&settings, &dir, &authorities.server.pem)?;
    let own_token = own_token(&passwords, &authorities.server.pem, &faults)?;

    thread::sleep(faults.server_late);
    let listener = TcpListener::bind((settings.bind, settings.port))
        .with_context(|| format!("listening on {}:{}", settings.bind, settings.port))?;
    let local = local_url(&listener)?;
    let config = server_tls(&settings, &authorities)?;
    let client = write_kubeconfig(&settings, &local, &authorities)?;

    let Datastore { state, first, etcd, outside } = before;
    let token = passwords.server.clone();
    let api = Arc::new(Api {
        cacerts: served_ca(&authorities.server.pem, &faults),
        client_ca: authorities.client,
        passwords,
        own_node: settings.node.name.clone(),
        faults: faults.clone(),
        ready: AtomicBool::new(false),
        state: Mutex::new(state),
        addons: Mutex::new(Addons::default()),
        workload: Mutex::new(Workload::packaged(
            &settings.disable,
            faults.workload_delay,
            faults.fails.clone(),
        )),
        tls: dir.join("tls"),
        first,
    });
    accept(listener, config, &api);
    let member = etcd.as_ref().map(|etcd| etcd.place.name.clone());
    datastore::open(etcd, outside, &api, &token, &faults)?;
    become_ready(&api, &client, &faults)?;

    let agent =
        Agent { node: settings.node, server: local, token: own_token, faults, control_plane: true, member };
    thread::spawn(move || {
        if let Err(error) = agent.run() {
            log::fatal(&format!("{error:#}"));
            std::process::exit(1);
        }
    });
    loop {
        let scanned = lock(&api.addons).scan(&dir.join("manifests"), &mut lock(&api.workload));
        if let Err(error) = scanned {
            log::error(&format!("{error:#}"));
        }
        let seen = lock(&api.addons).items(None, &lock(&api.workload));
        if let Err(error) = lock(&api.state).keep_addons(&seen) {
            log::error(&format!("{error:#}"));
        }
        thread::sleep(MANIFEST_SCAN);
    }
}

struct Authorities {
    server: Ca,
    client: Ca,
}

impl Authorities {
    fn load_or_make(dir: &Path) -> Result<Self> {
        for (path, name) in OTHER_CAS {
            Ca::load_or_make(&dir.join(path), name)?;
        }
        Ok(Self {
            server: Ca::load_or_make(&dir.join("server-ca"), "server-ca")?,
            client: Ca::load_or_make(&dir.join("client-ca"), "client-ca")?,
        })
    }
}

/// Finds the passwords (configured, or kept from the last start, or new) and writes the token files.
fn settle_tokens(settings: &ServerSettings, dir: &Path, ca: &str) -> Result<Passwords> {
    let path = dir.join("token");
    let server = match (&settings.token, files::read_optional(&path)?) {
        (Some(token), _) => {
            if let Some(pin) = &token.ca_hash {
                ensure!(
                    *pin == token::ca_hash(ca.as_bytes())?,
                    "the token pins another CA than server/tls/server-ca.crt: no agent could join with it"
                );
            }
            token.password.clone()
        }
        (None, Some(kept)) => Token::parse(kept.trim()).context("reading server/token")?.password,
        (None, None) => Secret::random()?,
    };
    let agent = settings.agent_token.clone().unwrap_or_else(|| server.clone());
    let write = |name: &str, user: &str, secret: &Secret| {
        let text = format!("{}\n", token::format(ca.as_bytes(), user, secret)?);
        files::write_atomic(&dir.join(name), 0o600, text.as_bytes())
    };
    write("token", "server", &server)?;
    write("node-token", "server", &server)?;
    write("agent-token", "node", &agent)?;
    Ok(Passwords { server, agent })
}

/// What the server's own node joins with. The fault `wrong-hash` is for others.
fn own_token(passwords: &Passwords, ca: &str, faults: &Faults) -> Result<Token> {
    let hash = token::ca_hash(ca.as_bytes())?;
    let ca_hash = (!faults.wrong_hash).then_some(hash);
    Ok(Token { ca_hash, user: "node".into(), password: passwords.agent.clone() })
}

fn served_ca(ca: &str, faults: &Faults) -> String {
    if faults.wrong_hash { format!("{ca}\n") } else { ca.to_owned() }
}

/// How programs on this machine reach the server.
fn local_url(listener: &TcpListener) -> Result<ServerUrl> {
    let address = listener.local_addr().context("reading the port of the server")?;
    let ip = if address.ip().is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { address.ip() };
    Ok(ServerUrl { host: ip.to_string(), port: address.port() })
}

fn server_tls(settings: &ServerSettings, authorities: &Authorities) -> Result<Arc<ServerConfig>> {
    let own = [settings.node.name.clone(), settings.node.address.to_string(), settings.bind.to_string()];
    let fixed = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        "::1",
        "10.43.0.1",
    ];
    let mut names: Vec<String> =
        fixed.into_iter().map(str::to_owned).chain(own).chain(settings.tls_san.clone()).collect();
    names.sort();
    names.dedup();
    let identity = authorities.server.sign_server(&Subject { name: "k3s", organization: "k3s" }, names)?;
    tls::server(&identity, &authorities.client.pem)
}

/// Writes the admin's kubeconfig and returns the client that it describes.
fn write_kubeconfig(
    settings: &ServerSettings,
    local: &ServerUrl,
    authorities: &Authorities,
) -> Result<Client> {
    let subject = Subject { name: "system:admin", organization: "system:masters" };
    let identity = authorities.client.sign_client(&subject)?;
    let text = kubeconfig::admin(local, &authorities.server.pem, &identity);
    files::write_atomic(&settings.kubeconfig, settings.kubeconfig_mode, text.as_bytes())?;
    log::info(&format!("Wrote kubeconfig {}", settings.kubeconfig.display()));
    kubeconfig::client(&settings.kubeconfig)
}

/// Makes the apiserver ready after its time, and tells systemd. The server first asks itself over its own TLS:
/// with a clock before the CA's NotBefore nobody could.
fn become_ready(api: &Api, client: &Client, faults: &Faults) -> Result<()> {
    client.fetch("/ping").context("checking the server's own certificate (is the clock right?)")?;
    thread::sleep(faults.ready_delay);
    faults.hang_if_never_ready();
    api.ready.store(true, Ordering::Release);
    client.fetch("/readyz").context("checking the server's own readiness")?;
    log::info("k3s is up and running");
    notify::ready()
}

/// Serves connections, each in its own thread, for the rest of the program.
fn accept(listener: TcpListener, config: Arc<ServerConfig>, api: &Arc<Api>) {
    let api = api.clone();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (config, api) = (config.clone(), api.clone());
            thread::spawn(move || {
                if let Err(error) = serve(socket, config, &api) {
                    log::info(&format!("connection ended: {error:#}"));
                }
            });
        }
    });
}

fn serve(socket: TcpStream, config: Arc<ServerConfig>, api: &Api) -> Result<()> {
    socket.set_read_timeout(Some(CLIENT_TIMEOUT)).context("setting a timeout")?;
    socket.set_write_timeout(Some(CLIENT_TIMEOUT)).context("setting a timeout")?;
    let mut stream = StreamOwned::new(ServerConnection::new(config).context("starting TLS")?, socket);
    let answer = match Request::read(&mut stream) {
        Ok(None) => return Ok(()),
        Ok(Some(request)) => {
            let certificate = stream.conn.peer_certificates().and_then(|chain| chain.first());
            api.answer(&request, certificate)
        }
        // Without a finished handshake there is nobody to answer.
        Err(error) if stream.conn.is_handshaking() => return Err(error),
        Err(error) => Response::text(400, format!("{error:#}\n")),
    };
    answer.write(&mut stream).context("sending the answer")?;
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock).context("closing TLS")?;
    Ok(())
}
