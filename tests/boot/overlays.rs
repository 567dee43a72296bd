//! A node with applications, without a network: QEMU lets nothing out. Their images are small ones of the tests' own under the real
//! names, in a registry on loopback that stands in for the public ones while the image is built.

use hc_firstboot::report::ReportStatus;
use hcimage::run::Network;
use hcimage_testkit::desk::pack;
use hcimage_testkit::guest::{Guest, one_server};
use hcimage_testkit::oci_layout::{Layout, Packed, multi, tar};
use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::registry::{LAYOUT_NAME, Registry};
use hcimage_testkit::tools::debugfs;

use crate::cuts::check_after_cut;

/// Registry and name.
const IMAGES: [(&str, &str); 8] = [
    ("docker.io", "library/nextcloud:35.0.3-apache"),
    ("docker.io", "library/mariadb:11.8.8"),
    ("docker.io", "library/redis:8.10.1"),
    ("docker.io", "curlimages/curl:8.21.0"),
    ("quay.io", "jetstack/cert-manager-controller:v1.21.2"),
    ("quay.io", "jetstack/cert-manager-webhook:v1.21.2"),
    ("quay.io", "jetstack/cert-manager-cainjector:v1.21.2"),
    ("quay.io", "jetstack/cert-manager-acmesolver:v1.21.2"),
];

/// A chart of the tests' own under cert-manager's name, with its three deployments, of which the stand-in makes objects.
const CHART: &str = "jetstack/charts/cert-manager";
const VERSION: &str = "v1.21.2";
const DEPLOYMENTS: [&str; 3] = ["cert-manager", "cert-manager-webhook", "cert-manager-cainjector"];

fn chart() -> Vec<u8> {
    let about = format!("apiVersion: v2\nname: cert-manager\nversion: {VERSION}\n");
    let deployment =
        |name: &&str| format!("---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n");
    let templates: String = DEPLOYMENTS.iter().map(deployment).collect();
    let files = [
        ("cert-manager/Chart.yaml", about.as_bytes()),
        ("cert-manager/values.yaml", b"resources: {}\n"),
        ("cert-manager/templates/all.yaml", templates.as_bytes()),
    ];
    pack("gzip", &["-n", "-c"], &tar(&files))
}

/// Where the stand-in keeps the names of what it has imported.
const STORE: &str = "/var/lib/rancher/k3s/agent/containerd/k3s-double-images";

#[test]
fn applications_are_there_when_the_node_is_ready() {
    let proofs = ["nextcloud", "dyndns", "cert-manager", "ingress-auth"]
        .map(|overlay| Proof::of_overlay(OverlayLevel::Booted, overlay));
    let scratch = tempfile::tempdir().unwrap();
    let registry = Registry::start(&scratch.path().join("registry"), "", "");
    for (number, (_, name)) in IMAGES.iter().enumerate() {
        let mut layout = Layout::new(&scratch.path().join(format!("layout-{number}")));
        let layer = layout.layer(Packed::Gzip, &[("bin/program", name.as_bytes())]);
        let image = multi(&layout, &["amd64"], &[layer]);
        layout.add(Some(LAYOUT_NAME), image);
        registry.push(&layout, &format!("127.0.0.1:{}/{name}", registry.port), &[]);
    }
    registry.push_chart(&scratch.path().join("chart"), &format!("{CHART}:{VERSION}"), &chart());
    let dir = one_server(&format!(
        "{}\n\
         [overlays.nextcloud]\nhost = \"cloud.home.lan\"\n\n\
         [overlays.dyndns]\nprovider = \"desec\"\nhost = \"home.dedyn.io\"\npassword = \"hunter2\"\n\n\
         [overlays.cert-manager]\n\n\
         [overlays.ingress-auth]\n",
        registry.mirrors(["docker.io", "quay.io"]),
    ));
    drop(registry);
    let image = dir.path().join("out/lab-1.img");
    let mut guest = Guest::start("lab-1", "pc", &image, Network::Alone { forward: None }, None);
    guest.wait_for_end(ReportStatus::Ready);
    assert!(guest.said("its directories are on the card, in /k8s-data"));
    assert!(guest.said("deployments: 6"), "firstboot has waited for what the overlays promise");
    guest.power_off();

    check_after_cut(&image, dir.path());
    for (path, uid, gid, mode) in
        [("nextcloud", 33, 33, "0750"), ("db", 999, 999, "0750"), ("dyndns", 100, 101, "0700")]
    {
        let stat = debugfs(&image, &format!("stat /k8s-data/{path}"));
        let words: Vec<&str> = stat.split_whitespace().collect();
        let after = |name: &str| {
            let place =
                words.iter().position(|word| *word == name).unwrap_or_else(|| panic!("{path}: {stat}"));
            words[place + 1].to_owned()
        };
        assert_eq!(
            (after("User:"), after("Group:"), after("Mode:")),
            (uid.to_string(), gid.to_string(), mode.to_owned()),
            "{stat}"
        );
    }
    let store = debugfs(&image, &format!("cat {STORE}"));
    for (registry, name) in IMAGES {
        assert!(store.lines().any(|line| line == format!("{registry}/{name}")), "{name}: {store}");
    }
    let manifest = debugfs(&image, "cat /var/lib/rancher/k3s/server/manifests/dyndns-dyndns.yaml");
    assert!(manifest.contains("password: \"hunter2\""));
    let chart = debugfs(&image, "cat /var/lib/rancher/k3s/server/manifests/chart-cert-manager.yaml");
    assert!(
        chart.contains("targetNamespace: cert-manager") && chart.contains("defaultIssuerName"),
        "{chart}"
    );
    proofs.into_iter().for_each(Proof::holds);
}
