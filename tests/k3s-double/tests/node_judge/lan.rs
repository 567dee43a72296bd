//! The other host: the LAN's name server and certificate authority, the server of a dynamic DNS provider, and the server that a
//! tunnel leads to. Knot, pebble and frps are real; the provider is the tests' own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::tools::run;
use hcimage_testkit::unpacked;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::{LIMIT, built, pods, wait};

/// Its address; the node's is that of the tests' cluster.
pub(crate) const ADDRESS: &str = "10.0.2.2";
pub(crate) const NODE: &str = "10.0.2.11";

/// What may change the zone `example.org`.
pub(crate) const TSIG_NAME: &str = "hcimage-key";
pub(crate) const TSIG_KEY: &str = "c2l4dGVlbiBieXRlcyBvZiBhIGtleSwgYW5kIG1vcmU=";

/// The account at pebble that a cluster must name.
pub(crate) const ACME_KEY_ID: &str = "kid-1";
pub(crate) const ACME_KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// What frps knows the cluster by.
pub(crate) const TUNNEL_TOKEN: &str = "tunnel token of the tests";

/// A request to the provider: its path, and `Authorization`.
type Update = (String, Option<String>);

/// The servers, and the process that holds their network.
pub(crate) struct Lan {
    holder: Child,
    children: Vec<Child>,
    dir: PathBuf,
    /// PEM, of the servers' certificates.
    pub(crate) ca: String,
    /// What the dynamic DNS provider was asked.
    pub(crate) asked: Arc<Mutex<Vec<Update>>>,
}

impl Drop for Lan {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev().chain([&mut self.holder]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Lan {
    pub(crate) fn start(scratch: &Path) -> Self {
        let dir = scratch.join("lan");
        fs::create_dir(&dir).unwrap();
        let holder = Command::new("unshare").args(["--net", "sleep", "1000000"]).spawn().unwrap();
        let mut lan = Self { holder, children: Vec::new(), dir, ca: String::new(), asked: Arc::default() };
        let id = lan.holder.id().to_string();
        // Until it has a network of its own.
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        wait("the other host", LIMIT, || {
            let its = fs::read_link(format!("/proc/{id}/ns/net")).map_err(|error| error.to_string())?;
            if its == own { Err("not yet".to_owned()) } else { Ok(()) }
        });
        for line in [
            "link set lo up".to_owned(),
            format!("link add lan0 type veth peer name lan1 netns {id}"),
            format!("address add {NODE}/24 dev lan0"),
            "link set lan0 up".to_owned(),
            format!("route add default via {ADDRESS}"),
        ] {
            run(Command::new("ip").args(line.split(' ')));
        }
        for line in [
            "link set lo up".to_owned(),
            format!("address add {ADDRESS}/24 dev lan1"),
            "link set lan1 up".to_owned(),
        ] {
            run(lan.inside("ip").args(line.split(' ')));
        }
        lan.make_certificates();
        lan.start_names();
        lan.start_acme();
        lan.start_tunnel();
        lan.start_provider();
        lan
    }

    /// A program on the other host.
    pub(crate) fn inside(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.holder.id())).arg(program);
        command
    }

    /// A page, asked from the other host by a name that leads to the node: status and body.
    pub(crate) fn curl(&self, more: &[&str], url: &str) -> (u16, String) {
        let mut command = self.inside("curl");
        command.args(["--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}"]);
        for name in ["cloud.home.lan", "guarded.home.lan", "traefik.home.lan"] {
            for port in [80, 443] {
                command.args(["--resolve", &format!("{name}:{port}:{NODE}")]);
            }
        }
        let outcome = outcome(command.args(more).arg(url));
        let (body, status) = outcome.stdout.rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or(0), format!("{body}{}", outcome.stderr))
    }

    fn spawn(&mut self, name: &str, command: &mut Command) {
        let log = fs::File::create(self.dir.join(format!("{name}.log"))).unwrap();
        let child =
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.children.push(child);
    }

    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(format!("{name}.log"))).unwrap_or_default()
    }

    fn wait_for(&self, name: &str, port: u16) {
        wait(name, LIMIT, || {
            let open = outcome(self.inside("bash").args(["-c", &format!("</dev/tcp/{ADDRESS}/{port}")]));
            if open.status.success() { Ok(()) } else { Err(self.log(name)) }
        });
    }

    fn make_certificates(&mut self) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "CA of the LAN");
        self.ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let names = ["ca.home.lan", "dyn.home.lan", "localhost"].map(str::to_owned);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        fs::write(self.dir.join("server.crt"), certificate.pem()).unwrap();
        fs::write(self.dir.join("server.key"), key.serialize_pem()).unwrap();
        fs::write(self.dir.join("ca.crt"), &self.ca).unwrap();
    }

    /// Debian's Knot: a zone of the home network, and one that a key may change.
    fn start_names(&mut self) {
        let dir = self.dir.join("names");
        fs::create_dir(&dir).unwrap();
        let soa = "@ 60 SOA ns hostmaster 1 60 60 600 60\n@ 60 NS ns\n";
        fs::write(
            dir.join("home.lan.zone"),
            format!("{soa}ns A {ADDRESS}\nca A {ADDRESS}\ndyn A {ADDRESS}\ncloud A {NODE}\nguarded A {NODE}\ntraefik A {NODE}\nmqtt A {NODE}\n"),
        )
        .unwrap();
        fs::write(dir.join("example.org.zone"), format!("{soa}ns A {ADDRESS}\n")).unwrap();
        let config = format!(
            "server:\n  listen: {ADDRESS}@53\n  rundir: {dir}\nlog:\n  - target: stderr\n    any: info\nkey:\n  - id: {TSIG_NAME}\n    \
             algorithm: hmac-sha256\n    secret: {TSIG_KEY}\nacl:\n  - id: change\n    action: [update, transfer]\n    key: {TSIG_NAME}\n\
             template:\n  - id: default\n    storage: {dir}\n    file: \"%s.zone\"\n    zonefile-sync: -1\n    journal-content: \
             all\n    zonefile-load: difference-no-serial\nzone:\n  - domain: home.lan\n  - domain: example.org\n    acl: change\n\
             database:\n  storage: {dir}\n",
            dir = dir.display()
        );
        fs::write(dir.join("knot.conf"), config).unwrap();
        let root = pods::root();
        let mut command = self.inside(root.join("usr/sbin/knotd"));
        command.arg("--config").arg(dir.join("knot.conf")).env("LD_LIBRARY_PATH", unpacked::libraries(&root));
        self.spawn("knot", &mut command);
        self.wait_for("knot", 53);
    }

    fn start_acme(&mut self) {
        let config = serde_json::json!({"pebble": {
            "listenAddress": "0.0.0.0:14000",
            "managementListenAddress": "0.0.0.0:15000",
            "certificate": self.dir.join("server.crt"),
            "privateKey": self.dir.join("server.key"),
            "httpPort": 80,
            "tlsPort": 443,
            "externalAccountBindingRequired": true,
            "externalAccountMACKeys": {ACME_KEY_ID: ACME_KEY},
        }});
        let path = self.dir.join("pebble.json");
        fs::write(&path, config.to_string()).unwrap();
        let mut command = self.inside(built("pebble"));
        command.arg("-config").arg(path).args(["-dnsserver", &format!("{ADDRESS}:53"), "-strict"]);
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "5");
        self.spawn("pebble", &mut command);
        self.wait_for("pebble", 14000);
    }

    /// The CA that pebble made for itself, which signs what it issues.
    pub(crate) fn acme_root(&self) -> PathBuf {
        let (status, pem) = self.curl(
            &["--cacert", self.dir.join("ca.crt").to_str().unwrap()],
            "https://localhost:15000/roots/0",
        );
        assert_eq!(status, 200, "{pem}");
        let path = self.dir.join("acme-root.crt");
        fs::write(&path, pem).unwrap();
        path
    }

    fn start_tunnel(&mut self) {
        let config = format!(
            "bindPort = 7000\nauth.method = \"token\"\nauth.token = {TUNNEL_TOKEN:?}\nallowPorts = [{{ start = 8080, end = 8443 }}]\n"
        );
        let path = self.dir.join("frps.toml");
        fs::write(&path, config).unwrap();
        let mut command = self.inside(built("frps"));
        command.arg("--config").arg(path);
        self.spawn("frps", &mut command);
        self.wait_for("frps", 7000);
    }

    /// The tests' own, behind HAProxy, which has the certificate: it keeps what it is asked.
    fn start_provider(&mut self) {
        // A thread cannot be on the other host: the proxy there asks this one.
        let listener = TcpListener::bind((NODE, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::clone(&self.asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let Some(request) = lines.next() else { continue };
                let mut authorization = None;
                for line in lines.take_while(|line| !line.is_empty()) {
                    if let Some(value) =
                        line.strip_prefix("authorization: ").or_else(|| line.strip_prefix("Authorization: "))
                    {
                        authorization = Some(value.to_owned());
                    }
                }
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let body = if path == "/ip" { "203.0.113.7\n" } else { "good 203.0.113.7" };
                if path != "/ip" {
                    asked.lock().unwrap().push((path, authorization));
                }
                let _ = write!(
                    &stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        let proxy = format!(
            "global\n  maxconn 20\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\nfrontend f\n  \
             bind {ADDRESS}:443 ssl crt {pem}\n  default_backend b\nbackend b\n  server s {NODE}:{port}\n",
            pem = self.dir.join("server.pem").display()
        );
        let file = |name: &str| fs::read_to_string(self.dir.join(name)).unwrap();
        fs::write(self.dir.join("server.pem"), file("server.crt") + &file("server.key")).unwrap();
        fs::write(self.dir.join("haproxy.cfg"), proxy).unwrap();
        let root = pods::root();
        let mut command = self.inside("env");
        command.arg(format!("LD_LIBRARY_PATH={}", unpacked::libraries(&root)));
        command.arg(root.join("usr/sbin/haproxy")).arg("-f").arg(self.dir.join("haproxy.cfg"));
        self.spawn("haproxy", &mut command);
        self.wait_for("haproxy", 443);
    }
}
