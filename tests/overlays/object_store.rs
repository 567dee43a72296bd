//! What the overlay `object-store` brings, run by the real Garage 2.4.1, which `make garage-test` builds: its configuration, and the
//! script that makes one store of several servers. Each has an address of 127.0.0.0/8 in place of a name; nothing else is changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use yaml_rust2::Yaml;

use super::programs::{Running, container, object, objects, texts, volume};
use super::{FOUR, ONE};
use hcimage_testkit::proof::{OverlayLevel, Proof};

/// Two digits for each name of a secret, as often as its form wants.
fn secret(name: &str) -> String {
    let digit = char::from_digit(u32::try_from(name.len() % 16).unwrap(), 16).unwrap();
    match name {
        "key-id" => format!("GK{}", digit.to_string().repeat(24)),
        _ => digit.to_string().repeat(64),
    }
}

/// Without a hash of the body, which curl of Debian 12 does not send by itself.
const UNSIGNED: &str = "x-amz-content-sha256: UNSIGNED-PAYLOAD";

struct Store {
    dir: tempfile::TempDir,
    objects: Vec<Yaml>,
    /// Their addresses.
    servers: Vec<String>,
    buckets: String,
}

impl Store {
    /// `block` keeps tests apart: the addresses of its servers.
    fn new(block: u8, nodes: &[&str], layout: &str, secret: impl Fn(&str) -> String) -> Self {
        let list: Vec<String> = nodes.iter().map(|node| format!("{node:?}")).collect();
        let tables = format!(
            "[overlays.object-store]\nbuckets = [\"backups\", \"my-photos\"]\nnodes = [{}]\n",
            list.join(", ")
        );
        let objects = objects(&tables, layout, secret);
        let dir = tempfile::tempdir().unwrap();
        let setup = container(&objects, "Deployment", "setup", "setup");
        let value = |name: &str| {
            let env = setup["env"].as_vec().unwrap().iter().find(|env| env["name"].as_str() == Some(name));
            env.unwrap()["value"].as_str().unwrap().to_owned()
        };
        let names: Vec<String> = nodes.iter().map(|node| format!("garage-{node}")).collect();
        assert_eq!(value("SERVERS"), names.join(" "));
        let buckets = value("BUCKETS");
        volume(object(&objects, "ConfigMap", "config"), "data", &dir.path().join("config"));
        volume(object(&objects, "Secret", "setup"), "stringData", &dir.path().join("secrets"));
        // What curl is called with is kept, and the real one called.
        let curl = "#!/bin/sh\nprintf '%s\\n' \"$*\" >>\"$WORK/arguments\"\nexec /usr/bin/curl \"$@\"\n";
        fs::create_dir(dir.path().join("bin")).unwrap();
        let wrapper = dir.path().join("bin/curl");
        fs::write(&wrapper, curl).unwrap();
        fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let servers = (1..=nodes.len()).map(|place| format!("127.{block}.0.{place}")).collect();
        Self { dir, objects, servers, buckets }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&self, place: usize) -> Running {
        let (address, node) = (&self.servers[place], self.path(&format!("node-{place}")));
        fs::create_dir_all(&node).unwrap();
        let config = fs::read_to_string(self.path("config/garage.toml")).unwrap();
        let config = config.replace("/var/lib/garage", &node.display().to_string()).replace("[::]", address);
        fs::write(node.join("garage.toml"), config).unwrap();
        let name =
            self.objects.iter().filter(|object| object["kind"].as_str() == Some("StatefulSet")).nth(place);
        let name = name.unwrap()["metadata"]["name"].as_str().unwrap();
        let container = container(&self.objects, "StatefulSet", name, "garage");
        let words = texts(&container["command"]);
        assert_eq!(words[..2], ["/garage", "-c"]);
        let servers = &object(&self.objects, "Secret", "servers")["stringData"];
        let mut command = Command::new(std::env::var_os("HCIMAGE_GARAGE").expect("make garage-test sets it"));
        command.arg("-c").arg(node.join("garage.toml")).args(&words[3..]);
        for env in container["env"].as_vec().unwrap() {
            let key = env["valueFrom"]["secretKeyRef"]["key"].as_str();
            if let Some(key) = key {
                command.env(env["name"].as_str().unwrap(), servers[key].as_str().unwrap());
            }
        }
        let log = fs::File::create(node.join("log")).unwrap();
        Running(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    /// The script, which runs for ever.
    fn setup(&self, shell: &[&str]) -> Setup {
        let work = tempfile::tempdir_in(self.dir.path()).unwrap().keep();
        let log = work.join("log");
        let child = Command::new(shell[0])
            .args(&shell[1..])
            .arg(self.path("config/setup.sh"))
            .env("PATH", format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap()))
            .env("SERVERS", self.servers.join(" "))
            .env("BUCKETS", &self.buckets)
            .env("SECRETS", self.path("secrets"))
            .env("WORK", &work)
            .stdout(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Setup { child, work }
    }

    /// The status of the readiness probe's path.
    fn health(&self, place: usize) -> String {
        let url = format!("http://{}:3903/health", self.servers[place]);
        let said = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", &url])
            .output()
            .unwrap();
        String::from_utf8(said.stdout).unwrap()
    }

    /// Until then the Service sends nobody there. Servers tell each other how they are every few seconds.
    fn wait_until_ready(&self, place: usize) {
        let began = Instant::now();
        while self.health(place) != "200" {
            let log = fs::read_to_string(self.path(&format!("node-{place}/log"))).unwrap();
            assert!(began.elapsed() < Duration::from_secs(120), "server {place} is not ready: {log}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// A request of S3, signed by curl with the key of the secrets file.
    fn s3(&self, place: usize, path: &str, more: &[&str]) -> Output {
        let setup = &object(&self.objects, "Secret", "setup")["stringData"];
        let user = format!("{}:{}", setup["key-id"].as_str().unwrap(), setup["secret-key"].as_str().unwrap());
        signed(&user).args(more).arg(format!("http://{}:3900/{path}", self.servers[place])).output().unwrap()
    }

    fn version(&self) -> String {
        let token = object(&self.objects, "Secret", "servers")["stringData"]["admin-token"].as_str().unwrap();
        let header = format!("Authorization: Bearer {token}");
        let url = format!("http://{}:3903/v2/GetClusterLayout", self.servers[0]);
        let said = Command::new("curl").args(["-s", "-H", &header, &url]).output().unwrap();
        let layout: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        layout["version"].to_string()
    }
}

struct Setup {
    child: Child,
    work: PathBuf,
}

impl Setup {
    fn log(&self) -> String {
        fs::read_to_string(self.work.join("log")).unwrap()
    }

    /// Far more than it takes: only a hang gets there.
    fn wait(&self, words: &str) -> String {
        let began = Instant::now();
        while !self.log().contains(words) {
            assert!(began.elapsed() < Duration::from_secs(120), "no {words:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        self.log()
    }

    /// What the readiness probe looks at.
    fn is_done(&self) -> bool {
        self.work.join("done").exists()
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        // The signal of the kubelet, which it must not outlive by a pause of a minute.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if began.elapsed() > Duration::from_secs(30) {
                let _ = self.child.kill();
                panic!("the script does not end by a signal");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn body(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// curl, which signs what it asks of S3 with this key.
fn signed(user: &str) -> Command {
    let mut command = Command::new("curl");
    command.args([
        "-s",
        "--fail-with-body",
        "--aws-sigv4",
        "aws:amz:us-east-1:s3",
        "--user",
        user,
        "-H",
        UNSIGNED,
    ]);
    command
}

#[test]
#[ignore = "needs a real Garage: make garage-test"]
fn garage_three_servers_become_one_store_that_outlives_one_of_them() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "object-store");
    let store = Store::new(91, &["pi-1", "pi-2", "pi-4"], FOUR, secret);
    // The first two come first, as on boards that are not equally fast.
    let (mut first, second) = (store.start(0), store.start(1));
    let setup = store.setup(&["dash"]);
    setup.wait(&format!("waiting for {}", store.servers[2]));
    assert!(!setup.is_done() && store.health(0) == "503", "nothing is shared yet");
    let third = store.start(2);
    let told = setup.wait("all is there");
    assert!(told.contains("the layout has version 1"), "{told}");
    while !setup.is_done() {
        std::thread::sleep(Duration::from_millis(20));
    }
    (0..3).for_each(|place| store.wait_until_ready(place));
    body(&store.s3(1, "backups/a%20file", &["-X", "PUT", "--data-binary", "hello"]));
    assert_eq!(body(&store.s3(2, "backups/a%20file", &[])), "hello");
    body(&store.s3(0, "my-photos/one", &["-X", "PUT", "--data-binary", "@/bin/sh"]));
    drop(setup);

    // Again: nothing is made twice.
    let again = store.setup(&["dash"]);
    assert_eq!(again.wait("all is there"), "all is there\n");
    assert_eq!(store.version(), "1");
    drop(again);

    // One server less.
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    let without = store.setup(&["dash"]);
    without.wait(&format!("all is there, but {} does not answer", store.servers[0]));
    assert_eq!(body(&store.s3(2, "backups/a%20file", &[])), "hello");
    body(&store.s3(1, "backups/later", &["-X", "PUT", "--data-binary", "later"]));
    drop(without);

    // It comes back with its data, at a new connection, and then without it.
    drop(first);
    let first = store.start(0);
    let back = store.setup(&["dash"]);
    back.wait("all is there");
    store.wait_until_ready(0);
    assert_eq!(body(&store.s3(0, "backups/later", &[])), "later");
    drop((back, first));
    fs::remove_dir_all(store.path("node-0")).unwrap();
    let first = store.start(0);
    let began = Instant::now();
    while store.health(0) == "000" {
        assert!(began.elapsed() < Duration::from_secs(120), "it does not listen");
        std::thread::sleep(Duration::from_millis(100));
    }
    let anew = store.setup(&["dash"]);
    anew.wait(&format!("{} has begun anew", store.servers[0]));
    assert!(!anew.is_done());
    drop(anew);

    // Nothing secret in what curl was called with.
    for work in fs::read_dir(store.dir.path()).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(arguments) = fs::read_to_string(work.join("arguments")) else { continue };
        assert!(arguments.contains("--config -"), "{arguments}");
        for name in ["admin-token", "secret-key", "rpc-secret"] {
            assert!(!arguments.contains(&secret(name)), "{arguments}");
        }
    }
    drop((first, second, third));
    proof.holds();
}

#[test]
#[ignore = "needs a real Garage: make garage-test"]
fn garage_one_server_is_a_store_and_a_wrong_key_gets_nothing() {
    let store = Store::new(92, &["pi-1"], ONE, secret);
    let server = store.start(0);
    // The image's shell is busybox'.
    let busybox = hcimage_testkit::unpacked::packages(&["busybox-static"]);
    let busybox = ["bin/busybox", "usr/bin/busybox"].map(|path| busybox.join(path));
    let busybox = busybox.iter().find(|path| path.is_file()).unwrap().display().to_string();
    let setup = store.setup(&[&busybox, "sh"]);
    setup.wait("all is there");
    body(&store.s3(0, "my-photos/one", &["-X", "PUT", "--data-binary", "hello"]));
    assert_eq!(body(&store.s3(0, "my-photos/one", &[])), "hello");
    drop(setup);
    // Bytes of a stranger.
    let url = format!("http://{}:3900/my-photos/one", store.servers[0]);
    let user = format!("{}:{}", secret("key-id"), "0".repeat(64));
    let stranger = signed(&user).arg(&url).output().unwrap();
    assert!(!stranger.status.success() && String::from_utf8_lossy(&stranger.stdout).contains("AccessDenied"));
    // The same ID with another secret key.
    fs::write(store.path("secrets/secret-key"), "1".repeat(64)).unwrap();
    let changed = store.setup(&["dash"]);
    changed.wait("has another secret key already");
    assert!(!changed.is_done());
    drop((changed, server));
}

/// Without a Garage: what TOML's and a shell's own parsers say.
#[test]
fn its_configuration_and_script_are_read_without_mistakes() {
    for (tables, factor) in [
        ("nodes = [\"pi-1\", \"pi-2\", \"pi-3\", \"pi-4\"]\nregion = \"a \\\"b\"\n", 3),
        ("nodes = [\"pi-2\", \"pi-1\"]\n", 2),
        ("", 1),
        ("nodes = [\"pi-1\", \"pi-2\"]\ncopies = 1\n", 1),
    ] {
        let tables = format!("[overlays.object-store]\nbuckets = [\"a\"]\n{tables}");
        let objects = objects(&tables, FOUR, secret);
        let data = &object(&objects, "ConfigMap", "config")["data"];
        let config: toml::Table = data["garage.toml"].as_str().unwrap().parse().unwrap();
        assert_eq!(config["replication_factor"].as_integer(), Some(factor), "{tables}");
        assert!(config["s3_api"]["s3_region"].as_str().is_some());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), data["setup.sh"].as_str().unwrap()).unwrap();
        let read = Command::new("dash").arg("-n").arg(file.path()).stderr(Stdio::inherit()).status().unwrap();
        assert!(read.success() && Path::new(file.path()).exists());
    }
}
