//! etcd and kube-apiserver as child processes, with client certificates, the node authorizer and RBAC, as in k3s.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::panic::Location;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::Value;

use crate::support::{Node, tool};

/// What was not as expected; the rest of a test is still checked.
static MISMATCHES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Prints a text, which must contain another.
#[track_caller]
pub(crate) fn expect(told: &str, expected: &str) {
    println!("  {told}");
    if !told.contains(expected) {
        let place = Location::caller();
        println!("  ^ MISMATCH at {place}: expected {expected:?}");
        MISMATCHES.lock().unwrap().push(format!("{place}: expected {expected:?}, found {told:?}"));
    }
}

/// The end of a test.
pub(crate) fn no_mismatch() {
    let all = std::mem::take(&mut *MISMATCHES.lock().unwrap());
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Far more than a start takes: only a hang gets there.
const LIMIT: Duration = Duration::from_secs(120);

/// A client certificate with its key, PEM.
pub(crate) struct Credentials {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// What the server is asked by: on its own machine, and from pods as the first address of the services.
const SERVER_NAMES: [&str; 4] = ["127.0.0.1", "localhost", "10.43.0.1", "kubernetes.default.svc"];

struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    fn make(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn client(&self, user: &str, group: Option<&str>) -> Credentials {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.distinguished_name.push(DnType::CommonName, user);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Credentials { certificate, key: key.serialize_pem() }
    }
}

/// The processes; they end with the test.
pub(crate) struct ControlPlane {
    dir: tempfile::TempDir,
    pub(crate) port: u16,
    etcd_port: u16,
    etcd: Option<Child>,
    api: Option<Child>,
    /// Of the server's certificate, and one that has signed nothing.
    pub(crate) ca: String,
    pub(crate) other_ca: String,
    /// `system:masters`
    pub(crate) admin: Credentials,
    /// Of hc-1 and of hc-2.
    pub(crate) kubelet: Credentials,
    pub(crate) kubelet_2: Credentials,
    /// Known, and allowed nothing.
    pub(crate) nobody: Credentials,
    /// Signed by a CA that the server does not know.
    pub(crate) stranger: Credentials,
}

/// A program that `make api-test` names.
pub(crate) fn program(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    PathBuf::from(path.unwrap_or_else(|| panic!("{variable} is not set: run make api-test")))
}

/// Ports that were free a moment ago.
pub(crate) fn ports<const N: usize>() -> [u16; N] {
    let sockets = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

impl ControlPlane {
    /// Certificates and etcd, without the API server.
    pub(crate) fn new() -> Self {
        let mut plane = Self::without_etcd();
        let [peer_port] = ports();
        let url = |port| format!("http://127.0.0.1:{port}");
        let arguments = [
            ("data-dir", plane.path("etcd").display().to_string()),
            ("listen-client-urls", url(plane.etcd_port)),
            ("advertise-client-urls", url(plane.etcd_port)),
            ("listen-peer-urls", url(peer_port)),
            ("initial-advertise-peer-urls", url(peer_port)),
            ("initial-cluster", format!("default={}", url(peer_port))),
        ];
        plane.etcd = Some(plane.spawn("HCIMAGE_ETCD", "etcd.log", &arguments));
        plane
    }

    /// The same for an API server that finds its objects elsewhere, by `etcd-servers` among its arguments.
    pub(crate) fn without_etcd() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (server, client) = (Ca::make("server-ca"), Ca::make("client-ca"));
        let mut params = CertificateParams::new(SERVER_NAMES.map(str::to_owned).to_vec()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let serving = server.sign(params);
        let kubelet = |name: &str| client.client(&format!("system:node:{name}"), Some("system:nodes"));
        let [port, etcd_port] = ports();
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        put("server.crt", &serving.certificate);
        put("server.key", &serving.key);
        put("client-ca.crt", &client.pem);
        put("server-ca.crt", &server.pem);
        let accounts = KeyPair::generate().unwrap();
        put("sa.key", &accounts.serialize_pem());
        put("sa.pub", &accounts.public_key_pem());
        let plane = Self {
            port,
            etcd_port,
            etcd: None,
            api: None,
            other_ca: Ca::make("server-ca").pem,
            admin: client.client("system:admin", Some("system:masters")),
            kubelet: kubelet("hc-1"),
            kubelet_2: kubelet("hc-2"),
            nobody: client.client("nobody", None),
            stranger: Ca::make("client-ca").client("system:admin", Some("system:masters")),
            ca: server.pem,
            dir,
        };
        for (name, who) in [("admin", &plane.admin), ("kubelet", &plane.kubelet)] {
            fs::write(plane.path(&format!("{name}.crt")), &who.certificate).unwrap();
            fs::write(plane.path(&format!("{name}.key")), &who.key).unwrap();
        }
        plane
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn spawn(&self, variable: &str, log: &str, arguments: &[(&str, String)]) -> Child {
        let mut command = Command::new(program(variable));
        command.args(arguments.iter().map(|(name, value)| format!("--{name}={value}")));
        let log = File::options().create(true).append(true).open(self.path(log)).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    /// The administrator's, for programs.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let file = |name: &str| self.path(name).display().to_string();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: it\nclusters:\n- name: it\n  cluster:\n    \
             server: https://127.0.0.1:{}\n    certificate-authority: {}\nusers:\n- name: it\n  user:\n    \
             client-certificate: {}\n    client-key: {}\ncontexts:\n- name: it\n  context:\n    cluster: it\n    user: it\n",
            self.port,
            file("server-ca.crt"),
            file("admin.crt"),
            file("admin.key"),
        );
        fs::write(self.path("kubeconfig"), text).unwrap();
        self.path("kubeconfig")
    }

    /// Starts controllers and scheduler, the former with more arguments than all want.
    pub(crate) fn start_controllers(&self, more: &[(&str, String)]) -> [Child; 2] {
        let file = |name: &str| self.path(name).display().to_string();
        let kubeconfig = self.kubeconfig().display().to_string();
        let served = [
            ("kubeconfig", kubeconfig.clone()),
            ("authentication-kubeconfig", kubeconfig.clone()),
            ("authorization-kubeconfig", kubeconfig),
            ("leader-elect", "false".to_owned()),
            ("secure-port", "0".to_owned()),
        ];
        let mut controllers = served.to_vec();
        controllers.extend([
            ("service-account-private-key-file", file("sa.key")),
            ("root-ca-file", file("server-ca.crt")),
            ("use-service-account-credentials", "false".to_owned()),
        ]);
        controllers.extend(more.iter().cloned());
        [
            self.spawn("HCIMAGE_KUBE_CONTROLLER_MANAGER", "controllers.log", &controllers),
            self.spawn("HCIMAGE_KUBE_SCHEDULER", "scheduler.log", &served),
        ]
    }

    /// Starts the API server and waits until it is ready. No controller makes the accounts that pods would need.
    pub(crate) fn start(&mut self) {
        self.start_with(&[("disable-admission-plugins", "ServiceAccount".into())]);
    }

    /// The same, with other arguments beside those that k3s has too.
    pub(crate) fn start_with(&mut self, more: &[(&str, String)]) {
        let file = |name: &str| self.path(name).display().to_string();
        let arguments = [
            ("etcd-servers", format!("http://127.0.0.1:{}", self.etcd_port)),
            ("bind-address", "127.0.0.1".into()),
            ("advertise-address", "192.0.2.1".into()),
            ("secure-port", self.port.to_string()),
            ("tls-cert-file", file("server.crt")),
            ("tls-private-key-file", file("server.key")),
            ("client-ca-file", file("client-ca.crt")),
            ("service-account-issuer", "https://kubernetes.default.svc".into()),
            ("service-account-key-file", file("sa.pub")),
            ("service-account-signing-key-file", file("sa.key")),
            ("service-cluster-ip-range", "10.43.0.0/16".into()),
            // These as k3s has them.
            ("authorization-mode", "Node,RBAC".into()),
            ("enable-admission-plugins", "NodeRestriction".into()),
            ("anonymous-auth", "false".into()),
            ("allow-privileged", "true".into()),
        ];
        // One that is given takes the place of a usual one, as with k3s.
        let is_given = |name: &str| more.iter().any(|(given, _)| *given == name);
        let usual = arguments.into_iter().filter(|(name, _)| !is_given(name));
        let arguments: Vec<_> = usual.chain(more.iter().cloned()).collect();
        self.api = Some(self.spawn("HCIMAGE_KUBE_APISERVER", "api.log", &arguments));
        let started = Instant::now();
        self.wait_for("/readyz");
        self.wait_for("/api/v1/namespaces/kube-system");
        println!("  kube-apiserver is ready after {:.1} s", started.elapsed().as_secs_f32());
    }

    /// Ends it, as a restart of k3s would.
    pub(crate) fn stop(&mut self) {
        end(self.api.take());
    }

    /// How to ask it by curl.
    pub(crate) fn asker(&self) -> Asker {
        Asker { dir: self.dir.path().to_owned(), url: format!("https://127.0.0.1:{}", self.port) }
    }

    pub(crate) fn wait_for(&mut self, path: &str) {
        let started = Instant::now();
        loop {
            let (status, body) = self.asker().try_ask("admin", path, &[]);
            if status == 200 {
                return;
            }
            let log = self.path("api.log");
            let log = || fs::read_to_string(&log).unwrap();
            let ended = self.api.as_mut().is_none_or(|api| api.try_wait().unwrap().is_some());
            assert!(!ended, "kube-apiserver ended; its log:\n{}", log());
            assert!(started.elapsed() < LIMIT, "waited in vain for {path}: {status} {body}\n{}", log());
            sleep(Duration::from_millis(200));
        }
    }

    /// Writes an object as the administrator, which must succeed.
    pub(crate) fn write(&self, method: &str, path: &str, kind: &str, object: &Value) {
        self.write_text(method, path, kind, &object.to_string());
    }

    /// The same for one in another form than JSON.
    pub(crate) fn write_text(&self, method: &str, path: &str, kind: &str, text: &str) {
        let (status, answer) = self.try_write(method, path, kind, text);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    }

    /// Status and answer to an object.
    pub(crate) fn try_write(&self, method: &str, path: &str, kind: &str, text: &str) -> (u16, String) {
        let header = format!("Content-Type: {kind}");
        let more = ["--request", method, "--header", &header, "--data-binary", text];
        self.asker().try_ask("admin", path, &more)
    }
}

pub(crate) fn end(child: Option<Child>) {
    if let Some(mut child) = child {
        // It may have ended by itself already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        end(self.api.take());
        end(self.etcd.take());
    }
}

/// Asks a server by curl, as somebody whose certificate is in a directory.
pub(crate) struct Asker {
    dir: PathBuf,
    url: String,
}

impl Asker {
    /// The stand-in, by the certificates in the kubeconfig files that it wrote.
    pub(crate) fn from_kubeconfigs(node: &Node) -> Self {
        let dir = node.dir.path().join("credentials");
        fs::create_dir_all(&dir).unwrap();
        let put = |name: &str, text: &[u8]| fs::write(dir.join(name), text).unwrap();
        let config = fs::read_to_string(node.kubeconfig()).unwrap();
        for (key, name) in [
            ("certificate-authority-data", "server-ca.crt"),
            ("client-certificate-data", "admin.crt"),
            ("client-key-data", "admin.key"),
        ] {
            let line = config.lines().find_map(|line| line.trim().strip_prefix(&format!("{key}: "))).unwrap();
            put(name, &base64::Engine::decode(&base64::engine::general_purpose::STANDARD, line).unwrap());
        }
        for end in ["crt", "key"] {
            put(
                &format!("kubelet.{end}"),
                &fs::read(node.data().join(format!("agent/client-kubelet.{end}"))).unwrap(),
            );
        }
        Self { dir, url: node.url() }
    }

    /// Status and body, as JSON or as a JSON text.
    pub(crate) fn ask(&self, who: &str, path: &str) -> (u16, Value) {
        let (status, body) = self.try_ask(who, path, &[]);
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    fn try_ask(&self, who: &str, path: &str, more: &[&str]) -> (u16, String) {
        let mut command = tool("curl", "curl");
        command.args(["--silent", "--max-time", "60", "--write-out", "\n%{http_code}", "--cacert"]);
        command.arg(self.dir.join("server-ca.crt"));
        let file = |end: &str| self.dir.join(format!("{who}.{end}"));
        if file("crt").exists() {
            command.args([
                OsStr::new("--cert"),
                file("crt").as_os_str(),
                OsStr::new("--key"),
                file("key").as_os_str(),
            ]);
        }
        let output = command.args(more).arg(format!("{}{path}", self.url)).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or(0), body.to_owned())
    }
}
