//! Servers for whole first boots: hc-firstboot itself on directories of its own, which starts the stand-in, which starts a
//! real etcd. Only the machine around them is a fake: systemd, the kernel's files and the passing of time.

mod system;
mod unit;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hc_firstboot::seed::{
    Admin, Clock, Cluster, Endpoint, Etcd, InitServer, Join, K3s, Network, Node, Report, Role, Root, SCHEMA,
    SEED_PATH, Seed, Workload,
};
use hc_firstboot::{RunOutcome, first_boot};
use hcimage::secrets::{ADMIN_CERTIFICATE, ADMIN_KEY, AGENT_TOKEN, BootstrapRole, Secrets, TOKEN};
use tempfile::TempDir;

use system::Machine;
use unit::Unit;

/// How much faster time passes on the machines.
pub(crate) const SPEED: u32 = 10;

/// How long the other servers must be silent, in the machines' time.
pub(crate) const SILENCE: u64 = 60;

/// The machines' whole time for a join.
pub(crate) const JOIN_LIMIT: u64 = 900;

/// Runs a test in a network of its own, where its machines may have any address.
pub(crate) fn in_own_network(name: &str, addresses: &[&str], test: impl FnOnce()) {
    const MARK: &str = "K3S_DOUBLE_TEST_NETWORK";
    if std::env::var_os(MARK).is_none() {
        let status = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(MARK, "1")
            .status()
            .expect("unshare is missing: apt-get install util-linux");
        assert!(status.success(), "{name} in a network of its own: {status}");
        return;
    }
    let ip = |args: &[&str]| {
        let status = Command::new("ip").args(args).status().expect("ip is missing: apt-get install iproute2");
        assert!(status.success(), "ip {args:?}");
    };
    ip(&["link", "set", "lo", "up"]);
    for address in addresses {
        ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]);
    }
    test();
}

/// etcd, by the package that `scripts/setup.sh` unpacks for tests.
fn etcd() -> PathBuf {
    let path = hcimage_testkit::etcd::program();
    assert!(path.exists(), "{} is missing: tests/bases/make.sh --etcd", path.display());
    path
}

/// The servers of a cluster file: their secrets and addresses.
pub(crate) struct Lab {
    pub(crate) secrets: Secrets,
    pub(crate) addresses: Vec<String>,
    etcd: PathBuf,
}

impl Lab {
    pub(crate) fn new(addresses: &[&str]) -> Self {
        let names: Vec<_> =
            (1..=addresses.len()).map(|number| format!("hc-{number}").parse().unwrap()).collect();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let secrets = Secrets::make("home", &names, now.try_into().unwrap()).unwrap();
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        Self { secrets, addresses, etcd: etcd() }
    }

    /// A card with the image of a server, in a machine that is off.
    pub(crate) fn flash(&self, number: usize) -> Host {
        self.flash_with(number, &self.secrets)
    }

    pub(crate) fn flash_with(&self, number: usize, secrets: &Secrets) -> Host {
        let host = Host {
            dir: tempfile::tempdir().unwrap(),
            name: format!("hc-{number}"),
            address: self.addresses[number - 1].clone(),
            etcd: self.etcd.clone(),
            unit: Arc::new(Mutex::new(None)),
            console: Arc::default(),
            cuts: Arc::default(),
        };
        let role = if number == 1 { BootstrapRole::InitServer } else { BootstrapRole::JoinServer };
        let files = secrets.node_files(&host.name.parse().unwrap(), role).unwrap();
        let admin = secrets.admin_files();
        let admin = admin.iter().filter(|_| self.addresses.len() > 1);
        for file in files.iter().chain(admin) {
            host.put(file.path, file.content.expose(), file.mode.into());
        }
        let started = if number == 1 && self.addresses.len() == 1 && self.is_sqlite() {
            String::new()
        } else if number == 1 {
            "cluster-init: true\n".to_owned()
        } else {
            format!("server: https://{}:6443\n", self.addresses[0])
        };
        let config = format!(
            "node-name: {}\nnode-ip: {address}\nbind-address: {address}\nflannel-iface: lo\nlb-server-port: 0\n\
             data-dir: {}\ntoken-file: {}\nagent-token-file: {}\n{started}",
            host.name,
            host.path("/var/lib/rancher/k3s").display(),
            host.path(TOKEN).display(),
            host.path(AGENT_TOKEN).display(),
            address = host.address,
        );
        host.put("/etc/rancher/k3s/config.yaml", &config, 0o600);
        host.faults("");
        host.put("/etc/hostname", "raspberrypi\n", 0o644);
        host.put("/etc/hosts", "127.0.0.1 localhost\n", 0o644);
        host.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0o444);
        host.put(SEED_PATH, &self.seed(number).to_toml().unwrap(), 0o600);
        fs::create_dir_all(host.path("/boot/firmware")).unwrap();
        host
    }

    /// With the first server alone the datastore is the stand-in's file.
    fn is_sqlite(&self) -> bool {
        self.addresses.len() == 1
    }

    /// As `hcimage build` has it for a cluster file with these servers.
    pub(crate) fn seed(&self, number: usize) -> Seed {
        let others = self.addresses.iter().enumerate().filter(|(at, _)| at + 1 != number);
        let servers: Vec<Endpoint> = others.map(|(_, address)| address.parse().unwrap()).collect();
        let join = || Join { servers: servers.clone(), token_file: TOKEN.into(), wait_seconds: JOIN_LIMIT };
        let is_first = number == 1;
        let workload = Workload {
            addons: vec![],
            charts: vec![],
            deployments: vec![],
            components: vec![],
            wait_seconds: 60,
        };
        Seed {
            schema: SCHEMA,
            node: Node { hostname: format!("hc-{number}").parse().unwrap() },
            cluster: Cluster { name: "home".into(), api: None, networks: vec![] },
            role: match is_first {
                true => Role::InitServer(InitServer { nodes: vec![], join_seconds: 0, workload }),
                false => Role::Server(join()),
            },
            etcd: (!self.is_sqlite()).then(|| Etcd {
                silence_seconds: SILENCE,
                partners: is_first.then(join),
                admin: Some(Admin { certificate: ADMIN_CERTIFICATE.into(), key: ADMIN_KEY.into() }),
            }),
            network: Network {
                stack: None,
                link: None,
                interface: None,
                mac: None,
                search: None,
                vlan: None,
                arp_probe: false,
                wait_seconds: 60,
                fixed: None,
            },
            clock: Clock {
                floor: 1_700_000_000,
                ca_not_before: None,
                ntp: vec![],
                wait_seconds: 0,
                require_ntp: false,
            },
            root: Root { grow: false },
            data_disk: None,
            k3s: K3s { ready_seconds: 900, modules: vec![] },
            secrets: hc_firstboot::seed::Secrets {
                remove: if self.is_sqlite() {
                    vec![]
                } else {
                    vec![ADMIN_CERTIFICATE.into(), ADMIN_KEY.into()]
                },
            },
            report: Report { boot_dir: "/boot/firmware".into() },
            bundle: vec![],
        }
    }
}

/// A machine with its card, which may be off.
pub(crate) struct Host {
    dir: TempDir,
    pub(crate) name: String,
    pub(crate) address: String,
    etcd: PathBuf,
    unit: Arc<Mutex<Option<Unit>>>,
    console: Arc<Mutex<Vec<String>>>,
    /// Counts the times that it was powered off: programs of an earlier boot end.
    cuts: Arc<AtomicU64>,
}

/// A first boot that runs.
pub(crate) struct Boot(JoinHandle<Option<RunOutcome>>);

impl Boot {
    /// How it ended; `None` if its power was cut.
    pub(crate) fn end(self) -> Option<RunOutcome> {
        self.0.join().unwrap()
    }
}

impl Host {
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn put(&self, path: &str, content: &str, mode: u32) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// Switches on faults of the stand-in, besides its speed.
    pub(crate) fn faults(&self, more: &str) {
        let text = format!("ready-delay=0\nnode-ready-delay=0\npromote-every=1\n{more}");
        self.put("/etc/rancher/k3s/double-faults", &text, 0o644);
    }

    pub(crate) fn power_on(&self) -> Boot {
        let machine = Machine::new(self);
        machine.start_enabled();
        Boot(thread::spawn(move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| first_boot(&machine)));
            match result {
                Ok(outcome) => Some(outcome),
                Err(thrown) if thrown.is::<system::PowerCut>() => None,
                Err(thrown) => std::panic::resume_unwind(thrown),
            }
        }))
    }

    /// Powers on, and must become Ready.
    pub(crate) fn must_be_ready(&self) {
        let outcome = self.power_on().end();
        assert_eq!(outcome, Some(RunOutcome::Ready), "{}\n{}", self.said(), self.log());
    }

    /// Everything that runs ends at once; the card stays.
    pub(crate) fn power_off(&self) {
        self.cuts.fetch_add(1, Ordering::AcqRel);
        drop(self.unit.lock().unwrap().take());
    }

    /// The console of all boots.
    pub(crate) fn said(&self) -> String {
        self.console.lock().unwrap().join("\n")
    }

    pub(crate) fn status(&self) -> String {
        self.text("/boot/firmware/hcimage-status.txt")
    }

    /// The journal of k3s.
    pub(crate) fn log(&self) -> String {
        self.text("/log")
    }

    pub(crate) fn wait_for(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !done(self) {
            assert!(
                started.elapsed() < Duration::from_secs(90),
                "{}: waited in vain for {what}\n{}\n{}",
                self.name,
                self.said(),
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn wait_for_word(&self, word: &str) {
        self.wait_for(word, |host| host.said().contains(word));
    }

    /// `curl` with the administrator's certificate of the build.
    pub(crate) fn api(&self, lab: &Lab, more: &[&str], path: &str) -> (u16, String) {
        let dir = self.dir.path();
        let [certificate, key] = lab.secrets.admin_files();
        fs::write(dir.join("admin.crt"), certificate.content.expose()).unwrap();
        fs::write(dir.join("admin.key"), key.content.expose()).unwrap();
        fs::write(dir.join("ca.crt"), lab.secrets.server_ca()).unwrap();
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "20", "--write-out", "\n%{http_code}", "--cacert", "ca.crt"])
            .args(["--cert", "admin.crt", "--key", "admin.key"])
            .args(more)
            .arg(format!("https://{}:6443{path}", self.address))
            .current_dir(dir)
            .output()
            .expect("curl is missing: apt-get install curl");
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// A user's object.
    pub(crate) fn create_object(&self, lab: &Lab, name: &str) {
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"a":"b"}}}}"#
        );
        let (status, text) = self.api(lab, &["--data", &body], "/api/v1/namespaces/default/configmaps");
        assert_eq!(status, 201, "{text}");
    }

    pub(crate) fn has_object(&self, lab: &Lab, name: &str) -> bool {
        self.api(lab, &[], &format!("/api/v1/namespaces/default/configmaps/{name}")).0 == 200
    }

    /// The names of etcd's members without their random ends, sorted, and those of learners in brackets.
    pub(crate) fn members(&self, lab: &Lab) -> Vec<String> {
        let token = lab.secrets.server_token();
        let (_, password) = token.expose().split_once("::").unwrap();
        let (_, text) = self.api(lab, &["--user", password], "/db/info");
        let info: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let list = info["members"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> = list
            .iter()
            .map(|member| {
                let name = member["name"].as_str().unwrap_or_default();
                let node = name.rsplit_once('-').map_or(name, |(node, _)| node);
                if member["isLearner"] == true { format!("({node})") } else { node.to_owned() }
            })
            .collect();
        names.sort();
        names
    }

    /// What a data disk at `server/db` would keep when the card is flashed again.
    pub(crate) fn move_datastore_to(&self, other: &Self) {
        let db = "/var/lib/rancher/k3s/server/db";
        let to = other.path(db);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(self.path(db), to).unwrap();
    }

    /// Runs k3s once, as a person does in a shell while the unit is stopped.
    pub(crate) fn run_k3s(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_k3s-double"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("K3S_DOUBLE_ETC", self.path("/etc/rancher"))
            .env("K3S_DOUBLE_ETCD", &self.etcd)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {text}");
        text
    }

    /// The unit alone, as by `systemctl start k3s`.
    pub(crate) fn start_k3s(&self) {
        let mut unit = self.unit.lock().unwrap();
        assert!(unit.is_none());
        *unit = Some(Unit::start(self.dir.path(), &self.etcd));
    }

    /// Another machine's disk with this one's identity, while this one is off.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }
}
