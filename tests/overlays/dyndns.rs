//! The script of the overlay `dyndns`, run by a shell and Debian's curl against a server of the tests' own on loopback. Busybox, which
//! the image has, runs it too.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use hcimage::formats::yaml_load;
use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::unpacked;

use super::{ONE, load};

const PASSWORD: &str = "hunter2&\"$(x)\\";

/// What the server is asked, and what it answers.
#[derive(Default)]
struct Script {
    /// The answer for the address.
    address: String,
    /// Status and body of an update.
    update: (u16, String),
    asked: Vec<(String, Option<String>)>,
}

struct Desk {
    dir: tempfile::TempDir,
    port: u16,
    script: Arc<Mutex<Script>>,
    shell: Vec<PathBuf>,
}

impl Desk {
    fn new(shell: &[PathBuf]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(Script {
            address: "203.0.113.7\n".to_owned(),
            update: (200, "good 203.0.113.7".to_owned()),
            ..Script::default()
        }));
        let shared = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let Some(request) = lines.next() else { continue };
                let mut authorization = None;
                for line in lines.take_while(|line| !line.is_empty()) {
                    if let Some(value) = line.strip_prefix("Authorization: ") {
                        authorization = Some(value.to_owned());
                    }
                }
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let mut script = shared.lock().unwrap();
                let (status, body) = match path.as_str() {
                    "/ip" => (200, script.address.clone()),
                    _ => {
                        script.asked.push((path, authorization));
                        script.update.clone()
                    }
                };
                let _ = write!(
                    &stream,
                    "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        for folder in ["config", "state", "secret"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let desk = Self { dir, port, script, shell: shell.to_vec() };
        desk.set("dyndns.sh", &source());
        desk.set("provider", "url");
        desk.set("host", "home.example.org");
        desk.set("user", "kim@example.org");
        desk.set("refresh-days", "25");
        desk.set("address-url", &format!("http://127.0.0.1:{port}/ip"));
        desk.set("url", &format!("http://127.0.0.1:{port}/update?host={{host}}&ip={{ip}}"));
        fs::write(desk.path("secret/password"), PASSWORD).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn set(&self, name: &str, value: &str) {
        fs::write(self.path("config").join(name), value).unwrap();
    }

    fn run(&self) -> (bool, String) {
        let mut command = Command::new(&self.shell[0]);
        let Output { status, stdout, stderr } = command
            .args(&self.shell[1..])
            .arg(self.path("config/dyndns.sh"))
            .env("CONFIG", self.path("config"))
            .env("STATE", self.path("state"))
            .env("PASSWORD_FILE", self.path("secret/password"))
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(!said.contains("hunter2"), "the password is in the log: {said}");
        (status.success(), said)
    }

    fn asked(&self) -> Vec<(String, Option<String>)> {
        self.script.lock().unwrap().asked.clone()
    }

    fn answer(&self, status: u16, body: &str) {
        self.script.lock().unwrap().update = (status, body.to_owned());
    }

    fn address(&self, address: &str) {
        self.script.lock().unwrap().address = address.to_owned();
    }
}

/// The script as the cluster gets it.
fn source() -> String {
    let tables = "[overlays.dyndns]\nprovider = \"url\"\nurl = \"https://x.example\"\nhost = \"home.example.org\"\npassword = \"x\"\n";
    let checked = load(Path::new("/nowhere"), tables, ONE).unwrap_or_else(|report| panic!("{report}"));
    let file = &checked.cluster.overlays[0].shown.files[0];
    let objects = yaml_load::load(&file.text).unwrap();
    let config = objects.iter().find(|object| object["kind"].as_str() == Some("ConfigMap")).unwrap();
    config["data"]["dyndns.sh"].as_str().unwrap().to_owned()
}

fn shells() -> Vec<Vec<PathBuf>> {
    let busybox = unpacked::packages(&["busybox-static"]).join("bin/busybox");
    vec![vec!["/bin/sh".into()], vec![busybox, "sh".into()]]
}

#[test]
fn an_address_is_sent_once_and_again_when_it_changes() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "dyndns");
    for shell in shells() {
        let desk = Desk::new(&shell);
        let (good, said) = desk.run();
        assert!(good && said.contains("home.example.org is 203.0.113.7 now"), "{said}");
        let (good, said) = desk.run();
        assert!(good && said.contains("nothing to do"), "{said}");
        desk.address("198.51.100.9");
        assert!(desk.run().0);
        // "kim@example.org:" and the password.
        let basic = "Basic a2ltQGV4YW1wbGUub3JnOmh1bnRlcjImIiQoeClc".to_owned();
        let update = |ip: &str| (format!("/update?host=home.example.org&ip={ip}"), Some(basic.clone()));
        assert_eq!(desk.asked(), [update("203.0.113.7"), update("198.51.100.9")]);
        // Another password is another account.
        fs::write(desk.path("secret/password"), "other").unwrap();
        assert!(desk.run().0);
        assert_eq!(desk.asked().len(), 3);
        // Weeks later it is sent again, though it is the same.
        let last = desk.path("state/last");
        let kept = fs::read_to_string(&last).unwrap();
        let words: Vec<&str> = kept.split(' ').collect();
        let old = words[1].parse::<u64>().unwrap() - 26 * 86400;
        fs::write(&last, kept.replace(words[1], &old.to_string())).unwrap();
        assert!(desk.run().0);
        assert_eq!(desk.asked().len(), 4);
        // What a power cut has left of the file is no reason to stop.
        fs::write(&last, "203").unwrap();
        assert!(desk.run().0);
    }
    proof.holds();
}

#[test]
fn a_refusal_is_not_repeated_and_an_outage_is() {
    for (status, body) in
        [(200, "badauth"), (200, "abuse"), (200, "nohost\n"), (401, ""), (403, "no"), (200, "KO")]
    {
        let desk = Desk::new(&shells()[0]);
        desk.answer(status, body);
        let (good, said) = desk.run();
        assert!(!good && said.contains("refuses"), "{status} {body}: {said}");
        let (good, said) = desk.run();
        assert!(!good && said.contains("in a day"), "{said}");
        assert_eq!(desk.asked().len(), 1, "{status} {body}");
        desk.set("user", "lee");
        desk.answer(200, "nochg 203.0.113.7");
        assert!(desk.run().0, "other settings are tried at once");
    }
    for (status, body) in [(200, "911"), (500, ""), (503, "busy"), (429, "")] {
        let desk = Desk::new(&shells()[0]);
        desk.answer(status, body);
        assert!(!desk.run().0);
        assert!(!desk.run().0);
        assert_eq!(desk.asked().len(), 2, "{status} {body}");
    }
}

#[test]
fn what_is_no_public_address_is_never_sent() {
    let desk = Desk::new(&shells()[1]);
    for address in [
        "",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.9.9",
        "172.16.0.1",
        "172.31.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.1.1",
        "0.0.0.0",
        "256.1.1.1",
        "1.2.3",
        "<html>203.0.113.7</html>",
        "203.0.113.7; rm -rf /",
        "2001:db8::1",
    ] {
        desk.address(address);
        assert!(!desk.run().0, "{address}");
    }
    for address in ["100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1", "255.1.1.1"] {
        desk.address(address);
        assert!(desk.run().0, "{address}");
    }
    assert_eq!(desk.asked().len(), 5);
}

#[test]
fn a_password_in_the_address_is_encoded_and_a_plain_one_goes_nowhere_unencrypted() {
    for shell in shells() {
        let desk = Desk::new(&shell);
        desk.set("url", &format!("http://127.0.0.1:{}/u/{{user}}/{{password}}?{{ip}}", desk.port));
        assert!(desk.run().0);
        let asked = desk.asked();
        assert_eq!(asked[0].0, "/u/kim%40example.org/hunter2%26%22%24%28x%29%5c?203.0.113.7");
        assert_eq!(asked[0].1, None, "it is in the address");
        desk.set("url", "http://dyndns.example.org/update");
        let (good, said) = desk.run();
        assert!(!good && said.contains("https://"), "{said}");
    }
}
