//! Only an index counts that a key signed which the base trusts, and that is not an old one served again.

use std::fs;
use std::process::Command;

use hcimage::source::digest::Sha256Digest;
use hcimage::source::lock::Lock;
use hcimage_testkit::desk::Desk;
use hcimage_testkit::tools::run;

use crate::archive::{Archive, STATUS, TRUSTED, is_locked, shop};
use crate::{listed, packages, refused};

const DAY: i64 = 24 * 3600;
const INDEX: &str = "/debian/dists/stable/InRelease";

/// As RFC 2822 has it, so many days from now.
fn days(days: i64) -> String {
    let time = format!("@{}", crate::now() + days * DAY);
    let mut date = Command::new("date");
    date.env("LC_ALL", "C").args(["--utc", "--date", &time, "+%a, %d %b %Y %H:%M:%S UTC"]);
    run(&mut date).trim().to_owned()
}

/// The index with another date.
fn dated(archive: &Archive, date: &str, more: &str) -> String {
    let release = archive.release(more);
    let line = |line: &str| if line.starts_with("Date:") { format!("Date: {date}") } else { line.to_owned() };
    release.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn what_is_signed_is_taken_and_locked() {
    let (archive, desk) = (shop(), Desk::new());
    let base = archive.base(STATUS);
    let set = packages(&desk, &base, "arm64", &["shop"], false).unwrap();
    assert_eq!(listed(&set), ["lib 2:2.0-1", "shop 1.0+b1"]);
    assert_eq!(set.0[0].replaces.as_deref(), Some("1.0"));
    assert_eq!(set.0[1].replaces, None);
    let names: Vec<&str> = set.0.iter().map(|package| package.file.name.as_str()).collect();
    assert_eq!(names, ["0001-lib.deb", "0002-shop.deb"]);

    // From now on no archive is asked: what is locked answers by itself.
    archive.server.take_requests();
    archive.package("shop", "3.0", "");
    archive.publish();
    let again = packages(&desk, &base, "arm64", &["shop"], false).unwrap();
    assert_eq!(listed(&again), listed(&set));
    assert_eq!(archive.server.take_paths(), [""; 0]);
    let text = fs::read_to_string(desk.path("hcimage.lock")).unwrap();
    assert_eq!(Lock::parse(&desk.path("hcimage.lock"), &text).unwrap().digests().count(), 2, "{text}");
}

#[test]
fn a_package_more_is_resolved_anew_and_a_base_that_has_it_needs_none() {
    let (archive, desk) = (shop(), Desk::new());
    archive.package("tool", "1", "");
    archive.publish();
    let base = archive.base(STATUS);
    packages(&desk, &base, "arm64", &["shop"], false).unwrap();
    let more = packages(&desk, &base, "arm64", &["shop", "tool"], false).unwrap();
    assert_eq!(listed(&more), ["lib 2:2.0-1", "shop 1.0+b1", "tool 1"]);
    let text = fs::read_to_string(desk.path("hcimage.lock")).unwrap();
    assert!(text.contains("package.cm4.tool") && text.contains("[[release]]"), "{text}");
    assert!(text.contains("asked = [\"shop\", \"tool\"]"), "{text}");
    // What recommended packages would add is not in the lock.
    archive.package("extra", "1", "");
    archive.package("shop", "2", "Depends: lib (>= 2:2)\nRecommends: extra\n");
    archive.publish();
    let recommended = packages(&desk, &base, "arm64", &["shop"], true).unwrap();
    assert_eq!(listed(&recommended), ["extra 1", "lib 2:2.0-1", "shop 2"]);
    let newer = archive.base(&STATUS.replace("1.0", "2:3"));
    assert_eq!(listed(&packages(&desk, &newer, "arm64", &["shop"], false).unwrap()), ["shop 2"]);
}

#[test]
fn an_index_that_nobody_trusted_signed_is_refused() {
    let archive = shop();
    let base = archive.base(STATUS);
    let good = archive.release("");
    archive.gpg.make_key("other@example.org", "never", &[]);
    let signed = archive.gpg.clearsign(&good, TRUSTED, &[]);
    let forgeable = ["--digest-algo", "SHA1", "--allow-weak-digest-algos"];
    let more = "SHA256:\n 00 1 main/binary-arm64/Packages\n";
    let cases: [(&str, String, &str); 9] = [
        (
            "of another suite",
            archive.gpg.clearsign(&good.replace("Suite: stable", "Suite: sid"), TRUSTED, &[]),
            "expected stable",
        ),
        ("unsigned", good.clone(), "no OpenPGP signature"),
        ("by another key", archive.gpg.clearsign(&good, "other@example.org", &[]), "no trusted key"),
        ("changed", signed.replace("Suite: stable", "Suite: stablf"), "changed after it was signed"),
        ("SHA-1", archive.gpg.clearsign(&good, TRUSTED, &forgeable), "can be forged"),
        ("empty", String::new(), "no OpenPGP signature"),
        ("cut", signed[..signed.len() - 60].to_owned(), "no OpenPGP signature"),
        ("text before", format!("{more}\n{signed}"), "no OpenPGP signature"),
        ("text behind", format!("{signed}\n{more}"), "no OpenPGP signature"),
    ];
    for (what, text, said) in cases {
        let desk = Desk::new();
        archive.server.file(INDEX, text);
        let error = refused(&desk, &base, &["shop"]);
        assert!(error.contains(said) && error.contains("InRelease"), "{what}: {error}");
        assert!(!is_locked(desk.dir.path()), "{what}");
    }
}

#[test]
fn a_key_that_has_expired_is_refused() {
    let archive = shop();
    let mut base = archive.base(STATUS);
    // It was made and expired long ago, and signs with the clock of then.
    archive.gpg.make_key("old@example.org", "2020-01-10", &["--faked-system-time", "20200101T000000"]);
    base.put("/usr/share/keyrings/test.asc", archive.gpg.key("old@example.org"));
    let then = ["--faked-system-time", "20200105T000000"];
    archive.server.file(INDEX, archive.gpg.clearsign(&archive.release(""), "old@example.org", &then));
    let error = refused(&Desk::new(), &base, &["shop"]);
    assert!(error.contains("the key has expired"), "{error}");

    base.put("/usr/share/keyrings/test.asc", "no key at all");
    let error = refused(&Desk::new(), &base, &["shop"]);
    assert!(error.contains("the base has no key for it"), "{error}");
}

/// Keys one behind the other in a file, and an index that is signed in the older way.
#[test]
fn an_archive_that_signs_in_the_older_way_is_taken() {
    let archive = shop();
    let mut base = archive.base(STATUS);
    archive.gpg.make_key("other@example.org", "never", &[]);
    let keys = archive.gpg.key("other@example.org") + &archive.gpg.key(TRUSTED);
    base.put("/usr/share/keyrings/test.asc", keys);
    let release = archive.release("");
    archive.server.remove(INDEX);
    let error = refused(&Desk::new(), &base, &["shop"]);
    assert!(error.contains("404") && error.contains("does not sign"), "{error}");
    let dir = "/debian/dists/stable";
    archive.server.file(&format!("{dir}/Release"), release.clone());
    archive.server.file(&format!("{dir}/Release.gpg"), archive.gpg.detached(release.as_bytes(), TRUSTED));
    packages(&Desk::new(), &base, "arm64", &["shop"], false).unwrap();
    archive.server.file(&format!("{dir}/Release"), release.replace("stable", "stablf"));
    let error = refused(&Desk::new(), &base, &["shop"]);
    assert!(error.contains("changed after it was signed"), "{error}");
}

/// As small archives are that somebody has made by hand: no components, the list beside the index.
#[test]
fn a_suite_without_components_is_taken() {
    let archive = shop();
    let mut base = archive.base(STATUS);
    let url = archive.server.url("/debian");
    let line = format!("deb [signed-by=/usr/share/keyrings/test.asc] {url} flat/\n");
    base.put("/etc/apt/sources.list", line);
    let list = archive.packages();
    let (size, digest) = (list.len(), Sha256Digest::of(list.as_bytes()));
    let release = format!("Date: {}\nSHA256:\n {digest} {size} Packages\n", days(0));
    archive.server.file("/debian/flat/InRelease", archive.gpg.clearsign(&release, TRUSTED, &[]));
    archive.server.file("/debian/flat/Packages", list);
    let set = packages(&Desk::new(), &base, "arm64", &["shop"], false).unwrap();
    assert_eq!(listed(&set), ["lib 2:2.0-1", "shop 1.0+b1"]);
}

#[test]
fn an_index_that_is_no_longer_or_not_yet_valid_is_refused() {
    let archive = shop();
    let base = archive.base(STATUS);
    let over = format!("Valid-Until: {}\n", days(-3));
    archive.serve_release(&dated(&archive, &days(-10), &over), TRUSTED);
    let error = refused(&Desk::new(), &base, &["shop"]);
    assert!(error.contains("expired 3 days ago"), "{error}");

    archive.serve_release(&dated(&archive, &days(10), ""), TRUSTED);
    let error = refused(&Desk::new(), &base, &["shop"]);
    assert!(error.contains("made after now"), "{error}");
}

#[test]
fn an_older_index_than_the_one_before_is_refused() {
    let (archive, desk) = (shop(), Desk::new());
    let base = archive.base(STATUS);
    packages(&desk, &base, "arm64", &["shop"], false).unwrap();
    archive.package("tool", "1", "");
    archive.publish();
    archive.serve_release(&dated(&archive, &days(-1), ""), TRUSTED);
    let error = refused(&desk, &base, &["shop", "tool"]);
    assert!(error.contains("older than the one that was used before"), "{error}");
    // Somebody who never saw the newer one cannot know.
    packages(&Desk::new(), &base, "arm64", &["shop", "tool"], false).unwrap();
}
