//! Runs the stand-in in directories of its own, on ports of its own, and looks at it with curl and openssl.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Far more than anything takes: only a hang gets there.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_k3s-double");

/// The directories of one node.
pub(crate) struct Node {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) name: &'static str,
}

/// A running stand-in; ends with the test.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    notify: UnixDatagram,
}

impl Node {
    pub(crate) fn new(name: &'static str) -> Self {
        let node = Self { dir: tempfile::tempdir().unwrap(), name };
        fs::create_dir_all(node.etc().join("k3s/config.yaml.d")).unwrap();
        let data = node.data();
        node.config(
            "10-node.yaml",
            &format!(
                "node-name: {name}\nnode-ip: 127.0.0.1\nflannel-iface: lo\nlb-server-port: 0\ndata-dir: {}\n",
                data.display()
            ),
        );
        node.faults("ready-delay=0\nnode-ready-delay=0\n");
        node
    }

    pub(crate) fn server(name: &'static str) -> Self {
        let node = Self::new(name);
        node.config("20-server.yaml", "https-listen-port: 0\nbind-address: 127.0.0.1\n");
        node
    }

    /// An agent of a server that has written its `agent-token`.
    pub(crate) fn agent(name: &'static str, server: &Node) -> Self {
        let token = fs::read_to_string(server.data().join("server/agent-token")).unwrap();
        let node = Self::new(name);
        node.config("20-agent.yaml", &format!("server: {}\ntoken: {token}\n", server.url()));
        node
    }

    pub(crate) fn etc(&self) -> PathBuf {
        self.dir.path().join("etc")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.etc().join("k3s/k3s.yaml")
    }

    pub(crate) fn config(&self, name: &str, text: &str) {
        fs::write(self.etc().join("k3s/config.yaml.d").join(name), text).unwrap();
    }

    pub(crate) fn faults(&self, text: &str) {
        fs::write(self.etc().join("k3s/double-faults"), text).unwrap();
    }

    /// The address that the server wrote into its kubeconfig.
    pub(crate) fn url(&self) -> String {
        let text = fs::read_to_string(self.kubeconfig()).unwrap();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("server: ").map(str::to_owned));
        line.unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env_clear().env("K3S_DOUBLE_ETC", self.etc());
        command
    }

    pub(crate) fn start(&self, role: &str) -> Running {
        self.start_with(self.command(&[role]))
    }

    pub(crate) fn start_with(&self, mut command: Command) -> Running {
        let socket = self.dir.path().join("notify");
        // A restart in the same directories needs the place.
        let _ = fs::remove_file(&socket);
        let notify = UnixDatagram::bind(&socket).unwrap();
        let log = self.dir.path().join("log");
        command.env("NOTIFY_SOCKET", &socket).stdin(Stdio::null()).stderr(File::create(&log).unwrap());
        Running { child: command.spawn().unwrap(), log, notify }
    }

    /// Runs a command that ends, and returns its status and output.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A GET by curl that trusts the server's CA: status and body.
    pub(crate) fn curl(&self, path: &str, more: &[&OsStr]) -> (u16, String) {
        let ca = self.data().join("server/tls/server-ca.crt");
        let mut command = tool("curl", "curl");
        command.args(["--silent", "--show-error", "--write-out", "\n%{http_code}", "--cacert"]).arg(ca);
        let text = succeed(command.args(more).arg(format!("{}{path}", self.url())));
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// The status of the condition Ready of a node, as this server's admin sees it.
    pub(crate) fn ready(&self, node: &str) -> Option<String> {
        let output = self.run(&["kubectl", "get", "node", node, "-o", "json"]);
        let object: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(object.pointer("/status/conditions/0/status")?.as_str()?.to_owned())
    }

    pub(crate) fn wait_ready(&self, node: &str, running: &Running) {
        wait_until("the node to be Ready", running, || self.ready(node).as_deref() == Some("True"));
    }
}

impl Running {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(text, self, || self.log().contains(text));
    }

    /// Waits for the READY=1 that systemd would get.
    pub(crate) fn wait_notified(&self) {
        self.notify.set_nonblocking(true).unwrap();
        wait_until("READY=1", self, || self.notified());
    }

    /// Whether a READY=1 lies in the socket.
    pub(crate) fn notified(&self) -> bool {
        self.notify.set_nonblocking(true).unwrap();
        let mut buffer = [0; 64];
        self.notify.recv(&mut buffer).is_ok_and(|length| &buffer[..length] == b"READY=1\n")
    }

    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < LIMIT, "it did not end; its log:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_until(what: &str, running: &Running, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LIMIT, "waited in vain for {what}; the log:\n{}", running.log());
        sleep(Duration::from_millis(20));
    }
}

/// A command of a Debian package; without it the test fails and names the package.
pub(crate) fn tool(name: &str, package: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).exists()));
    assert!(found, "{name} is missing: apt-get install {package}");
    Command::new(name)
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{error}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// `sha256sum` of a file.
pub(crate) fn sha256sum(path: &Path) -> String {
    let text = succeed(tool("sha256sum", "coreutils").arg(path));
    text.split_whitespace().next().unwrap().to_owned()
}
