//! kine as k3s starts it, and its log as k3s has it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hc_firstboot::k3s_diagnosis;
use hc_firstboot::mask::mask;
use serde_json::Value;

use crate::cards::Card;
use crate::control_plane::{end, program};

/// Far more than a start takes: only a hang gets there.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// What k3s gives to kine of its four settings (`pkg/cli/server/server.go`).
#[derive(Clone, Default)]
pub(crate) struct Given {
    pub(crate) endpoint: String,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl Given {
    pub(crate) fn of(card: &Card) -> Self {
        Self {
            endpoint: card.setting("datastore-endpoint").expect("datastore-endpoint"),
            ca: card.file("datastore-cafile"),
            certificate: card.file("datastore-certfile"),
            key: card.file("datastore-keyfile"),
        }
    }
}

/// The process; killed when it is dropped, since kine does not end by a signal before it has its database.
pub(crate) struct Kine {
    dir: PathBuf,
    given: Given,
    child: Option<Child>,
}

impl Kine {
    pub(crate) fn start(dir: &Path, given: &Given) -> Self {
        let mut kine = Self { dir: dir.to_owned(), given: given.clone(), child: None };
        kine.restart();
        kine
    }

    /// For kube-apiserver.
    pub(crate) fn socket(&self) -> String {
        format!("unix://{}", self.dir.join("kine.sock").display())
    }

    fn restart(&mut self) {
        let log = File::options().create(true).append(true).open(self.dir.join("kine.log")).unwrap();
        let mut command = Command::new(program("HCIMAGE_KINE"));
        // As k3s' DefaultEndpointConfig has it. JSON keeps the messages as they are.
        command
            .args(["--emulated-etcd-version=3.6.14", "--compact-interval=0s", "--metrics-bind-address=0"])
            .args(["--log-format=json", "--listen-address", &self.socket()])
            .env("KINE_ENDPOINT", &self.given.endpoint);
        let files = [("ca", &self.given.ca), ("cert", &self.given.certificate), ("key", &self.given.key)];
        for (name, file) in files {
            command.args(file.iter().map(|file| format!("--{name}-file={}", file.display())));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// Started again where it has ended, as systemd does with k3s.
    pub(crate) fn keep(&mut self) {
        if self.has_ended() {
            sleep(Duration::from_millis(500));
            self.restart();
        }
    }

    /// What it has logged, a message a line, as k3s logs it: the level and the quoted message.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join("kine.log")).unwrap();
        let as_k3s = |line: &str| {
            let Ok(entry) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
            format!("level={} msg={}", entry["severity"].as_str().unwrap(), entry["message"])
        };
        text.lines().map(as_k3s).collect()
    }

    /// The log as hc-firstboot reads it, and what it finds in it.
    pub(crate) fn diagnosis(&self) -> (Vec<String>, Option<(&'static str, &'static str)>) {
        let masked: Vec<String> = self.log().iter().map(|line| mask(line)).collect();
        let found = k3s_diagnosis::of_database(&masked);
        (masked, found)
    }

    pub(crate) fn wait(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        while !done(self) {
            assert!(began.elapsed() < LIMIT, "{what}: waited in vain\n{}", self.log().join("\n"));
            sleep(Duration::from_millis(100));
        }
    }

    /// Kept alive until it serves.
    pub(crate) fn wait_until_it_serves(&mut self) {
        self.wait("kine to serve", |kine| {
            kine.keep();
            kine.log().iter().any(|line| line.contains("Kine available at"))
        });
    }
}

impl Drop for Kine {
    fn drop(&mut self) {
        end(self.child.take());
    }
}
