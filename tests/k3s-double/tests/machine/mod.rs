//! Servers for whole first boots: hc-firstboot itself on directories of its own, which starts the stand-in, which starts a
//! real etcd. Only the machine around them is a fake: systemd, the kernel's files and the passing of time.

mod lab;
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

use hc_firstboot::{RunOutcome, first_boot};
use hcimage_testkit::own_network;
use tempfile::TempDir;

pub(crate) use lab::Lab;
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
    let fetch = || drop(hcimage_testkit::unpacked::etcd());
    own_network::in_own_network(name, addresses, &["--user", "--map-root-user"], fetch, test);
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
