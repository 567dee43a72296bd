//! A node whose files are in a directory of the test and whose k3s "runs", with the real network, time and TLS.

use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hc_firstboot::arp::Mac;
use hc_firstboot::phase::{Phase, all};
use hc_firstboot::report::Known;
use hc_firstboot::seed::Seed;
use hc_firstboot::state::{PhaseName, State};
use hc_firstboot::sys::{Command, Output, RealSystem, Space, Stat, System, TlsError, TlsRequest};
use hc_firstboot::{Context, PhaseError};

use crate::control_plane::{Credentials, expect};

const COMMON: &str = r#"
schema = 3
[node]
hostname = "NAME"
[cluster]
name = "home"
[network]
arp_probe = true
wait_seconds = 60
[clock]
floor = 1795000000
wait_seconds = 30
require_ntp = false
[root]
grow = false
[k3s]
ready_seconds = 300
[report]
boot_dir = "/boot/firmware"
"#;

const SERVER: &str = r#"
[role.init-server]
nodes = ["hc-2", "hc-3"]
join_seconds = 60
[role.init-server.workload]
components = ["coredns", "traefik", "servicelb"]
addons = ["shop"]
wait_seconds = 120
"#;

const AGENT: &str = r#"
[role.agent]
servers = ["10.0.0.1"]
token_file = "/etc/rancher/k3s/token"
wait_seconds = 60
"#;

/// The kubeconfig of somebody, in the form of the one that k3s writes.
pub(crate) fn kubeconfig(port: u16, ca: &str, who: &Credentials) -> String {
    let [ca, certificate, key] = [ca, &who.certificate, &who.key].map(|text| STANDARD.encode(text));
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    \
         server: https://127.0.0.1:{port}\n  name: default\ncontexts:\n- context:\n    cluster: default\n    \
         user: default\n  name: default\ncurrent-context: default\nkind: Config\nusers:\n- name: default\n  user:\n    \
         client-certificate-data: {certificate}\n    client-key-data: {key}\n"
    )
}

/// The node, with the phases of its run.
pub(crate) struct NodeOnCluster {
    seed: Seed,
    phases: Vec<Box<dyn Phase>>,
    machine: Machine,
}

impl NodeOnCluster {
    /// hc-1, the first server.
    pub(crate) fn server() -> Self {
        Self::new("hc-1", SERVER)
    }

    /// hc-2, an agent.
    pub(crate) fn agent() -> Self {
        Self::new("hc-2", AGENT)
    }

    fn new(name: &str, role: &str) -> Self {
        let machine = Machine(tempfile::tempdir().unwrap());
        let manifests = machine.place(Path::new("/var/lib/rancher/k3s/server/manifests"));
        fs::create_dir_all(manifests).unwrap();
        let seed = Seed::parse(&format!("{}{role}", COMMON.replace("NAME", name))).unwrap();
        Self { seed, phases: all(), machine }
    }

    /// Writes a file of the node.
    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Where a file of the node is.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.machine.0.path().join(path)
    }

    /// One look of a phase: its notes, or why it goes on waiting.
    pub(crate) fn verify(&self, name: PhaseName) -> Result<Vec<String>, String> {
        let phase = self.phases.iter().find(|phase| phase.name() == name).unwrap();
        let mut cx = Context {
            sys: &self.machine,
            seed: &self.seed,
            state: State::new(String::new()),
            last_seen: None,
            started: RealSystem.uptime(),
            deadline: RealSystem.uptime() + Duration::from_secs(60),
            known: Known::default(),
        };
        phase.apply(&mut cx).and_then(|()| phase.verify(&cx)).map_err(|error| match error {
            PhaseError::Retry(failure) => failure.what,
            PhaseError::Abort(failure) => format!("the run would stop: {failure}"),
        })
    }

    #[track_caller]
    pub(crate) fn says(&self, name: PhaseName, expected: &str) {
        let told = self.verify(name).map_or_else(|why| why, |notes| format!("done: {}", notes.join(", ")));
        expect(&told, expected);
    }
}

/// The real machine, but for the files of k3s and for systemd.
struct Machine(tempfile::TempDir);

impl Machine {
    fn place(&self, path: &Path) -> PathBuf {
        let own = ["/etc/rancher", "/var/lib/rancher"].iter().any(|dir| path.starts_with(dir));
        if own { self.0.path().join(path.strip_prefix("/").unwrap()) } else { path.to_owned() }
    }
}

impl System for Machine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        RealSystem.read(&self.place(path))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        RealSystem.open(&self.place(path))
    }
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        RealSystem.read_at(&self.place(path), offset, length)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        RealSystem.space(&self.place(path))
    }
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        RealSystem.stat(&self.place(path))
    }
    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        RealSystem.read_link(&self.place(path))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealSystem.list(&self.place(dir))
    }
    fn write(&self, path: &Path, _: &[u8], _: u32) -> io::Result<()> {
        panic!("{} is written", path.display())
    }
    fn sync_file(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn wipe(&self, path: &Path) -> io::Result<()> {
        panic!("{} is wiped", path.display())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        panic!("{} is removed", path.display())
    }
    fn rename(&self, from: &Path, _: &Path) -> io::Result<()> {
        panic!("{} is renamed", from.display())
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        panic!("{} is made", path.display())
    }
    fn make_owned_dir(&self, _: &Path, path: &Path, _: u32, _: u32, _: u32) -> io::Result<()> {
        panic!("{} is made", path.display())
    }
    fn run(&self, command: &Command) -> io::Result<Output> {
        assert_eq!(command.program, "systemctl", "an unknown program: {command}");
        let stdout = "ActiveState=active\nSubState=running\nResult=success\nNRestarts=0\nExecMainStatus=0\n"
            .to_owned();
        Ok(Output { success: true, stdout, stderr: String::new() })
    }
    fn hostname(&self) -> String {
        RealSystem.hostname()
    }
    fn set_hostname(&self, _: &str) -> io::Result<()> {
        panic!("the host name is set")
    }
    fn now(&self) -> Duration {
        RealSystem.now()
    }
    fn set_clock(&self, _: Duration) -> io::Result<()> {
        panic!("the clock is set")
    }
    fn uptime(&self) -> Duration {
        RealSystem.uptime()
    }
    fn sleep(&self, time: Duration) {
        RealSystem.sleep(time);
    }
    fn random(&self) -> io::Result<u64> {
        RealSystem.random()
    }
    fn ask_udp(&self, server: SocketAddr, packet: &[u8], wait: Duration) -> io::Result<Vec<u8>> {
        RealSystem.ask_udp(server, packet, wait)
    }
    fn arp_probe(&self, interface: &str, address: Ipv4Addr) -> io::Result<Option<Mac>> {
        RealSystem.arp_probe(interface, address)
    }
    fn ask_tls(&self, request: &TlsRequest<'_>) -> Result<Vec<u8>, TlsError> {
        RealSystem.ask_tls(request)
    }
    fn log(&self, text: &str) {
        println!("{text}");
    }
    fn log_tail(&self) -> Vec<String> {
        Vec::new()
    }
}
