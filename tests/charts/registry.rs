//! Charts as `helm push` has them in a registry.

use std::fs;

use hcimage::charts::ChartPlace;
use hcimage_testkit::desk::Desk;
use hcimage_testkit::oci_layout::{Layout, Packed};
use hcimage_testkit::registry::{LAYOUT_NAME, Registry};

use crate::{chart, packed, refused};

fn push(desk: &Desk, registry: &Registry, tag: &str, bytes: &[u8]) -> String {
    let name = format!("charts/shop:{tag}");
    registry.push_chart(&desk.path(&format!("layout-{tag}")), &name, bytes);
    format!("127.0.0.1:{}/{name}", registry.port)
}

fn place(name: &str, version: &str) -> ChartPlace {
    ChartPlace::Registry { name: name.parse().unwrap(), version: version.parse().unwrap() }
}

#[test]
fn a_chart_is_fetched_once_by_its_version_and_then_as_locked() {
    let desk = Desk::new();
    let registry = Registry::start(&desk.path("registry"), "", "");
    let name = push(&desk, &registry, "1.2.0_up1", &packed("shop", "1.2.0+up1", "a: 1\n"));
    let place = place(&name, "1.2.0+up1");
    let first = chart(&desk, &place).unwrap();
    assert_eq!((first.name.as_str(), first.version.as_str()), ("shop", "1.2.0+up1"));
    let lock = fs::read_to_string(desk.path("hcimage.lock")).unwrap();
    assert!(lock.contains("chart.web:1.2.0+up1") && lock.contains("/v2/charts/shop/manifests/"), "{lock}");
    // The version is pushed anew: what is locked stays, on other machines too.
    push(&desk, &registry, "1.2.0_up1", &packed("shop", "1.2.0+up1", "a: 2\n"));
    assert_eq!(chart(&desk, &place).unwrap().archive.sha256, first.archive.sha256);
    let elsewhere = Desk::new();
    fs::copy(desk.path("hcimage.lock"), elsewhere.path("hcimage.lock")).unwrap();
    assert_eq!(chart(&elsewhere, &place).unwrap().archive.sha256, first.archive.sha256);
    let anew = Desk::new();
    assert_ne!(chart(&anew, &place).unwrap().archive.sha256, first.archive.sha256);
}

#[test]
fn an_image_and_another_chart_are_none() {
    let desk = Desk::new();
    let registry = Registry::start(&desk.path("registry"), "", "");
    let other = push(&desk, &registry, "1.0.0", &packed("web", "1.0.0", ""));
    assert!(refused(&desk, &place(&other, "1.0.0")).contains("expected shop 1.0.0, found web 1.0.0"));
    let mut layout = Layout::new(&desk.path("image"));
    let layer = layout.layer(Packed::Gzip, &[("bin/x", b"x")]);
    let image = layout.image("arm64", &[layer]);
    layout.add(Some(LAYOUT_NAME), image);
    let name = format!("127.0.0.1:{}/charts/shop:2.0.0", registry.port);
    registry.push(&layout, &name, &[]);
    assert!(refused(&desk, &place(&name, "2.0.0")).contains("it is no Helm chart"));
    let missing = format!("127.0.0.1:{}/charts/shop:3.0.0", registry.port);
    assert!(refused(&desk, &place(&missing, "3.0.0")).contains("check name and tag"));
    assert!(!desk.path("hcimage.lock").exists(), "nothing of that is locked");
}
