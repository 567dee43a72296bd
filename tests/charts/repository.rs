//! Charts of a repository with an index.

use std::fs;

use hcimage::charts::{ChartPlace, Repository};
use hcimage::images::Login;
use hcimage::source::digest::Sha256Digest;
use hcimage::value::Secret;
use hcimage_testkit::desk::Desk;
use hcimage_testkit::publisher::{Fault, Publisher};

use crate::{chart, packed, refused};

fn index(version: &str, url: &str, digest: Option<&str>) -> String {
    let digest = digest.map(|digest| format!("    digest: {digest}\n")).unwrap_or_default();
    format!(
        "apiVersion: v1\nentries:\n  other:\n  - version: 9.0.0\n    urls: []\n  shop:\n  - apiVersion: v2\n    name: shop\n    \
         version: {version}\n{digest}    urls:\n    - {url}\n"
    )
}

fn place(server: &Publisher, version: &str) -> ChartPlace {
    ChartPlace::Repository(repository(server, version))
}

fn repository(server: &Publisher, version: &str) -> Repository {
    Repository {
        url: server.url("/charts"),
        chart: "shop".into(),
        version: version.parse().unwrap(),
        credentials: None,
        ca: None,
    }
}

/// A server with one chart.
fn serving(bytes: &[u8]) -> Publisher {
    let server = Publisher::start();
    let digest = Sha256Digest::of(bytes).to_string();
    server.file("/charts/index.yaml", index("1.2.0", "files/shop-1.2.0.tgz", Some(&digest)));
    server.file("/charts/files/shop-1.2.0.tgz", bytes);
    server
}

#[test]
fn a_chart_is_locked_on_first_use_and_then_asked_for_by_its_digest() {
    let bytes = packed("shop", "1.2.0", "a: 1\n");
    let (desk, server) = (Desk::new(), serving(&bytes));
    let first = chart(&desk, &place(&server, "v1.2.0")).unwrap();
    assert_eq!(first.archive.sha256, Sha256Digest::of(&bytes));
    assert_eq!(server.take_paths(), ["/charts/index.yaml", "/charts/files/shop-1.2.0.tgz"]);
    let lock = fs::read_to_string(desk.path("hcimage.lock")).unwrap();
    assert!(
        lock.contains("\"chart.web:v1.2.0\"") && lock.contains(&first.archive.sha256.to_string()),
        "{lock}"
    );
    // What is in the cache is asked for no more.
    chart(&desk, &place(&server, "v1.2.0")).unwrap();
    assert_eq!(server.take_paths(), [""; 0]);
    // Another machine asks for the file alone; and the file has changed.
    let elsewhere = Desk::new();
    fs::copy(desk.path("hcimage.lock"), elsewhere.path("hcimage.lock")).unwrap();
    server.file("/charts/files/shop-1.2.0.tgz", packed("shop", "1.2.0", "a: 2\n"));
    let said = refused(&elsewhere, &place(&server, "v1.2.0"));
    assert_eq!(server.take_paths(), ["/charts/files/shop-1.2.0.tgz"]);
    assert!(said.contains("chart.web:v1.2.0") && said.contains(&first.archive.sha256.to_string()), "{said}");
}

#[test]
fn a_repository_without_digests_is_pinned_by_what_it_sends_first() {
    let (desk, server) = (Desk::new(), Publisher::start());
    server.file("/charts/index.yaml", index("1.2.0", "shop-1.2.0.tgz", None));
    let bytes = packed("shop", "1.2.0", "a: 1\n");
    server.file("/charts/shop-1.2.0.tgz", bytes.clone());
    let first = chart(&desk, &place(&server, "1.2.0")).unwrap();
    assert_eq!(first.archive.sha256, Sha256Digest::of(&bytes));
    fs::remove_dir_all(desk.cache.root()).unwrap();
    server.file("/charts/shop-1.2.0.tgz", packed("shop", "1.2.0", "a: 2\n"));
    assert!(refused(&desk, &place(&server, "1.2.0")).contains("hcimage.lock"));
}

#[test]
fn another_repository_must_have_the_same_bytes() {
    let bytes = packed("shop", "1.2.0", "a: 1\n");
    let (desk, server) = (Desk::new(), serving(&bytes));
    chart(&desk, &place(&server, "1.2.0")).unwrap();
    chart(&desk, &place(&serving(&bytes), "1.2.0")).unwrap();
    let said = refused(&desk, &place(&serving(&packed("shop", "1.2.0", "a: 2\n")), "1.2.0"));
    assert!(said.contains("chart.web:1.2.0") && said.contains("hcimage.lock"), "{said}");
}

#[test]
fn a_connection_that_ends_is_resumed() {
    let bytes = packed("shop", "1.2.0", "a: 1\n");
    for tenth in 0..10 {
        let (desk, server) = (Desk::new(), serving(&bytes));
        server.faults("/charts/files/shop-1.2.0.tgz", &[Fault::CutAfter(bytes.len() * tenth / 10)]);
        server.faults("/charts/index.yaml", &[Fault::CutAfter(20 * tenth), Fault::Status(503)]);
        assert_eq!(chart(&desk, &place(&server, "1.2.0")).unwrap().archive.sha256, Sha256Digest::of(&bytes));
    }
}

#[test]
fn what_a_repository_does_wrong_is_told_and_nothing_is_locked() {
    let good = packed("shop", "1.2.0", "a: 1\n");
    let digest = |bytes: &[u8]| Sha256Digest::of(bytes).to_string();
    let other = packed("shop", "1.3.0", "a: 1\n");
    let large = format!("{}{}", index("1.2.0", "shop-1.2.0.tgz", None), "# more\n".repeat(120 << 17));
    assert!(large.len() > 90 << 20);
    for (index, file, said) in [
        (index("1.2.0", "shop-1.2.0.tgz", Some(&digest(b"x"))), &good, "the download was deleted"),
        (
            index("1.1.0", "shop-1.2.0.tgz", None),
            &good,
            "no version 1.2.0 of shop; the first that it lists: 1.1.0",
        ),
        (index("1.2.0", "none.tgz", None), &good, "no such file"),
        (
            index("1.2.0", "shop-1.2.0.tgz", Some(&digest(&other))),
            &other,
            "expected shop 1.2.0, found shop 1.3.0",
        ),
        (index("1.2.0", "http://192.0.2.1/shop.tgz", None), &good, "192.0.2.1"),
        (index("1.2.0", "ftp://e.org/shop.tgz", None), &good, "not allowed"),
        ("<html>".to_owned(), &good, "expected the index.yaml"),
        (large, &good, "more than"),
    ] {
        let (desk, server) = (Desk::new(), Publisher::start());
        server.file("/charts/index.yaml", index);
        server.file("/charts/shop-1.2.0.tgz", file.clone());
        let error = refused(&desk, &place(&server, "1.2.0"));
        assert!(error.contains(said), "{said}: {error}");
        assert!(!desk.path("hcimage.lock").exists(), "{said}");
    }
    let (desk, server) = (Desk::new(), Publisher::start());
    for (status, said) in [(401, "`username`"), (403, "`username`"), (404, "check `repo`"), (500, "500")] {
        server.faults("/charts/index.yaml", &vec![Fault::Status(status); 4]);
        let error = refused(&desk, &place(&server, "1.2.0"));
        assert!(error.contains(said), "{status}: {error}");
    }
}

#[test]
fn a_password_goes_to_the_server_of_the_repository_only() {
    let bytes = packed("shop", "1.2.0", "a: 1\n");
    let (desk, server, elsewhere) = (Desk::new(), Publisher::start(), Publisher::start());
    let credentials = Some(Login { username: "pull".into(), password: Secret::new("geheim") });
    let place = ChartPlace::Repository(Repository { credentials, ..repository(&server, "1.2.0") });
    let far = elsewhere.url("/shop-1.2.0.tgz").to_string();
    let digest = Sha256Digest::of(&bytes).to_string();
    server.file("/charts/index.yaml", index("1.2.0", &far, Some(&digest)));
    elsewhere.file("/shop-1.2.0.tgz", bytes.clone());
    chart(&desk, &place).unwrap();
    let of = |server: &Publisher| -> Vec<_> {
        server.take_requests().into_iter().map(|request| request.authorization).collect()
    };
    assert_eq!(of(&server), [Some("Basic cHVsbDpnZWhlaW0=".to_owned())]);
    assert_eq!(of(&elsewhere), [None]);
    // A redirect to another server loses it, too.
    let desk = Desk::new();
    server.file("/charts/index.yaml", index("1.2.0", "shop-1.2.0.tgz", Some(&digest)));
    server.redirect("/charts/shop-1.2.0.tgz", &far);
    chart(&desk, &place).unwrap();
    assert_eq!(of(&server).iter().flatten().count(), 2);
    assert_eq!(of(&elsewhere), [None]);
}
