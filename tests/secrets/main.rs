//! The cluster's secrets, checked with openssl, curl and kubectl.

#![cfg(test)]

mod certificates;
mod handshake;
mod kubeconfig;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hcimage::secrets::{BootstrapRole, Clock, Secrets, store};
use hcimage::value::Hostname;

/// Now: the external tools use the real clock.
static NOW: LazyLock<i64> = LazyLock::new(|| {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970");
    i64::try_from(since.as_secs()).expect("a clock before the end of time")
});

/// A cluster that was created, written and read back, as in a later build.
struct Cluster {
    dir: tempfile::TempDir,
    secrets: Secrets,
}

impl Cluster {
    fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cluster.secrets.toml");
        let clock = Clock { now: *NOW, build_time: *NOW - 86_400 };
        store::open(&path, name, &[first()], clock).unwrap();
        let cluster = Self { secrets: store::open(&path, name, &[first()], clock).unwrap().secrets, dir };
        cluster.unpack();
        cluster
    }

    /// Writes the first server's files below the directory as below a root, and the administrator's beside them.
    fn unpack(&self) {
        for file in self.secrets.node_files(&first(), BootstrapRole::InitServer).unwrap() {
            let path = self.dir.path().join(file.path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file.content.expose()).unwrap();
        }
        for (key, name) in [("client-certificate-data", "admin.crt"), ("client-key-data", "admin.key")] {
            fs::write(self.dir.path().join(name), self.kubeconfig_value(key)).unwrap();
        }
    }

    fn kubeconfig_value(&self, key: &str) -> Vec<u8> {
        let text = self.secrets.kubeconfig("https://hc-1:6443");
        let mut lines = text.expose().lines();
        let value = lines.find_map(|line| line.trim().strip_prefix(&format!("{key}: ")).map(str::to_owned));
        STANDARD.decode(value.unwrap()).unwrap()
    }

    /// A file of the authorities, such as `server-ca.crt`.
    fn tls(&self, name: &str) -> PathBuf {
        self.dir.path().join("var/lib/rancher/k3s/server/tls").join(name)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn first() -> Hostname {
    "hc-1".parse().unwrap()
}

/// `openssl` with words and then files.
fn openssl(words: &str, files: &[&Path]) -> Command {
    let mut command = Command::new("openssl");
    command.args(words.split(' ')).args(files);
    command
}
