//! k3s releases: from a server with the publisher's layout, and from a directory.

use hcimage::arch::Arch;
use hcimage::source::SourceError;
use hcimage::source::digest::Sha256Digest;
use hcimage::source::k3s_release::{K3sBundle, K3sSource, obtain};

use hcimage_testkit::desk::Desk;
use hcimage_testkit::publisher::Publisher;

const VERSION: &str = "v1.36.2+k3s1";
const RELEASE: &str = "/k3s-io/k3s/releases/download/v1.36.2%2Bk3s1";

fn sums(files: &[(&str, &[u8])]) -> String {
    files.iter().map(|(name, bytes)| format!("{}  {name}\n", Sha256Digest::of(bytes))).collect()
}

/// The files in `sha256sum-arm64.txt` of a release, with fake contents.
fn files() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("k3s-airgap-images-arm64.tar", b"tar"),
        ("k3s-airgap-images-arm64.tar.gz", b"tar.gz"),
        ("k3s-airgap-images-arm64.tar.zst", b"tar.zst"),
        ("k3s-arm64", b"the binary"),
    ]
}

fn publish(server: &Publisher, files: &[(&str, &[u8])]) {
    for (name, bytes) in files {
        server.file(&format!("{RELEASE}/{name}"), *bytes);
    }
    server.file(&format!("{RELEASE}/sha256sum-arm64.txt"), sums(files));
    server.redirect("/v1-release/channels/stable", "/k3s-io/k3s/releases/tag/v1.36.2+k3s1");
}

fn from_server(desk: &Desk, server: &Publisher, wanted: &str) -> Result<K3sBundle, SourceError> {
    let source = K3sSource::Release {
        wanted: wanted.parse().unwrap(),
        releases_url: server.url("/k3s-io/k3s/releases/download"),
        channels_url: server.url("/v1-release/channels"),
    };
    obtain(&desk.tools(), &source, Arch::Aarch64, &mut desk.lock())
}

fn from_dir(desk: &Desk, arch: Arch) -> Result<K3sBundle, SourceError> {
    let source = K3sSource::Dir { path: desk.path(VERSION), version: None };
    obtain(&desk.tools(), &source, arch, &mut desk.lock())
}

#[test]
fn a_channel_is_resolved_once_and_everything_is_locked() {
    let (desk, server) = (Desk::new(), Publisher::start());
    publish(&server, &files());
    let bundle = from_server(&desk, &server, "stable").unwrap();
    assert_eq!(bundle.version.to_string(), VERSION);
    assert_eq!(std::fs::read(&bundle.binary.path).unwrap(), b"the binary");
    assert_eq!(bundle.airgap_images.name, "k3s-airgap-images-arm64.tar.zst");
    assert_eq!((bundle.airgap_images.size, bundle.airgap_images.sha256), (7, Sha256Digest::of(b"tar.zst")));
    assert_eq!(
        server.take_paths(),
        [
            "/v1-release/channels/stable".to_owned(),
            format!("{RELEASE}/sha256sum-arm64.txt"),
            format!("{RELEASE}/k3s-arm64"),
            format!("{RELEASE}/k3s-airgap-images-arm64.tar.zst"),
        ]
    );
    let lock = desk.lock();
    let locked = lock.input("k3s.v1.36.2+k3s1.k3s-arm64").unwrap();
    assert_eq!(locked.url, server.url(&format!("{RELEASE}/k3s-arm64")));
    assert!(lock.input("k3s.v1.36.2+k3s1.k3s-airgap-images-arm64.tar.zst").is_some());

    server.redirect("/v1-release/channels/stable", "/k3s-io/k3s/releases/tag/v1.36.3+k3s1");
    assert_eq!(from_server(&desk, &server, "stable").unwrap(), bundle);
    assert_eq!(from_server(&desk, &server, VERSION).unwrap(), bundle);
    assert!(server.take_requests().is_empty());
}

#[test]
fn a_release_without_zstd_uses_the_next_best_archive() {
    let (desk, server) = (Desk::new(), Publisher::start());
    publish(&server, &[files()[0], files()[1], files()[3]]);
    assert_eq!(
        from_server(&desk, &server, VERSION).unwrap().airgap_images.name,
        "k3s-airgap-images-arm64.tar.gz"
    );
}

#[test]
fn a_fault_of_a_release_server_is_an_error_with_its_cause() {
    let (desk, server) = (Desk::new(), Publisher::start());
    publish(&server, &files());
    server.file(&format!("{RELEASE}/k3s-arm64"), "forged");
    let error = from_server(&desk, &server, VERSION).unwrap_err();
    assert!(matches!(error, SourceError::WrongDigest(_)), "{error:?}");
    assert!(error.to_string().contains("sha256sum-arm64.txt"), "{error}");

    publish(&server, &files()[..3]);
    let error = from_server(&desk, &server, VERSION).unwrap_err().to_string();
    assert!(error.contains("k3s-arm64") && error.contains("it lists"), "{error}");

    let error = from_server(&desk, &server, "v1.99.0+k3s1").unwrap_err();
    assert!(error.is_not_found(), "{error:?}");

    server.redirect("/v1-release/channels/latest", "/nothing/here");
    server.file("/nothing/here", "a page");
    let error = from_server(&desk, &server, "latest").unwrap_err().to_string();
    assert!(error.contains("redirect"), "{error}");
}

#[test]
fn a_locked_file_that_changed_is_rejected() {
    let (desk, server) = (Desk::new(), Publisher::start());
    publish(&server, &files());
    from_server(&desk, &server, VERSION).unwrap();
    let other = Desk::new();
    std::fs::copy(desk.path("hcimage.lock"), other.path("hcimage.lock")).unwrap();
    let mut changed = files();
    changed[3].1 = b"new binary";
    publish(&server, &changed);
    let error = from_server(&other, &server, VERSION).unwrap_err();
    assert!(matches!(error, SourceError::LockMismatch { .. }), "{error:?}");
    assert!(error.to_string().contains("k3s.v1.36.2+k3s1.k3s-arm64"), "{error}");
}

#[test]
fn a_directory_is_used_in_place_with_the_digests_of_its_checksum_file() {
    let desk = Desk::new();
    for (name, bytes) in files() {
        desk.write(&format!("{VERSION}/{name}"), bytes);
    }
    desk.write(&format!("{VERSION}/sha256sum-arm64.txt"), sums(&files()));
    let bundle = from_dir(&desk, Arch::Aarch64).unwrap();
    assert_eq!(bundle.version.to_string(), VERSION);
    assert_eq!(bundle.binary.path, desk.path(&format!("{VERSION}/k3s-arm64")));
    assert_eq!(bundle.airgap_images.name, "k3s-airgap-images-arm64.tar.zst");
    assert!(desk.cached().is_empty() && !desk.path("hcimage.lock").exists());

    let error = from_dir(&desk, Arch::X86_64).unwrap_err().to_string();
    assert!(error.contains("sha256sum-amd64.txt") && error.contains("k3s-arm64"), "{error}");

    desk.write(&format!("{VERSION}/k3s-arm64"), "changed");
    // What the file holds is checked as it is copied into an image; here it counts what is promised.
    let changed = from_dir(&desk, Arch::Aarch64).unwrap();
    assert_eq!(changed.binary.sha256, Sha256Digest::of(b"the binary"));
    assert!(changed.binary.promised_by.ends_with("sha256sum-arm64.txt"), "{changed:?}");
}

/// Each architecture has its own names, and 32-bit Arm has two.
#[test]
fn every_architecture_finds_its_files() {
    let desk = Desk::new();
    for (arch, program, suffix) in [
        (Arch::Aarch64, "k3s-arm64", "arm64"),
        (Arch::Armv7, "k3s-armhf", "arm"),
        (Arch::X86_64, "k3s", "amd64"),
    ] {
        let images = format!("k3s-airgap-images-{suffix}.tar.zst");
        let files: [(&str, &[u8]); 2] = [(program, program.as_bytes()), (&images, suffix.as_bytes())];
        for (name, bytes) in files {
            desk.write(&format!("{VERSION}/{name}"), bytes);
        }
        desk.write(&format!("{VERSION}/sha256sum-{suffix}.txt"), sums(&files));
        let bundle = from_dir(&desk, arch).unwrap();
        assert_eq!((bundle.binary.name.as_str(), &bundle.airgap_images.name), (program, &images));
        assert_eq!(bundle.binary.sha256, Sha256Digest::of(program.as_bytes()));
    }
}

#[test]
fn an_incomplete_directory_is_an_error_with_the_missing_file() {
    let desk = Desk::new();
    let error = from_dir(&desk, Arch::Aarch64).unwrap_err().to_string();
    assert!(error.contains(VERSION), "{error}");
    for (name, bytes, missing) in [
        ("README", &b"x"[..], "sha256sum-arm64.txt"),
        ("sha256sum-arm64.txt", sums(&files()).as_bytes(), "k3s-arm64"),
        ("k3s-arm64", b"the binary", "k3s-airgap-images-arm64.tar.zst"),
    ] {
        desk.write(&format!("{VERSION}/{name}"), bytes);
        let error = from_dir(&desk, Arch::Aarch64).unwrap_err();
        assert!(matches!(error, SourceError::Missing { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&format!("{missing}: not found")) && text.contains("README"), "{text}");
    }
    desk.write(&format!("{VERSION}/k3s-airgap-images-arm64.tar"), "tar");
    from_dir(&desk, Arch::Aarch64).unwrap();
}
