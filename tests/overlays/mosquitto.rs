//! The overlay `mosquitto`, run by Debian's Mosquitto 2.0 with its configuration and its script, by dash and by busybox, which the image
//! has. What is changed for the test: paths, ports, and the user, where the test is root and the pod is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::unpacked;

use super::programs::{
    Running, busybox, free_port, is_root, object, objects, to_log, until, volume, wait_for,
};
use super::{ONE, load};

const TABLES: &str = "[overlays.mosquitto]\nhost = \"localhost\"\nissuer = \"lab\"\npacket-limit-kib = 64\n\
     more-users = \"sensor:hunter3\\r\\n\\nkim:a b\"\nrules = [\"sensor write sensors/#\", \"kim readwrite attic room/#\"]\n";
const PASSWORD: &str = "hunter2";

const PACKAGES: [&str; 9] = [
    "mosquitto",
    "mosquitto-clients",
    "libmosquitto1",
    "libcjson1",
    "libwebsockets17",
    "libev4",
    "libdlt2",
    "libuv1",
    "libwrap0",
];

/// A broker in a folder, with its ports.
struct Broker {
    dir: tempfile::TempDir,
    plain: u16,
    tls: u16,
    root: PathBuf,
    running: Option<Running>,
}

impl Broker {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let objects = objects(TABLES, ONE, |_| PASSWORD.to_owned());
        volume(object(&objects, "ConfigMap", "mosquitto"), "data", &dir.path().join("config"));
        for folder in ["run", "data", "tls", "secrets"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let users = object(&objects, "Secret", "users")["stringData"]["users"].as_str().unwrap();
        fs::write(dir.path().join("secrets/users"), users).unwrap();
        let (plain, tls) = (free_port(), free_port());
        for (file, more) in [("mosquitto.conf", if is_root() { "user root\n" } else { "" }), ("tls.conf", "")]
        {
            let path = dir.path().join("config").join(file);
            let text = fs::read_to_string(&path).unwrap();
            let at = |folder: &str| dir.path().join(folder).display().to_string();
            let text = text
                .replace("/run/mosquitto-tls", &at("tls"))
                .replace("/run/mosquitto", &at("run"))
                .replace("/mosquitto/data", &at("data"))
                .replace("listener 1883", &format!("listener {plain} 127.0.0.1"))
                .replace("listener 9001", &format!("listener {} 127.0.0.1", free_port()))
                .replace("listener 8883", &format!("listener {tls} 127.0.0.1"));
            fs::write(&path, format!("{more}{text}")).unwrap();
        }
        Self { dir, plain, tls, root: unpacked::packages(&PACKAGES), running: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.root.join(name));
        command.env("LD_LIBRARY_PATH", unpacked::libraries(&self.root));
        command
    }

    /// Starts the script as the pod does.
    fn start(&mut self, shell: &[PathBuf]) {
        let places = ["usr/sbin", "usr/bin"].map(|place| self.root.join(place).display().to_string());
        let path = format!("{}:{}", places.join(":"), std::env::var("PATH").unwrap());
        let child = Command::new(&shell[0])
            .args(&shell[1..])
            .arg(self.path("config/run.sh"))
            .env("LD_LIBRARY_PATH", unpacked::libraries(&self.root))
            .env("PATH", path)
            .env("CONFIG", self.path("config"))
            .env("SECRETS", self.path("secrets"))
            .env("RUN", self.path("run"))
            .env("TLS", self.path("tls"))
            .env("LOOK", "0.2")
            .stdout(to_log(&self.path("log")))
            .stderr(to_log(&self.path("log")))
            .spawn()
            .unwrap();
        self.running = Some(Running(child));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn asked(&self, program: &str, account: Option<(&str, &str)>, more: &[&str]) -> Output {
        let mut command = self.program(program);
        command.args(["-h", "127.0.0.1", "-p", &self.plain.to_string()]);
        if let Some((user, password)) = account {
            command.args(["-u", user, "-P", password]);
        }
        command.args(more).output().unwrap()
    }

    /// The first message below a topic; none where none comes within two seconds, which is why 27 is no failure.
    fn first(&self, account: (&str, &str), topic: &str) -> Option<String> {
        let said =
            self.asked("usr/bin/mosquitto_sub", Some(account), &["-t", topic, "-C", "1", "-W", "2", "-v"]);
        match said.status.code() {
            Some(0) => Some(String::from_utf8(said.stdout).unwrap().trim().to_owned()),
            Some(27) => None,
            _ => panic!("{said:?}\n{}", self.log()),
        }
    }

    fn publish(&self, account: Option<(&str, &str)>, topic: &str, text: &str) -> bool {
        let said = self.asked("usr/bin/mosquitto_pub", account, &["-t", topic, "-m", text, "-r", "-q", "1"]);
        said.status.success()
    }

    /// A certificate for localhost, put into its place as a whole.
    fn certificate(&self, subject: &str) {
        let (key, certificate) = (self.path("new.key"), self.path("new.crt"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .args([
                "-subj",
                &format!("/CN={subject}"),
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
            ])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        fs::rename(key, self.path("tls/tls.key")).unwrap();
        fs::rename(certificate, self.path("tls/tls.crt")).unwrap();
    }

    /// Whose certificate devices see; none where nobody shows one.
    fn shown(&self) -> Option<String> {
        let said = Command::new("openssl")
            .args(["s_client", "-connect", &format!("127.0.0.1:{}", self.tls)])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let line = said.lines().find(|line| line.starts_with("subject="))?;
        Some(line.rsplit(['=', ' ']).next().unwrap().to_owned())
    }
}

const HOME: (&str, &str) = ("home", PASSWORD);
const SENSOR: (&str, &str) = ("sensor", "hunter3");
const KIM: (&str, &str) = ("kim", "a b");

fn shells() -> Vec<Vec<PathBuf>> {
    vec![vec!["/bin/sh".into()], vec![busybox(), "sh".into()]]
}

#[test]
fn passwords_and_rules_hold_and_what_is_retained_outlives_a_restart() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "mosquitto");
    for shell in shells() {
        let mut broker = Broker::new();
        broker.start(&shell);
        wait_for(broker.plain, &broker.path("log"));
        assert!(!broker.publish(None, "a", "x"), "nobody without a password");
        assert!(!broker.publish(Some(("home", "hunter3")), "a", "x"), "nor with a wrong one");
        assert!(!broker.publish(Some(("nobody", PASSWORD)), "a", "x"), "nor without an account");
        assert!(broker.publish(Some(HOME), "sensors/door", "shut"), "{}", broker.log());
        assert_eq!(broker.first(HOME, "sensors/#").as_deref(), Some("sensors/door shut"));

        // It may write there, and neither read there nor write elsewhere.
        assert!(broker.publish(Some(SENSOR), "sensors/roof", "21"));
        assert_eq!(broker.first(HOME, "sensors/roof").as_deref(), Some("sensors/roof 21"));
        assert_eq!(broker.first(SENSOR, "sensors/#"), None);
        broker.publish(Some(SENSOR), "lights/hall", "on");
        assert_eq!(broker.first(HOME, "lights/#"), None);
        assert!(broker.publish(Some(KIM), "attic room/light", "off"));
        assert_eq!(broker.first(KIM, "attic room/#").as_deref(), Some("attic room/light off"));
        assert_eq!(broker.first(KIM, "sensors/#"), None);

        // Larger than it takes.
        broker.publish(Some(HOME), "big", &"x".repeat(70_000));
        assert_eq!(broker.first(HOME, "big"), None);
        assert!(broker.publish(Some(HOME), "big", &"x".repeat(60_000)));

        let hashes = fs::read_to_string(broker.path("run/passwords")).unwrap();
        assert!(!hashes.contains("hunter") && hashes.lines().count() == 3, "{hashes}");
        let status = broker.running.as_mut().unwrap().end();
        assert!(status.success(), "{status}: {}", broker.log());
        broker.start(&shell);
        wait_for(broker.plain, &broker.path("log"));
        assert_eq!(broker.first(HOME, "sensors/door").as_deref(), Some("sensors/door shut"));
    }
    proof.holds();
}

#[test]
fn a_certificate_that_comes_later_is_used_and_a_new_one_is_read_without_an_end_of_connections() {
    for shell in shells() {
        let mut broker = Broker::new();
        broker.start(&shell);
        wait_for(broker.plain, &broker.path("log"));
        assert!(broker.publish(Some(HOME), "kept", "yes"));
        assert_eq!(broker.shown(), None, "without a certificate there is no listener for devices");
        broker.certificate("first");
        until("no TLS", || broker.log(), || broker.shown().as_deref() == Some("first"));
        assert_eq!(broker.first(HOME, "kept").as_deref(), Some("kept yes"));

        fs::copy(broker.path("tls/tls.crt"), broker.path("old.crt")).unwrap();
        let mut listening = broker.program("usr/bin/mosquitto_sub");
        let child = listening
            .args(["-h", "localhost", "-p", &broker.tls.to_string(), "--cafile"])
            .arg(broker.path("old.crt"))
            .args(["-u", HOME.0, "-P", HOME.1, "-t", "live", "-C", "1", "-i", "listener"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        until("nobody listens", || broker.log(), || broker.log().contains("as listener"));
        broker.certificate("second");
        until("the old certificate", || broker.log(), || broker.shown().as_deref() == Some("second"));
        assert!(broker.publish(Some(HOME), "live", "still here"));
        let heard = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&heard.stdout).trim(), "still here", "{}", broker.log());
        assert_eq!(broker.log().matches("as listener").count(), 1, "its connection has not ended");
        assert!(broker.running.as_mut().unwrap().end().success());
    }
}

#[test]
fn a_broker_that_ends_by_itself_ends_the_pod_and_a_bad_line_is_refused() {
    for shell in shells() {
        let mut broker = Broker::new();
        broker.start(&shell);
        wait_for(broker.plain, &broker.path("log"));
        let conf = broker.path("run/mosquitto.conf").display().to_string();
        let mut of_broker = None;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&line).ends_with(&format!("-c\0{conf}\0")) {
                of_broker = Some(entry.file_name().into_string().unwrap());
            }
        }
        let killed = Command::new("kill").args(["-KILL", &of_broker.unwrap()]).status().unwrap();
        assert!(killed.success());
        let status = broker.running.as_mut().unwrap().0.wait().unwrap();
        assert!(!status.success(), "the kubelet must see that it has failed");

        for line in ["nobody", "a:b:c", ":x", "a:"] {
            let mut broker = Broker::new();
            fs::write(broker.path("secrets/users"), format!("home:x\n{line}\n")).unwrap();
            broker.start(&shell);
            assert!(!broker.running.as_mut().unwrap().0.wait().unwrap().success(), "{line}");
            assert!(broker.log().contains("expected lines of account:password"), "{}", broker.log());
        }
    }
}

#[test]
fn rules_that_are_none_are_refused_in_the_cluster_file() {
    for (tables, words) in [
        ("rules = [\"sensor write\"]", "expected an account"),
        ("rules = [\"sensor writes x\"]", "expected an account"),
        ("rules = [\"sensor write x\\nuser home\"]", "line break"),
        ("user = \"a:b\"", "without a colon"),
        ("issuer = \"default\"", "issuer needs host"),
    ] {
        let tables = format!("[overlays.mosquitto]\n{tables}\n");
        let said = load(Path::new("/nowhere"), &tables, ONE).unwrap_err().to_string();
        assert!(said.contains(words), "{tables}: {said}");
    }
}
