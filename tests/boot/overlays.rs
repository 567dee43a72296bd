//! A node with applications, without a network: QEMU lets nothing out. Their images are small ones of the tests' own under the real
//! names, in a registry on loopback that stands in for the public ones while the image is built.

use hc_firstboot::report::ReportStatus;
use hcimage::run::Network;
use hcimage_testkit::guest::{Guest, one_server};
use hcimage_testkit::oci_layout::{Layout, Packed, multi};
use hcimage_testkit::registry::{LAYOUT_NAME, Registry};
use hcimage_testkit::tools::debugfs;

use crate::cuts::check_after_cut;

const IMAGES: [&str; 4] = [
    "library/nextcloud:35.0.3-apache",
    "library/mariadb:11.8.8",
    "library/redis:8.10.1",
    "curlimages/curl:8.21.0",
];

/// Where the stand-in keeps the names of what it has imported.
const STORE: &str = "/var/lib/rancher/k3s/agent/containerd/k3s-double-images";

#[test]
fn applications_are_there_when_the_node_is_ready() {
    let scratch = tempfile::tempdir().unwrap();
    let registry = Registry::start(&scratch.path().join("registry"), "", "");
    for (number, name) in IMAGES.iter().enumerate() {
        let mut layout = Layout::new(&scratch.path().join(format!("layout-{number}")));
        let layer = layout.layer(Packed::Gzip, &[("bin/program", name.as_bytes())]);
        let image = multi(&layout, &["amd64"], &[layer]);
        layout.add(Some(LAYOUT_NAME), image);
        registry.push(&layout, &format!("127.0.0.1:{}/{name}", registry.port), &[]);
    }
    let dir = one_server(&format!(
        "[registries.mirrors.\"docker.io\"]\nendpoint = [\"http://127.0.0.1:{}\"]\n\n\
         [overlays.nextcloud]\nhost = \"cloud.home.lan\"\n\n\
         [overlays.dyndns]\nprovider = \"desec\"\nhost = \"home.dedyn.io\"\npassword = \"hunter2\"\n\n\
         [overlays.ingress-auth]\n",
        registry.port
    ));
    drop(registry);
    let image = dir.path().join("out/lab-1.img");
    let mut guest = Guest::start("lab-1", "pc", &image, Network::Alone { forward: None }, None);
    guest.wait_for_end(ReportStatus::Ready);
    assert!(guest.said("its directories are on the card, in /k8s-data"));
    assert!(guest.said("deployments: 3"), "firstboot has waited for what the overlays promise");
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
    for name in IMAGES {
        assert!(store.lines().any(|line| line == format!("docker.io/{name}")), "{name}: {store}");
    }
    let manifest = debugfs(&image, "cat /var/lib/rancher/k3s/server/manifests/dyndns-dyndns.yaml");
    assert!(manifest.contains("password: \"hunter2\""));
}
