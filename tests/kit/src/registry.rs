//! A real registry on loopback, Debian's docker-registry, which skopeo fills.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::external_tool::external_tool;
use crate::oci_layout::Layout;
use crate::tools::run;
use crate::unpacked;

/// What [`Registry::push`] takes from a layout.
pub const LAYOUT_NAME: &str = "shop";

/// A registry that ends with this value.
pub struct Registry {
    child: Child,
    pub port: u16,
    dir: PathBuf,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    /// What a cluster file says of registries that this one plays, over HTTP.
    pub fn mirrors(&self, of: impl IntoIterator<Item = impl AsRef<str>>) -> String {
        let table = |of: &str| {
            format!("[registries.mirrors.{of:?}]\nendpoint = [\"http://127.0.0.1:{}\"]\n", self.port)
        };
        of.into_iter().map(|of| table(of.as_ref())).collect()
    }

    /// `http` and `auth` are parts of its configuration.
    pub fn start(dir: &Path, http: &str, auth: &str) -> Self {
        let program = unpacked::packages(&["docker-registry"]).join("usr/bin/docker-registry");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        fs::create_dir_all(dir).unwrap();
        let config = dir.join("config.yml");
        let storage = dir.join("storage");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {storage:?}}}\nhttp:\n  addr: \
                 127.0.0.1:{port}\n{http}{auth}"
            ),
        )
        .unwrap();
        let child = Command::new(program)
            .arg("serve")
            .arg(&config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let registry = Self { child, port, dir: dir.to_owned() };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(registry.dir.join("log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(60), "{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        registry
    }

    /// Has skopeo push an image of a layout.
    pub fn push(&self, layout: &Layout, name: &str, more: &[&str]) {
        assert!(external_tool("skopeo", "skopeo"));
        let mut command = Command::new("skopeo");
        command.args(["copy", "--all", "--quiet", "--dest-tls-verify=false"]).args(more);
        run(command
            .arg(format!("oci:{}:{LAYOUT_NAME}", layout.dir.display()))
            .arg(format!("docker://{name}")));
    }

    /// Has skopeo push a packed chart, by way of a layout in `dir`; `name` is without this registry.
    pub fn push_chart(&self, dir: &Path, name: &str, packed: &[u8]) {
        let mut layout = Layout::new(dir);
        let chart = layout.chart(packed);
        layout.add(Some(LAYOUT_NAME), chart);
        self.push(&layout, &format!("127.0.0.1:{}/{name}", self.port), &[]);
    }
}
