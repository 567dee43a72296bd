//! Mirrors that have other names for images, and others of their addresses.

use hcimage::arch::Arch;
use hcimage::images::RegistryHosts;
use hcimage_testkit::desk::Desk;
use hcimage_testkit::oci_layout::{Layout, Packed, multi};
use hcimage_testkit::registry::{LAYOUT_NAME, Registry};

use crate::registry_server::{Answer, Pages, Server, fetch, mirror, status, with};
use crate::{bundle_with, fetched, names};

const NAME: &str = "registry.example/shop/web:1.2";

fn behind(address: &str, rewrites: &[(&str, &str)]) -> RegistryHosts {
    let mut hosts = RegistryHosts::default();
    hosts.mirrors.insert("registry.example".to_owned(), vec![mirror(address, rewrites)]);
    hosts
}

#[test]
fn an_image_under_another_name_of_the_mirror_keeps_its_own() {
    let desk = Desk::new();
    let registry = Registry::start(&desk.path("registry"), "", "");
    let mut layout = Layout::new(&desk.path("shop"));
    let layer = layout.layer(Packed::Gzip, &[("bin/web", b"web")]);
    let index = multi(&layout, &["arm64"], &[layer]);
    layout.add(Some(LAYOUT_NAME), index);
    let address = format!("127.0.0.1:{}", registry.port);
    registry.push(&layout, &format!("{address}/mirror/of/web:1.2"), &[]);
    let mut archives = Vec::new();
    for (pattern, replacement) in [
        ("^shop/(.*)", "mirror/of/$1"),
        ("^shop/(.*)", "mirror/of/${1}"),
        ("^shop/(?P<image>[a-z]+)$", "mirror/of/${image}"),
        ("^shop", "mirror/of"),
    ] {
        let desk = Desk::new();
        let hosts = behind(&address, &[("^unlike/(.*)", "x/$1"), (pattern, replacement)]);
        let made = bundle_with(&desk, &hosts, &[fetched(NAME)], Arch::Aarch64).unwrap();
        assert_eq!(names(&made), [NAME]);
        let lock = std::fs::read_to_string(desk.path("hcimage.lock")).unwrap();
        assert!(lock.contains("https://registry.example/v2/shop/web/manifests/"), "{lock}");
        assert!(!lock.contains("mirror/of"), "{lock}");
        archives.push(made.archive.sha256);
    }
    assert!(archives.windows(2).all(|pair| pair[0] == pair[1]));
    // Without the other name, or with a wrong one, it is not there.
    for rewrites in [&[][..], &[("^shop/(.*)", "elsewhere/$1")]] {
        fetch(&Desk::new(), &behind(&address, rewrites), NAME).unwrap_err();
    }
}

#[test]
fn a_token_is_asked_for_by_the_name_of_the_mirror() {
    let pages = Pages::shop(&Desk::new());
    let server = Server::start(move |request, _| match request.authorization.as_deref() {
        _ if request.path.starts_with("/token") => {
            Answer { status: 200, body: br#"{"token": "t0ken"}"#.to_vec(), ..Answer::default() }
        }
        Some("Bearer t0ken") => pages.answer(request),
        _ => {
            with(status(401), "WWW-Authenticate", &format!("Bearer realm=\"http://{}/token\"", request.host))
        }
    });
    let hosts = {
        let mut hosts = RegistryHosts::default();
        let renamed = mirror(&server.address.to_string(), &[("^library/(.*)", "shop/$1")]);
        hosts.mirrors.insert("docker.io".to_owned(), vec![renamed]);
        hosts
    };
    fetch(&Desk::new(), &hosts, "web:1.2").unwrap();
    let scopes: Vec<_> = server
        .requests()
        .into_iter()
        .map(|request| request.path)
        .filter(|path| path.contains("scope"))
        .collect();
    assert!(!scopes.is_empty());
    assert!(scopes.iter().all(|path| path.contains("repository%3Ashop%2Fweb%3Apull")), "{scopes:?}");
}

#[test]
fn a_path_of_the_address_is_where_the_mirror_has_its_images() {
    let pages = Pages::shop(&Desk::new());
    let server = Server::start(move |request, _| match request.path.strip_prefix("/v2/hub") {
        Some(rest) => {
            pages.answer(&crate::registry_server::Request { path: format!("/v2{rest}"), ..request.clone() })
        }
        None => status(404),
    });
    fetch(&Desk::new(), &behind(&format!("{}/v2/hub", server.address), &[]), NAME).unwrap();
}

#[test]
fn a_mirror_is_not_asked_for_what_is_no_name() {
    let server = Server::start(|_, _| status(404));
    let address = server.address.to_string();
    for replacement in ["../../$1", "$1/", "A/$1", "", "a//$1", "$1?x"] {
        fetch(&Desk::new(), &behind(&address, &[("^shop/(.*)", replacement)]), NAME).unwrap_err();
    }
    assert_eq!(server.requests(), []);
}
