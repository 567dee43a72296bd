//! The overlay `owntracks`: the script that makes rows of what the Recorder has filed, by dash and a real PostgreSQL. The files are
//! written as the Recorder's source does it: time, topic and payload, with tabs between.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage_testkit::unpacked;

use super::programs::{Running, files, free_port, is_root, object, objects, to_log, until, wait_for};
use super::{ONE, load};

const TABLES: &str = "[overlays.owntracks]\nhost = \"tracks.example.org\"\nuser = \"kim\"\npostgresql = true\ndb-password = \"hunter3\"\n\
     more-users = \"lee:$2y$05$abc\"\n";

const PACKAGES: [&str; 7] =
    ["postgresql-15", "postgresql-client-15", "libpq5", "libxml2", "libicu72", "libldap-2.5-0", "libsasl2-2"];

/// A server in a folder.
struct Database {
    dir: tempfile::TempDir,
    port: u16,
}

impl Database {
    /// One that runs, with a database and its account.
    fn start() -> (Self, Running) {
        let database = Self { dir: tempfile::tempdir().unwrap(), port: free_port() };
        // PostgreSQL does not run as root, and nobody else may read the packages' place.
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").arg(unpacked::packages(&PACKAGES)).arg(database.path("root"));
        assert!(run(copied).0);
        if is_root() {
            let mut given = Command::new("chown");
            assert!(run(given.args(["-R", "65534:65534"]).arg(database.dir.path())).0);
        }
        let made = run(database
            .program("initdb")
            .args(["--auth=trust", "--username=admin", "-D"])
            .arg(database.path("data")));
        assert!(made.0, "{}", made.1);
        let running = database.serve();
        for sql in ["CREATE ROLE owntracks LOGIN", "CREATE DATABASE owntracks OWNER owntracks"] {
            let made = database.asked("admin", "postgres", sql);
            assert!(made.0, "{}", made.1);
        }
        (database, running)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn bin(&self) -> PathBuf {
        self.path("root/usr/lib/postgresql/15/bin")
    }

    fn libraries(&self) -> String {
        unpacked::libraries(&self.path("root"))
    }

    /// One of its programs, as nobody where the test is root.
    fn program(&self, name: &str) -> Command {
        let program = self.bin().join(name);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        command.env("LD_LIBRARY_PATH", self.libraries());
        command
    }

    /// Serves what is in the folder, also where it was killed before.
    fn serve(&self) -> Running {
        let _ = fs::remove_file(self.path("data/postmaster.pid"));
        let mut server = self.program("postgres");
        let child = server
            .arg("-D")
            .arg(self.path("data"))
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-c", "jit=off", "-k"])
            .arg(self.dir.path())
            .stdout(to_log(&self.path("log")))
            .stderr(to_log(&self.path("log")))
            .spawn()
            .unwrap();
        let running = Running(child);
        wait_for(self.port, &self.path("log"));
        until("it starts", || self.log(), || self.asked("admin", "postgres", "SELECT 1").0);
        running
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn asked(&self, user: &str, database: &str, sql: &str) -> (bool, String) {
        let mut psql = Command::new(self.bin().join("psql"));
        psql.env("LD_LIBRARY_PATH", self.libraries());
        psql.args(["-X", "-At", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", user, "-d", database]);
        run(psql.args(["-c", sql]))
    }
}

fn run(command: &mut Command) -> (bool, String) {
    let said = command.output().unwrap();
    let all = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    (said.status.success(), all.trim().to_owned())
}

/// A Recorder's folder, and the script that reads it.
struct Rows<'a> {
    dir: tempfile::TempDir,
    database: &'a Database,
}

impl<'a> Rows<'a> {
    fn new(database: &'a Database) -> Self {
        let dir = tempfile::tempdir().unwrap();
        files(&objects(TABLES, "hunter2"), "rows", &dir.path().join("scripts"));
        fs::create_dir(dir.path().join("run")).unwrap();
        Self { dir, database }
    }

    fn start(&self) -> Running {
        let child = Command::new("/bin/sh")
            .arg(self.dir.path().join("scripts/rows.sh"))
            .env("PATH", format!("{}:{}", self.database.bin().display(), std::env::var("PATH").unwrap()))
            .env("LD_LIBRARY_PATH", self.database.libraries())
            .env("STORE", self.dir.path().join("store"))
            .env("SCRIPTS", self.dir.path().join("scripts"))
            .env("RUN", self.dir.path().join("run"))
            .env("PAUSE", "0.2")
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.database.port.to_string())
            .env("PGDATABASE", "owntracks")
            .env("PGUSER", "owntracks")
            .stdout(to_log(&self.dir.path().join("log")))
            .stderr(to_log(&self.dir.path().join("log")))
            .spawn()
            .unwrap();
        Running(child)
    }

    /// Adds bytes to a file of a phone.
    fn write(&self, phone: &str, bytes: &[u8]) {
        let folder = self.dir.path().join("store/rec").join(phone);
        fs::create_dir_all(&folder).unwrap();
        let file = File::options().create(true).append(true).open(folder.join("2026-11.rec"));
        file.unwrap().write_all(bytes).unwrap();
    }

    fn rows(&self) -> String {
        let sql = "SELECT account, device, extract(epoch FROM at)::bigint, lat, lon, battery FROM locations ORDER BY 1, 2, 3";
        self.database.asked("owntracks", "owntracks", sql).1
    }

    fn wait(&self, rows: &str) {
        let said =
            || format!("{}\n{}", self.rows(), fs::read_to_string(self.dir.path().join("log")).unwrap());
        until(rows, said, || self.rows() == rows);
    }
}

/// A line of the Recorder.
fn line(payload: &str) -> Vec<u8> {
    format!("2026-11-28T10:00:00Z\t{:<18}\t{payload}\n", "*").into_bytes()
}

fn location(at: u32, more: &str) -> Vec<u8> {
    line(&format!("{{\"_type\":\"location\",\"lat\":51.5,\"lon\":-0.25,\"tst\":{at}{more}}}"))
}

#[test]
fn each_location_becomes_one_row_whatever_is_cut_off_and_whatever_a_phone_sends() {
    let (database, _server) = Database::start();
    let rows = Rows::new(&database);
    let mut script = rows.start();
    rows.write("kim/phone", &location(1_764_300_001, ",\"batt\":80,\"t\":\"\\\\.\""));
    // Twice, as a broker sends it again.
    rows.write("kim/phone", &location(1_764_300_001, ",\"batt\":80,\"t\":\"\\\\.\""));
    rows.write("lee/it's", &location(1_764_300_001, ""));
    let [kim, lee] = ["kim|phone|1764300001|51.5|-0.25|80", "lee|it's|1764300001|51.5|-0.25|"];
    rows.wait(&format!("{kim}\n{lee}"));

    // What is no location, or none that a database takes, stops nothing, and is no command.
    for payload in [
        "{\"_type\":\"lwt\",\"tst\":1764300002}",
        "no json",
        "{\"_type\":\"location\",\"lat\":\"51.5\",\"lon\":1,\"tst\":1764300003}",
        "{\"_type\":\"location\",\"lat\":1e400,\"lon\":1,\"tst\":1764300003}",
        "{\"_type\":\"location\",\"lat\":91,\"lon\":1,\"tst\":1764300003}",
        "{\"_type\":\"location\",\"lat\":1,\"lon\":1,\"tst\":1e18}",
        "{\"_type\":\"location\",\"lat\":1,\"lon\":1,\"tst\":1764300003,\"n\":\"\\u0000\"}",
        "[]",
        "\"location\"",
        "",
    ] {
        rows.write("kim/phone", &line(payload));
    }
    rows.write("kim/phone", b"\\.\nDROP TABLE locations;\n\n2026-11-28T10:00:00Z\n");
    rows.write(
        "kim/phone",
        &line("{\"_type\":\"location\",\"lat\":1,\"lon\":2,\"tst\":1764300004,\"n\":\"N\"}")
            .iter()
            .flat_map(
                |byte| if *byte == b'N' { vec![1, 2, 0, 0xff, b'\r', b'\\', b'"'] } else { vec![*byte] },
            )
            .collect::<Vec<u8>>(),
    );
    rows.write("kim/phone", &location(1_764_300_005, ""));
    // Bytes that are no text are no reason to leave a location out.
    let fifth = "kim|phone|1764300004|1|2|\nkim|phone|1764300005|51.5|-0.25|";
    rows.wait(&format!("{kim}\n{fifth}\n{lee}"));

    // Half a line is read once it is whole.
    let whole = location(1_764_300_006, "");
    let (begin, end) = whole.split_at(40);
    rows.write("kim/phone", begin);
    rows.write("lee/it's", &location(1_764_300_002, ""));
    let lee_second = "lee|it's|1764300002|51.5|-0.25|";
    rows.wait(&format!("{kim}\n{fifth}\n{lee}\n{lee_second}"));
    rows.write("kim/phone", end);
    let sixth = "kim|phone|1764300006|51.5|-0.25|";
    rows.wait(&format!("{kim}\n{fifth}\n{sixth}\n{lee}\n{lee_second}"));

    // It is ended by a signal at once, and another goes on where it ended.
    assert!(script.end().success());
    rows.write("lee/it's", &location(1_764_300_003, ""));
    let _script = rows.start();
    let lee_third = "lee|it's|1764300003|51.5|-0.25|";
    let all = format!("{kim}\n{fifth}\n{sixth}\n{lee}\n{lee_second}\n{lee_third}");
    rows.wait(&all);
    let read = "SELECT count(*) FROM owntracks_files WHERE bytes > 0";
    assert_eq!(database.asked("owntracks", "owntracks", read).1, "2");
}

#[test]
fn rows_come_once_a_database_that_was_away_is_back() {
    let (database, server) = Database::start();
    let rows = Rows::new(&database);
    let _script = rows.start();
    rows.write("kim/phone", &location(1_764_300_001, ""));
    rows.wait("kim|phone|1764300001|51.5|-0.25|");
    // Killed, and not ended.
    drop(server);
    rows.write("kim/phone", &location(1_764_300_002, ""));
    let log = || fs::read_to_string(rows.dir.path().join("log")).unwrap();
    until("it tries again", log, || log().contains("trying again"));
    let _server = database.serve();
    rows.wait("kim|phone|1764300001|51.5|-0.25|\nkim|phone|1764300002|51.5|-0.25|");
}

#[test]
fn accounts_are_hashed_and_what_is_missing_is_said() {
    let objects = objects(TABLES, "hunter2");
    let users = object(&objects, "Secret", "users")["stringData"]["users"].as_str().unwrap();
    let lines: Vec<&str> = users.lines().collect();
    assert!(lines[0].starts_with("kim:$2y$") && lines[1] == "lee:$2y$05$abc", "{users}");
    assert!(!users.contains("hunter2"));
    for (more, words) in [
        ("mqtt = true", "broker-password is missing"),
        ("postgresql = true", "db-password is missing"),
        ("mqtt = false\nbroker = \"not a host\"", "not a host"),
    ] {
        let tables = format!("[overlays.owntracks]\nhost = \"tracks.example.org\"\nuser = \"kim\"\n{more}\n");
        let said = load(Path::new("/nowhere"), &tables, ONE).unwrap_err().to_string();
        assert!(said.contains(words), "{tables}: {said}");
    }
}
