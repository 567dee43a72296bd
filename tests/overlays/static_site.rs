//! The overlay `static-site`, served by Debian's nginx with its configuration, and asked by curl. What is changed for the test: the port,
//! and where sites, types and temporary files are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::unpacked;

use super::programs::{Running, free_port, object, objects, to_log, wait_for};
use super::{FOUR, ONE, load};

const TABLES: &str = "[overlays.static-site]\nfolder = \"sites\"\nhosts = [\"www.example.org\", \"blog.example.org\"]\nissuer = \"lab\"\n\
     cache-hours = 2\ncontent-security-policy = \"default-src 'self'; img-src *\"\n";

struct Site {
    dir: tempfile::TempDir,
    port: u16,
    running: Running,
}

impl Drop for Site {
    /// Killed, it would leave those behind that it has started.
    fn drop(&mut self) {
        self.running.end();
    }
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl Site {
    fn start(tables: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("www.example.org/index.html", "<h1>hello</h1>\n".to_owned()),
            ("www.example.org/404.html", "nothing here\n".to_owned()),
            ("www.example.org/team.html", "team\n".to_owned()),
            ("www.example.org/about/index.html", "about\n".to_owned()),
            ("www.example.org/css/style.css", "p { color: red }\n".repeat(200)),
            ("www.example.org/app.js", "let packed = false;\n".repeat(200)),
            ("www.example.org/app.js.gz", "packed before".to_owned()),
            ("www.example.org/.well-known/security.txt", "Contact: kim\n".to_owned()),
            ("www.example.org/photo.jpg", "\u{1}".repeat(5000)),
            ("blog.example.org/index.html", "blog\n".to_owned()),
        ] {
            let path = dir.path().join("sites").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("sites/www.example.org/link.txt")).unwrap();
        let root = unpacked::packages(&["nginx", "nginx-common"]);
        fs::create_dir(dir.path().join("tmp")).unwrap();
        let (port, conf, log) = (free_port(), dir.path().join("nginx.conf"), dir.path().join("log"));
        let at = |path: PathBuf| path.display().to_string();
        let text =
            object(&objects(tables, ONE, |_| String::new()), "ConfigMap", "nginx")["data"]["nginx.conf"]
                .as_str()
                .unwrap()
                .to_owned();
        let text = text
            .replace(" /tmp/", &format!(" {}/", at(dir.path().join("tmp"))))
            .replace("/etc/nginx/mime.types", &at(root.join("etc/nginx/mime.types")))
            .replace("/srv/sites", &at(dir.path().join("sites")))
            .replace("listen 8080", &format!("listen 127.0.0.1:{port}"));
        fs::write(&conf, text).unwrap();
        let nginx = |more: &[&str]| {
            let mut command = Command::new(root.join("usr/sbin/nginx"));
            command.env("LD_LIBRARY_PATH", unpacked::libraries(&root)).arg("-c").arg(&conf).args(more);
            command
        };
        let checked = nginx(&["-t"]).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && !said.contains("[warn] "), "{said}");
        let child = nginx(&[]).stdout(to_log(&log)).stderr(to_log(&log)).spawn().unwrap();
        wait_for(port, &log);
        Self { dir, port, running: Running(child) }
    }

    fn ask(&self, host: &str, path: &str, more: &[&str]) -> Answer {
        let (head, body) = (self.dir.path().join("head"), self.dir.path().join("body"));
        let said = Command::new("curl")
            .args(["-s", "--path-as-is", "-H", &format!("Host: {host}"), "-D"])
            .arg(&head)
            .arg("-o")
            .arg(&body)
            .args(more)
            .arg(format!("http://127.0.0.1:{}{path}", self.port))
            .output()
            .unwrap();
        assert!(said.status.success(), "{said:?}");
        let text = fs::read_to_string(head).unwrap();
        let mut lines = text.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Answer { status, headers: lines.filter_map(pair).collect(), body: fs::read(body).unwrap_or_default() }
    }
}

#[test]
fn each_name_has_its_site_and_others_have_none() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "static-site");
    let site = Site::start(TABLES);
    for (host, path, status, body) in [
        ("www.example.org", "/", 200, "<h1>hello</h1>\n"),
        ("www.example.org", "/index.html", 200, "<h1>hello</h1>\n"),
        ("blog.example.org", "/", 200, "blog\n"),
        ("www.example.org", "/team", 200, "team\n"),
        ("www.example.org", "/about/", 200, "about\n"),
        ("www.example.org", "/.well-known/security.txt", 200, "Contact: kim\n"),
        ("www.example.org", "/none", 404, "nothing here\n"),
        ("www.example.org", "/link.txt", 404, "nothing here\n"),
        ("www.example.org", "/css/", 404, "nothing here\n"),
        ("other.example.org", "/healthz", 200, "ok\n"),
    ] {
        let answer = site.ask(host, path, &[]);
        assert_eq!(
            (answer.status, String::from_utf8_lossy(&answer.body).as_ref()),
            (status, body),
            "{host}{path}"
        );
    }
    for (host, path, status) in [
        ("blog.example.org", "/none", 404),
        ("blog.example.org", "/team", 404),
        ("www.example.org", "/../../etc/passwd", 400),
        ("www.example.org", "/..%2f..%2fetc/passwd", 400),
        ("other.example.org", "/", 404),
        ("other.example.org", "/index.html", 404),
    ] {
        let answer = site.ask(host, path, &[]);
        assert_eq!(answer.status, status, "{host}{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("root:"));
    }
    let moved = site.ask("www.example.org", "/about", &[]);
    assert_eq!((moved.status, moved.header("location")), (301, "/about/"), "neither a port nor http in it");
    assert_eq!(site.ask("www.example.org", "/", &["-X", "POST", "-d", "x"]).status, 405);
    proof.holds();
}

#[test]
fn headers_say_what_is_kept_and_what_a_page_may_do() {
    let site = Site::start(TABLES);
    let page = site.ask("www.example.org", "/", &[]);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for path in ["/", "/team", "/about/"] {
        assert_eq!(site.ask("www.example.org", path, &[]).header("cache-control"), "no-cache", "{path}");
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("strict-transport-security", "max-age=15552000"),
        ("content-security-policy", "default-src 'self'; img-src *"),
        ("server", "nginx"),
        // A page that has changed, and has the length and the time of the old one, is not the old one.
        ("etag", ""),
        ("last-modified", ""),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    let missing = site.ask("www.example.org", "/none.css", &[]);
    assert_eq!(
        (missing.status, missing.header("cache-control")),
        (404, ""),
        "that it is missing is not kept"
    );
    assert_eq!(missing.header("x-content-type-options"), "nosniff");
    let picture = site.ask("www.example.org", "/photo.jpg", &["-H", "Range: bytes=10-19"]);
    assert_eq!((picture.status, picture.body.len()), (206, 10));
    assert_eq!(picture.header("cache-control"), "public, max-age=7200");

    let wants = ["-H", "Accept-Encoding: gzip"];
    let style = site.ask("www.example.org", "/css/style.css", &wants);
    assert_eq!((style.header("content-encoding"), style.header("vary")), ("gzip", "Accept-Encoding"));
    assert!(style.body.len() < 500, "{}", style.body.len());
    assert_eq!(site.ask("www.example.org", "/app.js", &wants).body, b"packed before", "it is taken as it is");
    assert_eq!(site.ask("www.example.org", "/photo.jpg", &wants).header("content-encoding"), "");

    let plain = Site::start(
        "[overlays.static-site]\nfolder = \"sites\"\nhosts = [\"www.example.org\"]\naccess-log = true\n",
    );
    let page = plain.ask("www.example.org", "/", &[]);
    assert_eq!((page.header("strict-transport-security"), page.header("content-security-policy")), ("", ""));
    let log = fs::read_to_string(plain.dir.path().join("log")).unwrap();
    assert!(log.contains("127.0.0.1 www.example.org \"GET / HTTP/1.1\" 200 15"), "{log}");
}

#[test]
fn every_node_or_one_has_the_files_and_a_site_without_a_folder_is_refused() {
    let nodes = |more: &str| {
        let checked = load(Path::new("/nowhere"), &format!("{TABLES}{more}"), FOUR)
            .unwrap_or_else(|report| panic!("{report}"));
        let active = &checked.cluster.overlays[0];
        let kind = active.documents().find(|object| {
            object["metadata"]["name"].as_str() == Some("nginx") && !object["spec"]["template"].is_badvalue()
        });
        let kind = kind.unwrap()["kind"].as_str().unwrap().to_owned();
        let places: Vec<(String, Option<String>)> = active
            .needs
            .folders
            .iter()
            .map(|folder| (folder.path.clone(), folder.node.as_ref().map(ToString::to_string)))
            .collect();
        (kind, places)
    };
    let path = "/var/lib/hcimage/overlays/static-site/sites".to_owned();
    assert_eq!(nodes(""), ("Deployment".to_owned(), vec![(path.clone(), Some("pi-1".to_owned()))]));
    assert_eq!(
        nodes("node = \"pi-3\"\n"),
        ("Deployment".to_owned(), vec![(path.clone(), Some("pi-3".to_owned()))])
    );
    assert_eq!(nodes("every-node = true\n"), ("DaemonSet".to_owned(), vec![(path, None)]));
    for (tables, words) in [
        ("folder = \"sites\"\nhosts = [\"shop.example.org\"]", "the folder has no folder shop.example.org"),
        ("folder = \"sites\"\nhosts = []", "name at least one site"),
        (
            "folder = \"sites\"\nhosts = [\"www.example.org\"]\ncontent-security-policy = \"x\\\"; y\"",
            "a sign that no header has",
        ),
        (
            "folder = \"sites\"\nhosts = [\"www.example.org\"]\ncontent-security-policy = \"$uri\"",
            "a sign that no header has",
        ),
    ] {
        let tables = format!("[overlays.static-site]\n{tables}\n");
        let said = load(Path::new("/nowhere"), &tables, ONE).unwrap_err().to_string();
        assert!(said.contains(words), "{tables}: {said}");
    }
}
