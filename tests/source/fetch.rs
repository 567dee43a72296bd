//! The fetcher against a server with faults.

use std::time::Duration;

use hcimage::exit_class::{Classified, ExitClass};
use hcimage::progress::Silent;
use hcimage::source::SourceError;
use hcimage::source::digest::Sha256Digest;
use hcimage::source::expected::ExpectedDigest;
use hcimage::source::fetch::DownloadSpec;

use hcimage_testkit::desk::{Desk, chain, image};
use hcimage_testkit::publisher::{Fault, Publisher};

const PATH: &str = "/dir/x.img.xz";

fn download(
    desk: &Desk,
    server: &Publisher,
    bytes: &[u8],
    size: Option<u64>,
) -> Result<Vec<u8>, SourceError> {
    let url = server.url(PATH);
    let wanted = DownloadSpec {
        url: &url,
        digest: ExpectedDigest::Sha256(Sha256Digest::of(bytes)),
        size,
        limit: 1 << 30,
        promised_by: "the test",
        headers: &reqwest::header::HeaderMap::new(),
        shown: "the file",
    };
    let partial = desk.path("x.partial");
    let (path, size, sha256) = desk.fetcher.download(&wanted, &partial, &Silent, &desk.interrupt)?;
    assert_eq!((path.as_path(), sha256), (partial.as_path(), Sha256Digest::of(bytes)));
    let got = std::fs::read(path).unwrap();
    assert_eq!(got.len() as u64, size);
    assert!(!desk.path("x.partial.validator").exists());
    Ok(got)
}

/// The file arrives whole in spite of the faults. Returns the ranges that were asked for.
fn survives(faults: &[Fault]) -> Vec<Option<String>> {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(3 << 20));
    server.file(PATH, bytes.clone());
    server.faults(PATH, faults);
    let got = download(&desk, &server, &bytes, Some(bytes.len() as u64))
        .unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert!(got == bytes, "{faults:?}");
    server.take_requests().into_iter().map(|request| request.range).collect()
}

#[test]
fn a_file_is_requested_once_if_nothing_fails() {
    assert_eq!(survives(&[]), [None]);
    assert_eq!(survives(&[Fault::NoLength]), [None]);
}

#[test]
fn a_temporary_server_error_is_retried() {
    assert_eq!(survives(&[Fault::Status(503), Fault::Status(503)]), [None, None, None]);
    assert_eq!(survives(&[Fault::Status(429)]), [None, None]);
}

#[test]
fn an_interrupted_download_is_resumed() {
    let ranges = survives(&[Fault::CutAfter(1 << 20), Fault::CutAfter(1 << 20)]);
    assert_eq!(ranges, [None, Some("bytes=1048576-".into()), Some("bytes=2097152-".into())]);
}

#[test]
fn a_stalled_download_times_out_and_is_resumed() {
    let ranges = survives(&[Fault::StallAfter(1 << 20, Duration::from_secs(6))]);
    assert_eq!(ranges, [None, Some("bytes=1048576-".into())]);
}

#[test]
fn a_server_without_ranges_restarts_the_download() {
    let ranges = survives(&[Fault::CutAfter(1 << 20), Fault::NoRange]);
    assert_eq!(ranges, [None, Some("bytes=1048576-".into())]);
}

#[test]
fn a_wrong_range_restarts_the_download() {
    let ranges = survives(&[Fault::CutAfter(1 << 20), Fault::WrongRange]);
    assert_eq!(ranges, [None, Some("bytes=1048576-".into()), None]);
}

#[test]
fn without_a_validator_nothing_is_resumed() {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(1 << 20));
    server.file_without_etag(PATH, bytes.clone());
    server.faults(PATH, &[Fault::CutAfter(1000)]);
    assert!(download(&desk, &server, &bytes, None).unwrap() == bytes);
    let ranges: Vec<_> = server.take_requests().into_iter().map(|request| request.range).collect();
    assert_eq!(ranges, [None, None]);
}

#[test]
fn a_persistent_fault_ends_after_the_attempts_and_the_next_run_resumes() {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(1 << 20));
    server.file(PATH, bytes.clone());
    server.faults(PATH, &[Fault::CutAfter(100), Fault::CutAfter(100), Fault::CutAfter(100)]);
    let error = download(&desk, &server, &bytes, None).unwrap_err();
    assert!(matches!(error, SourceError::Network { .. }), "{error:?}");
    assert_eq!(error.class(), Some(ExitClass::Unreachable));
    assert!(chain(&error).contains(PATH), "{}", chain(&error));
    assert_eq!(server.take_requests().len(), 3);
    assert_eq!(std::fs::metadata(desk.path("x.partial")).unwrap().len(), 300);
    assert!(download(&desk, &server, &bytes, None).unwrap() == bytes);
    let ranges: Vec<_> = server.take_requests().into_iter().map(|request| request.range).collect();
    assert_eq!(ranges, [Some("bytes=300-".into())]);
}

#[test]
fn a_file_that_changes_during_the_download_restarts_it() {
    let (desk, server) = (Desk::new(), Publisher::start());
    let (old, new) = (image(1 << 20), vec![7; 1 << 20]);
    server.file(PATH, old.clone());
    server.faults(PATH, &[Fault::CutAfter(100), Fault::Status(403)]);
    download(&desk, &server, &old, None).unwrap_err();
    server.file(PATH, new.clone());
    assert!(download(&desk, &server, &new, None).unwrap() == new);
}

#[test]
fn a_complete_download_that_was_not_renamed_is_used() {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(1 << 20));
    server.file(PATH, bytes.clone());
    desk.write("x.partial", &bytes);
    desk.write("x.partial.validator", format!("\"{}\"", Sha256Digest::of(&bytes)));
    assert!(download(&desk, &server, &bytes, None).unwrap() == bytes);
    assert_eq!(server.take_requests().len(), 1);
}

#[test]
fn a_damaged_partial_download_is_fetched_again() {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(1 << 20));
    server.file(PATH, bytes.clone());
    desk.write("x.partial", vec![0xff; 5000]);
    desk.write("x.partial.validator", format!("\"{}\"", Sha256Digest::of(&bytes)));
    assert!(download(&desk, &server, &bytes, None).unwrap() == bytes);
    assert_eq!(server.take_requests().len(), 2);
}

#[test]
fn not_found_and_forbidden_are_not_retried() {
    for code in [403, 404, 410] {
        let (desk, server) = (Desk::new(), Publisher::start());
        server.file(PATH, "x");
        server.faults(PATH, &[Fault::Status(code)]);
        let error = download(&desk, &server, b"x", None).unwrap_err();
        assert!(error.to_string().contains(&code.to_string()), "{error}");
        assert_eq!(error.is_not_found(), code == 404);
        assert_eq!(server.take_requests().len(), 1);
    }
}

#[test]
fn wrong_bytes_are_an_error_and_deleted() {
    let (desk, server) = (Desk::new(), Publisher::start());
    server.file(PATH, "wrong");
    let error = download(&desk, &server, b"right", None).unwrap_err();
    assert_eq!(error.class(), Some(ExitClass::BadInput));
    let text = error.to_string();
    for part in [Sha256Digest::of(b"right"), Sha256Digest::of(b"wrong")].map(|digest| digest.to_string()) {
        assert!(text.contains(&part), "{text}");
    }
    assert!(!desk.path("x.partial").exists());
    assert_eq!(server.take_requests().len(), 1);
}

#[test]
fn a_wrong_length_is_an_error_before_the_body_is_read() {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(1 << 20));
    server.file(PATH, bytes.clone());
    let error = download(&desk, &server, &bytes, Some(17)).unwrap_err();
    assert!(
        matches!(&error, SourceError::WrongSize(wrong) if (wrong.actual, wrong.expected) == (1 << 20, 17)),
        "{error:?}"
    );
    // A server that does not tell the length cannot fill the disk either.
    server.faults(PATH, &[Fault::NoLength]);
    let error = download(&desk, &server, &bytes, Some(17)).unwrap_err();
    assert!(matches!(&error, SourceError::WrongSize(wrong) if wrong.expected == 17), "{error:?}");
    assert_eq!(std::fs::metadata(desk.path("x.partial")).unwrap().len(), 0);
}

#[test]
fn redirects_are_followed_up_to_a_limit() {
    let (desk, server) = (Desk::new(), Publisher::start());
    server.redirect("/a", "b?c=d");
    server.redirect("/b?c=d", server.url(PATH).to_string().as_str());
    server.file(PATH, "x");
    assert_eq!(desk.fetcher.resolve(&server.url("/a"), &desk.interrupt).unwrap(), server.url(PATH));
    assert_eq!(desk.fetcher.redirect(&server.url("/a"), &desk.interrupt).unwrap(), server.url("/b?c=d"));
    server.redirect("/loop", "/loop");
    let error = desk.fetcher.resolve(&server.url("/loop"), &desk.interrupt).unwrap_err().to_string();
    assert!(error.contains("redirects"), "{error}");
    // Plain http to another machine: rejected without a DNS query.
    server.redirect("/away", "http://mirror.invalid/x");
    let error = desk.fetcher.resolve(&server.url("/away"), &desk.interrupt).unwrap_err().to_string();
    assert!(error.contains("plain http"), "{error}");
}

#[test]
fn a_text_file_above_its_limit_is_an_error() {
    let (desk, server) = (Desk::new(), Publisher::start());
    server.file(PATH, "four");
    assert_eq!(desk.fetcher.text(&server.url(PATH), 4, &desk.interrupt).unwrap(), "four");
    let error = desk.fetcher.text(&server.url(PATH), 3, &desk.interrupt).unwrap_err().to_string();
    assert!(error.contains("more than 3 bytes"), "{error}");
    server.file(PATH, [0xff, 0xfe]);
    desk.fetcher.text(&server.url(PATH), 4, &desk.interrupt).unwrap_err();
}

#[test]
fn a_server_that_does_not_listen_is_an_error() {
    let desk = Desk::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/x").parse().unwrap();
    let error = desk.fetcher.text(&url, 4, &desk.interrupt).unwrap_err();
    assert!(matches!(error, SourceError::Network { .. }), "{error:?}");
}

#[test]
fn an_interrupt_ends_a_stalled_download_and_keeps_the_partial_file() {
    let (desk, server, bytes) = (Desk::new(), Publisher::start(), image(1 << 20));
    server.file(PATH, bytes.clone());
    server.faults(PATH, &[Fault::StallAfter(5000, Duration::from_secs(60))]);
    let (interrupt, partial) = (desk.interrupt.clone(), desk.path("x.partial"));
    std::thread::spawn(move || {
        while std::fs::metadata(&partial).map_or(0, |metadata| metadata.len()) < 5000 {
            std::thread::sleep(Duration::from_millis(5));
        }
        interrupt.raise();
    });
    let error = download(&desk, &server, &bytes, None).unwrap_err();
    assert!(matches!(error, SourceError::Interrupted(_)), "{error:?}");
    let desk = Desk { interrupt: hcimage::interrupt::Interrupt::new(), ..desk };
    server.take_requests();
    assert!(download(&desk, &server, &bytes, None).unwrap() == bytes);
    assert_eq!(server.take_requests()[0].range.as_deref(), Some("bytes=5000-"));
}
