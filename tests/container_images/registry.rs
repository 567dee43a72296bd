//! From a real registry, Debian's docker-registry on loopback, filled by skopeo.

use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage::arch::Arch;
use hcimage::images::{Credentials, Login, RegistryAccess, RegistryHosts};
use hcimage::value::Secret;
use hcimage_testkit::desk::{Desk, chain};
use hcimage_testkit::oci_layout::{Layout, Packed, multi};
use hcimage_testkit::registry::{LAYOUT_NAME, Registry};
use hcimage_testkit::tools::run;
use serde_json::Value;

use crate::{bundle_of, bundle_with, fetched, names, unpacked as files_of};

/// A layout of an image for three platforms, and the digest of its index.
fn shop(desk: &Desk) -> (Layout, String) {
    let mut layout = Layout::new(&desk.path("shop"));
    let base = layout.layer(Packed::Gzip, &[("bin/base", b"base")]);
    let zstd = layout.layer(Packed::Zstd, &[("bin/more", b"more")]);
    let index = multi(&layout, &["amd64", "arm64", "arm/v7", "arm/v6"], &[base, zstd]);
    let digest = index["digest"].as_str().unwrap().to_owned();
    layout.add(Some(LAYOUT_NAME), index);
    (layout, digest)
}

#[test]
fn an_image_is_fetched_once_by_its_tag_and_then_by_the_digest_in_the_lock() {
    let desk = Desk::new();
    let registry = Registry::start(&desk.path("registry"), "", "");
    let (layout, digest) = shop(&desk);
    let name = format!("127.0.0.1:{}/shop/web:1.2", registry.port);
    registry.push(&layout, &name, &[]);
    let first = bundle_of(&desk, &[fetched(&name)], Arch::Aarch64).unwrap();
    assert_eq!(names(&first), [name.as_str()]);
    let files = files_of(&first.archive.path);
    assert!(files.contains_key(&format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"))));
    assert_eq!(files.len(), 8, "{:?}", files.keys());
    let lock = fs::read_to_string(desk.path("hcimage.lock")).unwrap();
    assert!(lock.contains(&format!("image.{name}")), "{lock}");
    assert!(lock.contains(digest.trim_start_matches("sha256:")), "{lock}");

    // The tag moves: what is locked stays.
    let mut other = Layout::new(&desk.path("other"));
    let layer = other.layer(Packed::Gzip, &[("x", b"other")]);
    let image = multi(&other, &["arm64"], &[layer]);
    other.add(Some(LAYOUT_NAME), image);
    registry.push(&other, &name, &[]);
    let again = bundle_of(&desk, &[fetched(&name)], Arch::Aarch64).unwrap();
    assert_eq!(again.archive.sha256, first.archive.sha256);
    // On a machine with the lock and nothing in its cache, too.
    let elsewhere = Desk::new();
    fs::copy(desk.path("hcimage.lock"), elsewhere.path("hcimage.lock")).unwrap();
    let there = bundle_of(&elsewhere, &[fetched(&name)], Arch::Aarch64).unwrap();
    assert_eq!(there.archive.sha256, first.archive.sha256);
    // The registry is gone: all is in the cache, and other processors' parts are not.
    drop(registry);
    let offline = bundle_of(&desk, &[fetched(&name)], Arch::Aarch64).unwrap();
    assert_eq!(offline.archive.sha256, first.archive.sha256);
    assert!(bundle_of(&desk, &[fetched(&name)], Arch::Armv7).is_err());
}

#[test]
fn the_best_variant_for_a_processor_is_taken_and_a_name_by_digest_works() {
    let desk = Desk::new();
    let registry = Registry::start(&desk.path("registry"), "", "");
    let (layout, digest) = shop(&desk);
    let tagged = format!("127.0.0.1:{}/shop/web:1.2", registry.port);
    registry.push(&layout, &tagged, &[]);
    let name = format!("127.0.0.1:{}/shop/web@{digest}", registry.port);
    let made = bundle_of(&desk, &[fetched(&name)], Arch::Armv7).unwrap();
    let files = files_of(&made.archive.path);
    let config = files.values().filter_map(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let variants: Vec<_> =
        config.filter_map(|config| config["variant"].as_str().map(str::to_owned)).collect();
    assert_eq!(variants, ["v7"]);
    assert_eq!(made.names.iter().map(ToString::to_string).collect::<Vec<_>>(), [name]);
}

#[test]
fn what_does_not_exist_is_told_with_the_registry() {
    let desk = Desk::new();
    let registry = Registry::start(&desk.path("registry"), "", "");
    let name = format!("127.0.0.1:{}/shop/web:9", registry.port);
    let said = chain(&bundle_of(&desk, &[fetched(&name)], Arch::Aarch64).unwrap_err());
    assert!(said.contains(&name) && said.contains("404") && said.contains("check name and tag"), "{said}");
    assert!(!desk.path("hcimage.lock").exists());
}

/// A CA, and a certificate by it for localhost.
fn certificates(dir: &Path) -> String {
    fs::create_dir_all(dir).unwrap();
    let openssl = |arguments: &[&str]| run(Command::new("openssl").current_dir(dir).args(arguments));
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=test CA",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ]);
    openssl(&[
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
    ]);
    fs::write(dir.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names",
        "-out",
        "server.pem",
    ]);
    fs::read_to_string(dir.join("ca.pem")).unwrap()
}

/// The password "secret" of the user "pull", by bcrypt.
const HTPASSWD: &str = "pull:$2y$05$T9NcEMzI3zfyoPXGS0.w8u8BPNyGl8RVnvT6ucNtzXNJjFRhPRHSq\n";

#[test]
fn a_registry_with_tls_of_its_own_and_a_password_is_asked_with_both() {
    let desk = Desk::new();
    let dir = desk.path("registry");
    let ca = certificates(&dir.join("tls"));
    fs::write(dir.join("htpasswd"), HTPASSWD).unwrap();
    let (certificate, key) = (dir.join("tls/server.pem"), dir.join("tls/server.key"));
    let registry = Registry::start(
        &dir,
        &format!("  tls: {{certificate: {certificate:?}, key: {key:?}}}\n"),
        &format!("auth:\n  htpasswd: {{realm: test, path: {:?}}}\n", dir.join("htpasswd")),
    );
    let (layout, _) = shop(&desk);
    let host = format!("localhost:{}", registry.port);
    let name = format!("{host}/shop/web:1.2");
    registry.push(&layout, &name, &["--dest-creds", "pull:secret"]);
    let hosts = |ca: Option<&str>, password: Option<&str>| {
        let credentials = password.map(|password| {
            Credentials::Password(Login {
                username: "pull".to_owned(),
                password: Secret::new(password.to_owned()),
            })
        });
        let mut hosts = RegistryHosts::default();
        hosts.access.insert(host.clone(), RegistryAccess { credentials, ca: ca.map(str::to_owned) });
        hosts
    };
    let with = |hosts: &RegistryHosts| bundle_with(&desk, hosts, &[fetched(&name)], Arch::Aarch64);
    for (hosts, why) in [
        (hosts(None, Some("secret")), "certificate"),
        (hosts(Some(&ca), None), "needs credentials"),
        (hosts(Some(&ca), Some("wrong")), "needs credentials"),
    ] {
        let said = chain(&with(&hosts).unwrap_err());
        assert!(said.contains(why), "{said}");
        assert!(!said.contains("secret") && !said.contains("wrong"), "{said}");
    }
    with(&hosts(Some(&ca), Some("secret"))).unwrap();
}
