//! The overlay `owntracks`: the script that makes rows of what the Recorder has filed, by dash and a real PostgreSQL. The files are
//! written as the Recorder's source does it: time, topic and payload, with tabs between.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::programs::{Running, object, objects, to_log, until, volume};
use super::servers::Postgres;
use super::{ONE, load};
use hcimage_testkit::proof::{OverlayLevel, Proof};

const TABLES: &str = "[overlays.owntracks]\nhost = \"tracks.example.org\"\nuser = \"kim\"\npostgresql = true\ndb-host = \"db.home.lan\"\ndb-password = \"hunter3\"\n\
     more-users = \"lee:$2y$05$abc\"\n";

const PASSWORD: &str = "hunter3";

/// A Recorder's folder, and a database.
struct Rows {
    dir: tempfile::TempDir,
    database: Postgres,
    _of_database: tempfile::TempDir,
}

impl Rows {
    fn new() -> Self {
        let (dir, of_database) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let objects = objects(TABLES, ONE, |_| "hunter2".to_owned());
        volume(object(&objects, "ConfigMap", "rows"), "data", &dir.path().join("scripts"));
        fs::create_dir(dir.path().join("run")).unwrap();
        let database = Postgres::start(of_database.path(), "owntracks", "owntracks", PASSWORD);
        Self { dir, database, _of_database: of_database }
    }

    fn start(&self) -> Running {
        let (clients, libraries) = self.database.clients();
        let child = Command::new("/bin/sh")
            .arg(self.dir.path().join("scripts/rows.sh"))
            .env("PATH", format!("{}:{}", clients.display(), std::env::var("PATH").unwrap()))
            .env("LD_LIBRARY_PATH", libraries)
            .env("STORE", self.dir.path().join("store"))
            .env("SCRIPTS", self.dir.path().join("scripts"))
            .env("RUN", self.dir.path().join("run"))
            .env("PAUSE", "0.2")
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.database.port.to_string())
            .env("PGDATABASE", "owntracks")
            .env("PGUSER", "owntracks")
            .env("PGPASSWORD", PASSWORD)
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

    fn asked(&self, sql: &str) -> String {
        let said = self.database.psql("owntracks", PASSWORD, "owntracks", sql);
        said.unwrap_or_else(|error| error).trim().to_owned()
    }

    fn rows(&self) -> String {
        let sql = "SELECT account, device, extract(epoch FROM at)::bigint, lat, lon, battery FROM locations ORDER BY 1, 2, 3";
        self.asked(sql)
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
    let proof = Proof::of_overlay(OverlayLevel::Programs, "owntracks");
    let rows = Rows::new();
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
    assert_eq!(rows.asked(read), "2");
    proof.holds();
}

#[test]
fn rows_come_once_a_database_that_was_away_is_back() {
    let mut rows = Rows::new();
    let _script = rows.start();
    rows.write("kim/phone", &location(1_764_300_001, ""));
    rows.wait("kim|phone|1764300001|51.5|-0.25|");
    // As the power going would end it.
    rows.database.kill();
    rows.write("kim/phone", &location(1_764_300_002, ""));
    let log = || fs::read_to_string(rows.dir.path().join("log")).unwrap();
    until("it tries again", log, || log().contains("trying again"));
    rows.database.serve();
    rows.wait("kim|phone|1764300001|51.5|-0.25|\nkim|phone|1764300002|51.5|-0.25|");
}

#[test]
fn accounts_are_hashed_and_what_is_missing_is_said() {
    let objects = objects(TABLES, ONE, |_| "hunter2".to_owned());
    let users = object(&objects, "Secret", "users")["stringData"]["users"].as_str().unwrap();
    let lines: Vec<&str> = users.lines().collect();
    assert!(lines[0].starts_with("kim:$2y$") && lines[1] == "lee:$2y$05$abc", "{users}");
    assert!(!users.contains("hunter2"));
    for (more, words) in [
        ("mqtt = true", "broker-password is missing"),
        ("postgresql = true\ndb-host = \"db.home.lan\"", "db-password is missing"),
        ("postgresql = true", "no Secret owntracks/postgresql"),
        ("db-host = \"db.home.lan\"", "db-host is for postgresql"),
        ("mqtt = false\nbroker = \"not a host\"", "not a host"),
    ] {
        let tables = format!("[overlays.owntracks]\nhost = \"tracks.example.org\"\nuser = \"kim\"\n{more}\n");
        let said = load(Path::new("/nowhere"), &tables, ONE).unwrap_err().to_string();
        assert!(said.contains(words), "{tables}: {said}");
    }
}
