//! A registry with faults: connections that end, answers that lie, refusals, mirrors.

use std::time::{Duration, Instant};

use hcimage::images::RegistryHosts;
use hcimage_testkit::desk::Desk;

use crate::registry_server::{Answer, Pages, Request, Server, fetch, mirror, name, status, with};

#[test]
fn a_connection_that_ends_at_any_tenth_of_a_layer_is_resumed_there() {
    let desk = Desk::new();
    let pages = Pages::shop(&desk);
    for tenth in 0..10 {
        let served = pages.clone();
        let server = Server::start(move |request, before| {
            let answer = served.answer(request);
            let is_first = !before.iter().any(|earlier| earlier.path == request.path);
            if answer.body.len() > 100_000 && is_first {
                let cut = answer.body.len() * tenth / 10;
                return Answer { cut: Some(cut), ..answer };
            }
            answer
        });
        let desk = Desk::new();
        fetch(&desk, &RegistryHosts::default(), &name(&server)).unwrap();
        let ranges: Vec<_> = server.requests().into_iter().filter_map(|request| request.range).collect();
        assert_eq!(ranges.len(), usize::from(tenth > 0), "{tenth}: {ranges:?}");
    }
}

#[test]
fn answers_that_lie_are_refused_and_nothing_of_them_is_locked() {
    let pages = Pages::shop(&Desk::new());
    type Lie = fn(&Request, Answer) -> Answer;
    let lies: [(&str, Lie, &str); 5] = [
        (
            "a manifest of another digest",
            |request, mut answer| {
                if request.path.contains("manifests/sha256") {
                    answer.body.push(b' ');
                }
                answer
            },
            "expected sha256",
        ),
        (
            "a layer of another digest",
            |_, mut answer| {
                if answer.body.len() > 100_000 {
                    answer.body[500] ^= 1;
                }
                answer
            },
            "SHA-256",
        ),
        (
            "a layer that is longer",
            |_, mut answer| {
                if answer.body.len() > 100_000 {
                    answer.body.extend([0; 10]);
                }
                answer
            },
            "bytes",
        ),
        (
            "an index of 100 MB",
            |request, mut answer| {
                if request.path.ends_with("/1.2") {
                    answer.body.resize(100 << 20, b' ');
                }
                answer
            },
            "more than 4194304 bytes",
        ),
        (
            "a page for people",
            |request, answer| {
                if request.path.ends_with("/1.2") {
                    return Answer { body: b"<html>log in</html>".to_vec(), ..answer };
                }
                answer
            },
            "expected an image manifest",
        ),
    ];
    for (what, lie, why) in lies {
        let served = pages.clone();
        let server = Server::start(move |request, _| lie(request, served.answer(request)));
        let desk = Desk::new();
        let said = fetch(&desk, &RegistryHosts::default(), &name(&server)).unwrap_err();
        assert!(said.contains(why), "{what}: {said}");
        assert!(!desk.path("hcimage.lock").exists(), "{what}");
    }
}

#[test]
fn refusals_are_told_with_what_to_do() {
    for (code, why) in
        [(403, "docker login"), (404, "check name and tag"), (401, "in a way that is not supported")]
    {
        let server = Server::start(move |_, _| status(code));
        let desk = Desk::new();
        let said = fetch(&desk, &RegistryHosts::default(), &name(&server)).unwrap_err();
        assert!(said.contains(why), "{code}: {said}");
        assert!(server.requests().len() <= 2, "{code}: {:?}", server.requests());
    }
}

#[test]
fn a_registry_that_wants_to_be_left_alone_is() {
    let pages = Pages::shop(&Desk::new());
    let served = pages.clone();
    let server = Server::start(move |request, before| {
        if before.is_empty() { with(status(429), "Retry-After", "2") } else { served.answer(request) }
    });
    let began = Instant::now();
    fetch(&Desk::new(), &RegistryHosts::default(), &name(&server)).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2));
    // For hours nobody waits.
    let server = Server::start(|_, _| with(status(429), "Retry-After", "86400"));
    let said = fetch(&Desk::new(), &RegistryHosts::default(), &name(&server)).unwrap_err();
    assert!(said.contains("429"), "{said}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn redirects_in_a_circle_end() {
    let server = Server::start(|request, _| with(status(307), "Location", &request.path));
    let said = fetch(&Desk::new(), &RegistryHosts::default(), &name(&server)).unwrap_err();
    assert!(said.contains("redirects"), "{said}");
}

#[test]
fn a_mirror_comes_first_and_the_next_one_helps_out() {
    let pages = Pages::shop(&Desk::new());
    let broken = Server::start(|_, _| status(404));
    let good = Server::start(move |request, _| pages.answer(request));
    let mut hosts = RegistryHosts::default();
    let at = |server: &Server| mirror(&server.address.to_string(), &[]);
    hosts.mirrors.insert("*".to_owned(), vec![at(&broken), at(&good)]);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    assert!(!broken.requests().is_empty());
}

/// The list of a lock that was written by hand, or a registry that forgot: the digest must be that of the lock.
#[test]
fn a_name_with_another_digest_than_the_lock_is_refused() {
    let desk = Desk::new();
    let pages = Pages::shop(&Desk::new());
    let server = Server::start(move |request, _| pages.answer(request));
    fetch(&desk, &RegistryHosts::default(), &name(&server)).unwrap();
    let path = desk.path("hcimage.lock");
    let lock = std::fs::read_to_string(&path).unwrap();
    let line = lock.lines().find(|line| line.starts_with("sha256")).unwrap().to_owned();
    std::fs::write(&path, lock.replace(&line, &format!("sha256 = \"{}\"", "0".repeat(64)))).unwrap();
    let said = fetch(&desk, &RegistryHosts::default(), &name(&server)).unwrap_err();
    assert!(said.contains("404") && said.contains("hcimage update"), "{said}");
}
