//! The layouts of Raspberry Pi's and Ubuntu's servers, and the lock file.

use hcimage::exit_class::{Classified, ExitClass};
use hcimage::openpgp::Keyring;
use hcimage::source::SourceError;
use hcimage::source::base::{BaseSource, UnpackedBase, obtain};
use hcimage::source::digest::Sha256Digest;

use hcimage_testkit::desk::{Desk, image, pack};
use hcimage_testkit::gpg::Gpg;
use hcimage_testkit::publisher::{Fault, Publisher};

const LATEST: &str = "/raspios_lite_arm64_latest";
const DIR: &str = "/raspios_lite_arm64/images/raspios_lite_arm64-2026-06-19";
const NAME: &str = "2026-06-18-raspios-trixie-arm64-lite.img.xz";

/// Raspberry Pi's server: "latest" redirects to the current image.
fn publish(server: &Publisher, name: &str, bytes: &[u8]) -> Vec<u8> {
    let packed = pack("xz", &["-T2", "--block-size=1MiB", "-c"], bytes);
    let path = format!("{DIR}/{name}");
    server.file_with_sum(&path, &packed);
    server.redirect(LATEST, &path);
    packed
}

fn from_latest(desk: &Desk, server: &Publisher) -> Result<UnpackedBase, SourceError> {
    obtain(&desk.tools(), &BaseSource::Url(server.url(LATEST)), None, "base.cm4", &mut desk.lock())
}

#[test]
fn first_use_locks_the_image_and_later_uses_do_not_request_the_latest() {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(2 << 20));
    let packed = publish(&server, NAME, &bytes);
    let base = from_latest(&desk, &server).unwrap();
    assert!(std::fs::read(&base.image).unwrap() == bytes);
    let end = server.url(&format!("{DIR}/{NAME}"));
    assert_eq!((base.name.as_str(), base.url.as_ref()), (NAME, Some(&end)));
    let lock = desk.lock();
    let locked = lock.input("base.cm4").unwrap();
    assert_eq!((&locked.asked, &locked.url), (&server.url(LATEST), &end));
    assert_eq!((locked.size, locked.sha256), (packed.len() as u64, Sha256Digest::of(&packed)));

    // A newer image is published: the lock is used, without any request.
    publish(&server, "2026-09-01-raspios-trixie-arm64-lite.img.xz", b"newer");
    server.take_requests();
    let again = from_latest(&desk, &server).unwrap();
    assert_eq!((again.image, again.sha256, again.url), (base.image, base.sha256, base.url));
    assert!(server.take_requests().is_empty());

    // On another machine the same lock fetches the same image.
    let other = Desk::new();
    std::fs::copy(desk.path("hcimage.lock"), other.path("hcimage.lock")).unwrap();
    assert!(std::fs::read(from_latest(&other, &server).unwrap().image).unwrap() == bytes);
    assert_eq!(server.take_paths(), [format!("{DIR}/{NAME}")]);
    assert_eq!(
        std::fs::read(desk.path("hcimage.lock")).unwrap(),
        std::fs::read(other.path("hcimage.lock")).unwrap()
    );
}

#[test]
fn a_locked_image_that_changed_on_the_server_is_rejected() {
    let (desk, server) = (Desk::new(), Publisher::start());
    publish(&server, NAME, &image(1 << 20));
    from_latest(&desk, &server).unwrap();
    let other = Desk::new();
    std::fs::copy(desk.path("hcimage.lock"), other.path("hcimage.lock")).unwrap();
    let locked = desk.lock().input("base.cm4").unwrap().clone();

    let same_size = vec![b'x'; usize::try_from(locked.size).unwrap()];
    for (bytes, what) in [(same_size, "sha256"), (b"short".to_vec(), "size")] {
        server.file_with_sum(&format!("{DIR}/{NAME}"), &bytes);
        let error = from_latest(&other, &server).unwrap_err();
        assert!(
            matches!(&error, SourceError::LockMismatch { what: found, .. } if *found == what),
            "{error:?}"
        );
        assert_eq!(error.class(), Some(ExitClass::BadInput));
        let text = error.to_string();
        for part in ["base.cm4", "hcimage.lock", "remove the entry"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(other.cached().iter().all(|file| file.starts_with("downloads/")), "{:?}", other.cached());
    }

    server.remove(&format!("{DIR}/{NAME}"));
    let error = from_latest(&other, &server).unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("remove the entry"), "{error}");
}

#[test]
fn another_address_with_different_bytes_is_rejected() {
    let (desk, server, mirror) = (Desk::new(), Publisher::start(), Publisher::start());
    publish(&server, NAME, &image(1 << 20));
    publish(&mirror, NAME, &image(1 << 20));
    let base = from_latest(&desk, &server).unwrap();
    assert_eq!(from_latest(&desk, &mirror).unwrap().image, base.image);
    publish(&mirror, NAME, b"something else");
    let error = from_latest(&desk, &mirror).unwrap_err();
    assert!(matches!(error, SourceError::LockMismatch { .. }), "{error:?}");
}

#[test]
fn a_sha256sums_file_of_the_directory_verifies_the_image() {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(1 << 20));
    let packed = pack("xz", &["-c"], &bytes);
    let name = "ubuntu-26.04.1-preinstalled-server-arm64+raspi.img.xz";
    server.file(&format!("/release/{name}"), packed.clone());
    let sums = format!("{} *other.img.xz\n{} *{name}\n", Sha256Digest::of(b""), Sha256Digest::of(&packed));
    server.file("/release/SHA256SUMS", sums);
    let source = BaseSource::Url(server.url(&format!("/release/{name}")));
    let base = obtain(&desk.tools(), &source, None, "base.rpi4", &mut desk.lock()).unwrap();
    assert!(std::fs::read(base.image).unwrap() == bytes);
    assert_eq!(base.name, name);
}

/// As sha512sum says it.
fn sha512(bytes: &[u8]) -> String {
    let said = pack("sha512sum", &[], bytes);
    String::from_utf8(said).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn a_sha512sums_file_of_the_directory_verifies_the_image() {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(1 << 20));
    let packed = pack("xz", &["-c"], &bytes);
    let name = "debian-13-generic-arm64.img.xz";
    let path = format!("/trixie/latest/{name}");
    server.file(&path, packed.clone());
    server.file(
        "/trixie/latest/SHA512SUMS",
        format!("{}  other.tar.xz\n{}  {name}\n", sha512(b""), sha512(&packed)),
    );
    let source = BaseSource::Url(server.url(&path));
    let of = |desk: &Desk| obtain(&desk.tools(), &source, None, "base.pc", &mut desk.lock());
    // The first answer ends half-way: what came is kept, and the whole is compared.
    server.faults(&path, &[Fault::CutAfter(packed.len() / 2)]);
    assert!(std::fs::read(of(&desk).unwrap().image).unwrap() == bytes);
    // It is locked by its SHA-256, and then nobody is asked.
    assert_eq!(desk.lock().input("base.pc").unwrap().sha256, Sha256Digest::of(&packed));
    server.take_requests();
    of(&desk).unwrap();
    assert_eq!(server.take_paths(), [""; 0]);
    // Other bytes, and a checksum of the wrong kind.
    let other = Desk::new();
    server.file("/trixie/latest/SHA512SUMS", format!("{}  {name}\n", sha512(b"other")));
    let error = of(&other).unwrap_err();
    assert!(matches!(error, SourceError::WrongDigest(_)), "{error:?}");
    assert!(error.to_string().contains("has SHA-512"), "{error}");
    server.file("/trixie/latest/SHA512SUMS", format!("{}  {name}\n", Sha256Digest::of(&packed)));
    let error = of(&other).unwrap_err();
    assert_eq!(error.class(), Some(ExitClass::BadInput), "{error:?}");
    assert!(error.to_string().contains("expected \"<SHA-512>"), "{error}");
    assert!(other.cached().is_empty() && !other.path("hcimage.lock").exists(), "{:?}", other.cached());
}

#[test]
fn without_a_valid_checksum_nothing_is_fetched_or_locked() {
    let (desk, server) = (Desk::new(), Publisher::start());
    publish(&server, NAME, &image(1 << 20));
    let path = format!("{DIR}/{NAME}");
    let sum = format!("{path}.sha256");
    for text in ["", "<!DOCTYPE html>", &format!("{}  other.img.xz\n", Sha256Digest::of(b""))] {
        server.file(&sum, text);
        let error = from_latest(&desk, &server).unwrap_err();
        assert_eq!(error.class(), Some(ExitClass::BadInput), "{error:?}");
        assert!(error.to_string().contains(&sum), "{error}");
    }
    server.remove(&sum);
    let error = from_latest(&desk, &server).unwrap_err();
    assert_eq!(error.class(), Some(ExitClass::BadInput), "{error:?}");
    assert!(error.to_string().contains("SHA256SUMS"), "{error}");
    assert!(desk.cached().is_empty() && !desk.path("hcimage.lock").exists());
}

#[test]
fn a_wrong_checksum_is_an_error_and_nothing_is_locked() {
    let (desk, server) = (Desk::new(), Publisher::start());
    publish(&server, NAME, &image(1 << 20));
    server.file(&format!("{DIR}/{NAME}.sha256"), format!("{}  {NAME}\n", Sha256Digest::of(b"other")));
    let error = from_latest(&desk, &server).unwrap_err();
    assert!(matches!(error, SourceError::WrongDigest(_)), "{error:?}");
    assert!(desk.cached().is_empty() && !desk.path("hcimage.lock").exists(), "{:?}", desk.cached());
}

#[test]
fn a_truncated_file_in_the_cache_is_fetched_again() {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(1 << 20));
    let packed = publish(&server, NAME, &bytes);
    from_latest(&desk, &server).unwrap();
    let file = desk.cache.root().join("files").join(Sha256Digest::of(&packed).to_string()).join(NAME);
    std::fs::write(&file, &packed[..1000]).unwrap();
    from_latest(&desk, &server).unwrap();
    assert!(std::fs::read(&file).unwrap() == packed);
    // Without a lock the size is unknown: then the bytes are hashed.
    let mut spoilt = packed.clone();
    spoilt[500] ^= 1;
    std::fs::write(&file, &spoilt).unwrap();
    std::fs::remove_file(desk.path("hcimage.lock")).unwrap();
    from_latest(&desk, &server).unwrap();
    assert!(std::fs::read(&file).unwrap() == packed);
}

#[test]
fn after_an_interrupt_only_the_partial_download_remains() {
    let (desk, server) = (Desk::new(), Publisher::start());
    let packed = publish(&server, NAME, &image(2 << 20));
    server.faults(
        &format!("{DIR}/{NAME}"),
        &[Fault::NoRange, Fault::StallAfter(70_000, std::time::Duration::from_secs(60))],
    );
    let (interrupt, downloads) = (desk.interrupt.clone(), desk.cache.root().join("downloads"));
    std::thread::spawn(move || {
        let arrived = || {
            std::fs::read_dir(&downloads).is_ok_and(|mut entries| {
                entries.any(|entry| entry.unwrap().metadata().is_ok_and(|metadata| metadata.len() >= 70_000))
            })
        };
        while !arrived() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        interrupt.raise();
    });
    let error = from_latest(&desk, &server).unwrap_err();
    assert!(matches!(error, SourceError::Interrupted(_)), "{error:?}");
    let left = desk.cached();
    assert!(!left.is_empty() && left.iter().all(|file| file.contains(".partial")), "{left:?}");
    assert!(!desk.path("hcimage.lock").exists());

    let desk = Desk { interrupt: hcimage::interrupt::Interrupt::new(), ..desk };
    server.take_requests();
    from_latest(&desk, &server).unwrap();
    assert!(server.take_requests().iter().any(|request| request.range.as_deref() == Some("bytes=70000-")));
    assert!(desk.cached().contains(&format!("files/{}/{NAME}", Sha256Digest::of(&packed))));
    assert!(desk.cached().iter().all(|file| !file.contains(".partial")), "{:?}", desk.cached());
}

/// As Ubuntu signs `SHA256SUMS`, and Debian `SHA512SUMS`.
#[test]
fn a_checksum_file_that_its_publisher_signs_must_be_signed_by_its_key() {
    let (server, gpg, bytes) = (Publisher::start(), Gpg::new(), image(1 << 20));
    gpg.make_key("images@example.org", "never", &[]);
    gpg.make_key("other@example.org", "never", &[]);
    let keys = Keyring::read(gpg.key("images@example.org").as_bytes()).unwrap();
    let packed = pack("xz", &["-c"], &bytes);
    let source = BaseSource::Url(server.url("/noble/base.img.xz"));
    let of = |keys: &Keyring| {
        let desk = Desk::new();
        obtain(&desk.tools(), &source, Some(keys), "base.pc", &mut desk.lock()).map(drop)
    };
    server.file("/noble/base.img.xz", packed.clone());
    let sums = format!("{} *base.img.xz\n", Sha256Digest::of(&packed));
    server.file("/noble/SHA256SUMS", sums.clone());
    let refused = |what: &str, said: &str| {
        let error = of(&keys).unwrap_err();
        assert_eq!(error.class(), Some(ExitClass::BadInput), "{what}: {error:?}");
        assert!(
            error.to_string().contains(said) && error.to_string().contains("SHA256SUMS"),
            "{what}: {error}"
        );
    };
    refused("none", "there is no signature beside it");
    for ending in [".gpg", ".sign"] {
        let at = format!("/noble/SHA256SUMS{ending}");
        server.file(&at, gpg.detached(sums.as_bytes(), "images@example.org"));
        of(&keys).unwrap();
        server.file(&at, gpg.detached(sums.as_bytes(), "other@example.org"));
        refused("another key", "no trusted key");
        server.file(&at, gpg.detached(b"other sums\n", "images@example.org"));
        refused("another text", "changed after it was signed");
        server.file(&at, b"<html>not here</html>".to_vec());
        refused("no signature", "no OpenPGP signature");
        server.remove(&at);
    }
    server.remove("/noble/SHA256SUMS");
    let sums = format!("{}  base.img.xz\n", sha512(&packed));
    server.file("/noble/SHA512SUMS", sums.clone());
    server.file("/noble/SHA512SUMS.sign", gpg.detached(sums.as_bytes(), "images@example.org"));
    of(&keys).unwrap();
}
