//! Archives with faults: nothing of them gets into the lock.

use std::fs;
use std::time::Duration;

use hcimage::packages::AptBase;
use hcimage_testkit::desk::Desk;
use hcimage_testkit::publisher::Fault;

use crate::archive::{STATUS, TRUSTED, is_locked, shop};
use crate::{listed, packages, refused};

const LIST: &str = "/debian/dists/stable/main/binary-arm64/Packages.xz";
const SHOP: &str = "/debian/pool/shop_1.0%2Bb1_arm64.deb";

#[test]
fn a_list_that_is_not_the_signed_one_is_refused() {
    let archive = shop();
    let base = archive.base(STATUS);
    let signed = archive.release("");
    archive.serve_list(&archive.packages().replace("shop", "shap"));
    archive.serve_release(&signed, TRUSTED);
    let desk = Desk::new();
    let error = refused(&desk, &base, &["shop"]);
    assert!(error.contains("Packages.xz") && error.contains("InRelease says"), "{error}");
    assert!(!is_locked(desk.dir.path()));
}

#[test]
fn a_list_that_leads_elsewhere_or_is_damaged_is_refused() {
    let archive = shop();
    let base = archive.base(STATUS);
    let good = archive.packages();
    for (from, to, said) in [
        ("Filename: pool/shop", "Filename: ../../shop", "is invalid"),
        ("Filename: pool/shop", "Filename: /etc/shop", "is invalid"),
        ("SHA256: ", "SHA256: zz", "is invalid"),
        ("\nSize: ", "\nSize: -", "is invalid"),
        ("Package: shop", "Package: ../shop", "is invalid"),
        ("Version: 1.0+b1", "Version: 1 0", "invalid"),
        ("SHA256: ", "Other: ", "no Filename, Size or SHA256"),
    ] {
        let desk = Desk::new();
        assert!(good.contains(from), "{from}: {good}");
        archive.serve_list(&good.replace(from, to));
        archive.serve_release(&archive.release(""), TRUSTED);
        let error = refused(&desk, &base, &["shop"]);
        assert!(error.contains(said), "{to}: {error}");
        assert!(!is_locked(desk.dir.path()), "{to}");
    }
}

#[test]
fn a_package_that_is_not_the_listed_one_is_refused() {
    let archive = shop();
    let base = archive.base(STATUS);
    let desk = Desk::new();
    archive.server.file(SHOP, b"!<arch>\nsomething else".to_vec());
    let error = refused(&desk, &base, &["shop"]);
    assert!(error.contains("shop_1.0%2Bb1_arm64.deb has 22 bytes"), "{error}");
    assert!(!is_locked(desk.dir.path()));

    archive.server.remove(SHOP);
    let error = refused(&Desk::new(), &base, &["shop"]);
    assert!(error.contains("404"), "{error}");
}

#[test]
fn a_connection_that_is_cut_is_taken_up_again() {
    let archive = shop();
    let base = archive.base(STATUS);
    let size = fs::metadata(archive.path("pool/shop_1.0+b1_arm64.deb")).unwrap().len();
    for tenth in 1..10 {
        let cut = usize::try_from(size * tenth / 10).unwrap();
        archive.server.faults(SHOP, &[Fault::CutAfter(cut), Fault::NoRange]);
        archive.server.faults(LIST, &[Fault::CutAfter(10), Fault::Status(503)]);
        let set = packages(&Desk::new(), &base, "arm64", &["shop"], false).unwrap();
        assert_eq!(listed(&set).len(), 2, "cut at {cut}");
    }
    archive.server.faults(SHOP, &[Fault::StallAfter(100, Duration::from_secs(3))]);
    packages(&Desk::new(), &base, "arm64", &["shop"], false).unwrap();
}

#[test]
fn a_list_of_a_hundred_megabytes_is_read_and_a_bomb_is_refused() {
    let archive = shop();
    let base = archive.base(STATUS);
    let filler = format!(
        "Package: other\nVersion: 1\nArchitecture: amd64\nFilename: pool/o\nSize: 1\nSHA256: {}\nX: {}\n\n",
        "0".repeat(64),
        "x".repeat(900_000)
    );
    archive.serve_list(&format!("{}{}", filler.repeat(110), archive.packages()));
    archive.serve_release(&archive.release(""), TRUSTED);
    packages(&Desk::new(), &base, "arm64", &["shop"], false).unwrap();

    archive.serve_list(&format!("{}{}", filler.repeat(600), archive.packages()));
    archive.serve_release(&archive.release(""), TRUSTED);
    let error = refused(&Desk::new(), &base, &["shop"]);
    assert!(error.contains("Packages.xz"), "{error}");
}

#[test]
fn what_would_remove_or_break_something_is_refused_by_name() {
    let archive = shop();
    archive.package("rival", "1", "Conflicts: lib\n");
    archive.package("needy", "1", "Depends: gone (>= 2)\n");
    archive.package("virtual", "1", "Provides: thing\n");
    archive.publish();
    let base = archive.base(STATUS);
    for (name, said) in [
        ("rival", "does not go with lib 1.0"),
        ("needy", "needs gone (>= 2): no source of the base has it"),
        ("thing", "choose one of those that provide it (virtual)"),
        ("shopp", "no source of the base has a package shopp"),
    ] {
        let error = refused(&Desk::new(), &base, &[name]);
        assert!(error.contains(said) && error.contains("cm4"), "{name}: {error}");
    }
    let held = STATUS.replace("install ok", "hold ok");
    let error = refused(&Desk::new(), &archive.base(&held), &["shop"]);
    assert!(error.contains("lib 1.0 on hold"), "{error}");
}

#[test]
fn backports_are_left_alone_and_a_source_without_a_server_is_left_out() {
    let archive = shop();
    archive.serve_release(&archive.release("NotAutomatic: yes\nButAutomaticUpgrades: yes\n"), TRUSTED);
    let mut base = archive.base(STATUS);
    let error = refused(&Desk::new(), &base, &["shop"]);
    assert!(error.contains("no source of the base has a package shop"), "{error}");

    archive.publish();
    base.put("/etc/apt/sources.list.d/cd.list", "deb cdrom:[Debian]/ stable main\n");
    packages(&Desk::new(), &base, "arm64", &["shop"], false).unwrap();
    base.put("/etc/apt/sources.list.d/broken.list", "deb http://example.org\n");
    let error = AptBase::read(&base, "arm64").unwrap_err();
    assert!(error.contains("broken.list, line 1"), "{error}");
}
