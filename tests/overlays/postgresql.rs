//! What the overlay `postgresql` brings, run by Debian's PostgreSQL 15; the image has 18. Paths of the container are those of a folder
//! here, and nothing else is changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::unpacked;
use yaml_rust2::Yaml;

use super::ONE;
use super::programs::{Running, container, free_port, is_root, object, objects, texts, volume, wait_for};
use super::servers::wait;

const PACKAGES: [&str; 25] = [
    "postgresql-15",
    "postgresql-client-15",
    "libpq5",
    "libicu72",
    "libldap-2.5-0",
    "libsasl2-2",
    "libgssapi-krb5-2",
    "libkrb5-3",
    "libk5crypto3",
    "libcom-err2",
    "libkrb5support0",
    "libkeyutils1",
    "libpam0g",
    "libsystemd0",
    "libxml2",
    "libxslt1.1",
    "liblz4-1",
    "libzstd1",
    "libssl3",
    "libuuid1",
    "libreadline8",
    "libtinfo6",
    "libedit2",
    "libbsd0",
    "libmd0",
];

/// The server refuses to run as root.
const NOBODY: u32 = 65534;

/// A pod's files, and its containers as commands.
struct Pod {
    dir: tempfile::TempDir,
    objects: Vec<Yaml>,
    port: u16,
}

impl Pod {
    fn new(databases: &str, secret: &str) -> Self {
        let pod = Self { dir: tempfile::tempdir().unwrap(), objects: Vec::new(), port: free_port() };
        for name in ["data", "run"] {
            fs::create_dir(pod.path(name)).unwrap();
        }
        pod.with(databases, secret)
    }

    /// The same folders, as the next pod finds them with other databases or secrets.
    fn with(mut self, databases: &str, secret: &str) -> Self {
        let tables = format!(
            "[overlays.postgresql]\ndatabases = {databases}\nmake-namespaces = true\nmemory-mib = 256\n"
        );
        self.objects = objects(&tables, ONE, |name| format!("{secret} of {name}"));
        for name in ["config", "secrets"] {
            let _ = fs::remove_dir_all(self.path(name));
        }
        let config = self.path("config");
        volume(object(&self.objects, "ConfigMap", "config"), "data", &config);
        for name in ["server", "databases"] {
            volume(object(&self.objects, "Secret", name), "stringData", &self.path("secrets").join(name));
        }
        for file in fs::read_dir(&config).unwrap().map(|file| file.unwrap().path()) {
            fs::write(&file, self.here(&fs::read_to_string(&file).unwrap())).unwrap();
        }
        if is_root() {
            fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
            for name in ["data", "run"] {
                chown(self.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A text with the container's paths, with those here.
    fn here(&self, text: &str) -> String {
        [
            ("/etc/postgresql", "config"),
            ("/run/secrets/postgresql", "secrets"),
            ("/var/lib/postgresql", "data"),
            ("/var/run/postgresql", "run"),
        ]
        .iter()
        .fold(text.to_owned(), |text, (theirs, ours)| {
            text.replace(theirs, &self.path(ours).display().to_string())
        })
    }

    /// Words of a container, as the user that it has.
    fn command(&self, words: &[String]) -> Command {
        let root = unpacked::packages(&PACKAGES);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                let id = NOBODY.to_string();
                command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]).arg(&words[0]);
                command
            }
            false => Command::new(&words[0]),
        };
        let bin = root.join("usr/lib/postgresql/15/bin");
        command
            .args(&words[1..])
            .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
            .env("LD_LIBRARY_PATH", unpacked::libraries(&root))
            .env("PGHOST", self.path("run"))
            .env("LANG", "C.UTF-8")
            .current_dir(self.path("data"));
        command
    }

    fn container(&self, name: &str) -> Command {
        let container = container(&self.objects, "StatefulSet", "postgresql", name);
        let mut words = texts(&container["command"]);
        if let Some(more) = container["args"].as_vec() {
            words.extend(more.iter().map(|word| word.as_str().unwrap().to_owned()));
        }
        let words: Vec<String> = words.iter().map(|word| self.here(word)).collect();
        let mut command = self.command(&words);
        for env in container["env"].as_vec().into_iter().flatten() {
            command.env(env["name"].as_str().unwrap(), self.here(env["value"].as_str().unwrap()));
        }
        command
    }

    /// What the init container says.
    fn prepared(&self) -> String {
        let said = self.container("prepare").output().unwrap();
        let text =
            String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{text}");
        text
    }

    /// The server at a port of its own.
    fn started(&self) -> Running {
        let log = self.path("log");
        let mut server = self.container("postgresql");
        server.arg("-p").arg(self.port.to_string());
        let running = Running(server.stderr(fs::File::create(&log).unwrap()).spawn().unwrap());
        wait_for(self.port, &log);
        // It listens before it is ready; the kubelet asks until the probe succeeds.
        wait(|| self.probe("startupProbe"), &log);
        running
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// A probe of the server's container, at its port.
    fn probe(&self, name: &str) -> bool {
        let probe =
            &container(&self.objects, "StatefulSet", "postgresql", "postgresql")[name]["exec"]["command"];
        self.command(&texts(probe)).env("PGPORT", self.port.to_string()).status().unwrap().success()
    }

    /// A statement by somebody who comes over TCP, from the address that they go to.
    fn asked(&self, address: &str, user: &str, database: &str, password: &str, statement: &str) -> Output {
        let words = ["psql", "--no-psqlrc", "-h", address, "-U", user, "-d", database, "-Atc", statement]
            .map(str::to_owned);
        self.command(&words)
            .env("PGPASSWORD", password)
            .env("PGPORT", self.port.to_string())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The password in the Secret of a database's namespace.
    fn password(&self, database: &str) -> String {
        let is_it = |object: &&Yaml| {
            object["kind"].as_str() == Some("Secret")
                && object["metadata"]["namespace"].as_str() == Some(database)
        };
        let secret = &self.objects.iter().find(is_it).unwrap()["stringData"];
        let password = secret["password"].as_str().unwrap();
        assert_eq!(
            secret["uri"].as_str().unwrap(),
            format!(
                "postgresql://{database}:{password}@postgresql.postgresql.svc.cluster.local:5432/{database}"
            )
        );
        password.to_owned()
    }
}

const LOOPBACK: &str = "127.0.0.1";

/// This machine's address in its network, which is also where a connection to it comes from. Nothing is sent.
fn network() -> String {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").expect("a machine with an address other than the loopback's");
    socket.local_addr().unwrap().ip().to_string()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn each_database_has_an_account_that_gets_into_it_and_no_other() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "postgresql");
    let pod = Pod::new("[\"wiki\", \"my-shop\"]", "hunter2");
    assert!(!pod.probe("startupProbe") && !pod.probe("livenessProbe"), "nobody listens there yet");
    let mut told = pod.prepared();
    let _running = pod.started();
    for probe in ["readinessProbe", "livenessProbe"] {
        assert!(pod.probe(probe), "{probe}: {}", pod.log());
    }
    let (wiki, shop, network) = (pod.password("wiki"), pod.password("my-shop"), network());
    let network = network.as_str();
    assert!(wiki != shop && wiki.len() == 32);
    let make = "CREATE TABLE a (b text); INSERT INTO a VALUES ('c'); SELECT b FROM a";
    for (name, password) in [("wiki", &wiki), ("my-shop", &shop)] {
        let answer = pod.asked(network, name, name, password, make);
        assert!(answer.status.success() && said(&answer).ends_with('c'), "{}", said(&answer));
    }
    let superuser = "hunter2 of password";
    let refused = [
        (network, "wiki", "wiki", shop.as_str(), "password authentication failed"),
        (network, "wiki", "my-shop", wiki.as_str(), "no pg_hba.conf entry"),
        (LOOPBACK, "wiki", "my-shop", wiki.as_str(), "permission denied for database"),
        (network, "postgres", "postgres", superuser, "pg_hba.conf rejects"),
        (network, "wiki", "postgres", wiki.as_str(), "no pg_hba.conf entry"),
    ];
    for (address, user, database, password, words) in refused {
        let answer = pod.asked(address, user, database, password, "SELECT 1");
        assert!(
            !answer.status.success() && said(&answer).contains(words),
            "{user} {database}: {}",
            said(&answer)
        );
    }
    let answer = pod.asked(LOOPBACK, "postgres", "wiki", superuser, "SHOW shared_buffers");
    assert_eq!(said(&answer), "64MB");
    told += &pod.log();
    for secret in [wiki.as_str(), shop.as_str(), "hunter2"] {
        assert!(!told.contains(secret), "{told}");
    }
    proof.holds();
}

#[test]
fn the_next_start_makes_good_for_a_power_cut_and_takes_what_has_changed() {
    let pod = Pod::new("[\"wiki\"]", "hunter2");
    // What a power cut has left of the first start.
    let half = pod.path("data").join("18/docker.new");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("PG_VERSION"), "15\n").unwrap();
    if is_root() {
        for path in ["data/18", "data/18/docker.new", "data/18/docker.new/PG_VERSION"] {
            chown(pod.path(path), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    pod.prepared();
    let (first, network) = (pod.password("wiki"), network());
    let network = network.as_str();
    let mut running = pod.started();
    let made = pod.asked(network, "wiki", "wiki", &first, "CREATE TABLE kept (a int); SELECT 'made'");
    assert!(said(&made).ends_with("made"), "{}", said(&made));
    // Another pod, while this one runs: it gets no further than the lock.
    let lock = pod.path("data").join("lock");
    let second = Command::new("flock").arg("--nonblock").arg(&lock).arg("true").status().unwrap();
    assert!(!second.success(), "two servers would work on the same files");
    // A power cut: nothing is written down, and the number of the process stays behind.
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    let file = pod.path("data").join("18/docker/postmaster.pid");
    let left = fs::read_to_string(&file).unwrap();
    let alive = std::process::id().to_string();
    fs::write(&file, left.lines().skip(1).fold(alive, |text, line| text + "\n" + line)).unwrap();

    let pod = pod.with("[\"wiki\", \"shop\"]", "another");
    let told = pod.prepared();
    assert!(told.contains("not properly shut down"), "{told}");
    let _running = pod.started();
    let second = pod.password("wiki");
    assert_ne!(first, second);
    let old = pod.asked(network, "wiki", "wiki", &first, "SELECT 1");
    assert!(!old.status.success(), "the old password still counts");
    let kept = pod.asked(network, "wiki", "wiki", &second, "SELECT count(*) FROM kept");
    assert_eq!(said(&kept), "0");
    let shop = pod.asked(network, "shop", "shop", &pod.password("shop"), "SELECT 'there'");
    assert_eq!(said(&shop), "there");
}

#[test]
fn a_start_that_fails_says_so_and_leaves_no_server_behind() {
    let pod = Pod::new("[\"wiki\"]", "hunter2");
    let config = pod.path("config").join("postgresql.conf");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + "no_such_setting = 1\n").unwrap();
    let output = pod.container("prepare").output().unwrap();
    assert!(!output.status.success(), "{}", said(&output));
    let lock = pod.path("data").join("lock");
    let is_free = Command::new("flock").arg("--nonblock").arg(lock).arg("true").status().unwrap();
    assert!(is_free.success(), "a server still has the lock");
}
