//! A database that refuses: what kine says of it, and what hc-firstboot makes of that.

use std::fs;
use std::path::{Path, PathBuf};

use crate::databases::{
    Authority, Database, MYSQL_PASSWORD, POSTGRES_PASSWORD, encoded, mysql_endpoint, postgres_endpoint,
};
use crate::in_own_network;
use crate::kine::{Given, Kine};

const WRONG: &str = "n0t@the/right:one";

/// The files of [external-datastore], and those of somebody else.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new(authority: &Authority) -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap() };
        let other = Authority::new();
        for (name, ca, user) in
            [("right", authority, "k3s"), ("other", &other, "k3s"), ("guest", authority, "guest")]
        {
            let [certificate, key] = ca.client(user);
            for (end, text) in [("ca.pem", &ca.pem), ("pem", &certificate), ("key", &key)] {
                fs::write(files.path(name, end), text).unwrap();
            }
        }
        files
    }

    fn path(&self, name: &str, end: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.{end}"))
    }

    /// With a CA, and a client's certificate by the name of whose it is.
    fn given(&self, endpoint: String, ca: Option<&str>, client: Option<&str>) -> Given {
        Given {
            endpoint,
            ca: ca.map(|name| self.path(name, "ca.pem")),
            certificate: client.map(|name| self.path(name, "pem")),
            key: client.map(|name| self.path(name, "key")),
        }
    }
}

/// What is given, and what the report must say: cause and cure.
type Case = (Given, &'static str, &'static str);

fn judge(cases: Vec<Case>, secrets: &[&str]) {
    for (given, cause, cure) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut kine = Kine::start(dir.path(), &given);
        let is_told = |kine: &mut Kine| kine.diagnosis().1.is_some() || kine.has_ended();
        kine.wait("kine to fail", is_told);
        kine.wait("the end of a line", |kine| kine.diagnosis().1.is_some());
        let (lines, found) = kine.diagnosis();
        let (meaning, advice) = found.unwrap();
        println!("  {}\n    {meaning}: {advice}", lines.last().unwrap());
        assert!(meaning.contains(cause) && advice.contains(cure), "expected {cause:?}, {cure:?}\n{lines:#?}");
        no_secret(dir.path(), &lines, secrets);
    }
}

/// Neither in what the report shows, nor in what kine itself writes.
fn no_secret(dir: &Path, lines: &[String], secrets: &[&str]) {
    let raw = fs::read_to_string(dir.join("kine.log")).unwrap();
    for secret in secrets.iter().flat_map(|secret| [(*secret).to_owned(), encoded(secret)]) {
        assert!(!raw.contains(&secret) && !lines.join("\n").contains(&secret), "{secret} is in\n{raw}");
    }
}

#[test]
#[ignore = "needs kine: make database-test"]
fn what_postgresql_refuses_is_told() {
    in_own_network("faults::what_postgresql_refuses_is_told", || {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let _database = Database::postgres(dir.path(), &authority);
        let files = Files::new(&authority);
        let by = |user: &str, password: &str, database: &str| postgres_endpoint(user, password, database);
        let good = || by("k3s", POSTGRES_PASSWORD, "k3s");
        let right = Some("right");
        judge(
            vec![
                (
                    files.given(by("k3s", WRONG, "k3s"), right, right),
                    "refuses the user or the password",
                    "percent-encoded",
                ),
                (
                    files.given(by("nobody", WRONG, "k3s"), right, None),
                    "refuses the user or the password",
                    "check both",
                ),
                (files.given(good(), Some("other"), right), "not signed by the CA in ca-file", "set ca-file"),
                (files.given(good(), right, None), "client certificate", "set cert-file and key-file"),
                (
                    files.given(good(), right, Some("other")),
                    "client certificate",
                    "set cert-file and key-file",
                ),
                (
                    files.given(by("guest", POSTGRES_PASSWORD, "nope"), right, None),
                    "is not there",
                    "create it",
                ),
                (
                    files.given(by("guest", POSTGRES_PASSWORD, "k3s"), right, None),
                    "may not create tables",
                    "the owner",
                ),
                (
                    files.given(format!("{}?sslmode=disable", good()), None, None),
                    "not without encryption",
                    "set ca-file",
                ),
            ],
            &[POSTGRES_PASSWORD, WRONG],
        );
    });
}

#[test]
#[ignore = "needs kine: make database-test"]
fn what_mariadb_refuses_is_told() {
    in_own_network("faults::what_mariadb_refuses_is_told", || {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let _database = Database::mariadb(dir.path(), &authority);
        let files = Files::new(&authority);
        let by = |user: &str, password: &str, database: &str| mysql_endpoint(user, password, database);
        let good = || by("k3s", MYSQL_PASSWORD, "k3s");
        let right = Some("right");
        judge(
            vec![
                (
                    files.given(by("k3s", WRONG, "k3s"), right, None),
                    "refuses the user or the password",
                    "as they are",
                ),
                (
                    files.given(by("certified", MYSQL_PASSWORD, "k3s"), right, None),
                    "refuses the user",
                    "a certificate",
                ),
                (files.given(good(), None, None), "refuses the user", "must come with TLS"),
                (files.given(good(), Some("other"), None), "not signed by the CA in ca-file", "set ca-file"),
                (
                    files.given(good(), right, Some("other")),
                    "client certificate",
                    "set cert-file and key-file",
                ),
                (files.given(by("k3s", MYSQL_PASSWORD, "nope"), right, None), "not this user's", "create it"),
            ],
            &[MYSQL_PASSWORD, WRONG],
        );
        // With its certificate that user is let in, so it was the certificate.
        let dir = tempfile::tempdir().unwrap();
        let given = files.given(by("certified", MYSQL_PASSWORD, "k3s"), right, right);
        Kine::start(dir.path(), &given).wait_until_it_serves();
    });
}
