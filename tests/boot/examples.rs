//! The examples of the documentation with overlays, each as a whole cluster, by `hcimage run` and without a way out. Their boards are
//! PCs here, their images and charts small ones of the tests' own under the real names, from a registry on loopback that stands in
//! for the public ones while the images are built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::etcd::base_with_etcd;
use hcimage::board::Boards;
use hcimage::charts::ChartPlace;
use hcimage::cluster::{self, Cluster};
use hcimage::images::ImageSource;
use hcimage::overlays::{Library, Promise, PromiseKind};
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release, root};
use hcimage_testkit::desk::pack;
use hcimage_testkit::examples;
use hcimage_testkit::hcimage::{hcimage, succeed};
use hcimage_testkit::oci_layout::{Layout, Packed, multi, tar};
use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::registry::{LAYOUT_NAME, Registry};
use hcimage_testkit::tools::{debugfs_put, run};

/// Where charts are, in the place of sites that no server of a test can play.
const CHARTS: &str = "charts.hcimage.invalid";

#[test]
#[ignore = "slow; `make boot-examples` runs it"]
fn a_home_cloud_is_ready() {
    boots("home-cloud", |text| text);
}

#[test]
#[ignore = "slow; `make boot-examples` runs it"]
fn applications_on_a_turing_pi_are_ready() {
    boots("turing-pi-apps", |text| text);
}

#[test]
#[ignore = "slow; `make boot-examples` runs it"]
fn an_office_with_three_servers_is_ready() {
    boots("office-apps", |text| text);
}

/// No etcd is in the network of a rehearsal: the first server has the state itself, and is alone. That servers share an etcd elsewhere
/// is seen in `tests/k3s-double/tests/outside_etcd.rs`. Ceph's disks are of three kinds.
#[test]
#[ignore = "slow; `make boot-examples` runs it"]
fn nodes_with_ids_are_ready() {
    boots("outside-database", |text| {
        let (before, rest) = text.split_once("[external-datastore]").unwrap();
        let (_, rest) = rest.split_once("[network]").unwrap();
        let text = format!("{}[network]{rest}", before.replace("datastore = \"external\"\n", ""));
        let (before, rest) = text.split_once("[[nodes]]\nname = \"server-2\"").unwrap();
        let (_, rest) = rest.split_once("[[nodes]]").unwrap();
        let text = format!("{before}[[nodes]]{rest}").replace("api = \"k3s.example.org\"\n", "");
        let text = text.replace("ata-disk-of-ceph-2", "wwn-0x5000c500a1b2c3d4");
        text.replace("ata-disk-of-ceph-3", "virtio-disk-3")
    });
}

#[test]
#[ignore = "slow; `make boot-examples` runs it"]
fn a_site_without_internet_is_ready() {
    boots("closed-site", |text| text);
}

/// Builds and boots an example, whose cluster file `change` makes one for this network.
fn boots(name: &str, change: impl Fn(String) -> String) {
    let scratch = tempfile::tempdir().unwrap();
    let dir = examples::copy(name, scratch.path());
    let text = fs::read_to_string(dir.join("cluster.toml")).unwrap();
    let with_etcd = scratch.path().join("base.img");
    let base = if text.contains("datastore = \"etcd\"") {
        base_with_etcd(&with_etcd);
        with_etcd
    } else {
        base("debian-pc-amd64")
    };
    let text = change(for_pcs(&text, &base));
    fs::write(dir.join("cluster.toml"), &text).unwrap();
    let first = load(&dir);
    redirect_charts(&dir, &first);
    // Their charts are in a registry now.
    let wanted = load(&dir);
    let overlays: Vec<String> =
        wanted.overlays.iter().map(|active| active.overlay.name.to_string()).collect();
    let proofs: Vec<Proof> =
        overlays.iter().map(|overlay| Proof::of_overlay(OverlayLevel::Booted, overlay)).collect();

    let registry = Registry::start(&scratch.path().join("registry"), "", "");
    let mut hosts = push_images(&registry, scratch.path(), &wanted);
    hosts.extend(push_charts(&registry, scratch.path(), &wanted));
    fs::write(dir.join("cluster.toml"), format!("{text}\n{}", registry.mirrors(&hosts))).unwrap();
    succeed(hcimage(&dir).args(["build", "--k3s"]).arg(k3s_release().join(K3S_VERSION)));
    drop(registry);
    for node in wanted.nodes.iter() {
        let image = dir.join(format!("out/{}.img", node.name));
        // A package may have an initial RAM disk made anew, which takes ten minutes under emulation.
        debugfs_put(&image, "update_initramfs=no\n", "/etc/initramfs-tools/update-initramfs.conf", &dir);
    }
    succeed(hcimage(&dir).args(["run", "--until", "ready", "--timeout", "3600", "--junit", "run.xml"]));
    proofs.into_iter().for_each(Proof::holds);
    println!("{name}: {} nodes Ready, with {}", wanted.nodes.iter().count(), overlays.join(", "));
}

pub(crate) fn load(dir: &Path) -> Cluster {
    let file = dir.join("cluster.toml");
    let library = Library::new(vec![dir.join("overlays")]);
    let checked = cluster::load(&file, &Boards::load(None).unwrap(), &library);
    checked.unwrap_or_else(|error| panic!("{}: {error}", file.display())).cluster
}

/// A cluster file for generic PCs.
fn for_pcs(text: &str, base: &Path) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("base = ") && *line != "[boards.pc]");
    let lines = lines.map(|line| match line {
        line if line.starts_with("board = ") => "board = \"pc\"\n".to_owned(),
        // The test's base has no sudo.
        line if line.starts_with("ssh-key-files = ") => format!("{line}\nsudo = false\n"),
        line => format!("{line}\n"),
    });
    let text: String = lines.collect();
    format!("{text}\n[boards.pc]\nbase = {base:?}\n")
}

/// Overlays with charts, copied beside the cluster file and changed in nothing but where the charts are.
fn redirect_charts(dir: &Path, cluster: &Cluster) {
    for active in cluster.overlays.iter().filter(|active| !active.needs.charts.is_empty()) {
        let name = active.overlay.name.as_str();
        let copy = dir.join("overlays").join(name);
        fs::create_dir_all(dir.join("overlays")).unwrap();
        run(Command::new("cp").arg("-r").arg(root().join("overlays").join(name)).arg(&copy));
        let about = copy.join("overlay.toml");
        let text = fs::read_to_string(&about).unwrap();
        let lines = text.lines().map(|line| match line.starts_with("repo = \"https://") {
            true => format!("repo = \"oci://{CHARTS}/{name}\"\n"),
            false => format!("{line}\n"),
        });
        fs::write(&about, lines.collect::<String>()).unwrap();
    }
}

/// Small images under all names; returns their registries.
pub(crate) fn push_images(registry: &Registry, scratch: &Path, cluster: &Cluster) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    let mut pushed = BTreeSet::new();
    for (number, wanted) in cluster.images.iter().enumerate() {
        let ImageSource::Registry(image) = &wanted.source else { continue };
        hosts.insert(image.registry().to_owned());
        let name = format!("{}:{}", image.repository(), image.tag().expect("a tag"));
        if !pushed.insert(name.clone()) {
            continue;
        }
        let mut layout = Layout::new(&scratch.join(format!("layout-{number}")));
        let layer = layout.layer(Packed::Gzip, &[("bin/program", name.as_bytes())]);
        let image = multi(&layout, &["amd64"], &[layer]);
        layout.add(Some(LAYOUT_NAME), image);
        registry.push(&layout, &format!("127.0.0.1:{}/{name}", registry.port), &[]);
    }
    hosts
}

/// Charts with what their overlays promise, and nothing else; returns their registries.
fn push_charts(registry: &Registry, scratch: &Path, cluster: &Cluster) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    let promised: BTreeMap<&str, &[Promise]> = cluster
        .overlays
        .iter()
        .map(|active| (active.overlay.name.as_str(), active.needs.promises.as_slice()))
        .collect();
    let mut with_objects = BTreeSet::new();
    for (number, chart) in cluster.charts.iter().enumerate() {
        let ChartPlace::Registry { name, version } = &chart.place else {
            panic!("{}: its chart is in no registry", chart.release)
        };
        hosts.insert(name.registry().to_owned());
        let overlay = chart.overlay.as_ref().map(|overlay| overlay.name.to_string()).unwrap_or_default();
        // The first chart of an overlay has all that it promises.
        let objects: String = match with_objects.insert(overlay.clone()) {
            true => promised.get(overlay.as_str()).copied().unwrap_or_default().iter().map(object).collect(),
            false => String::new(),
        };
        let folder = name.repository().rsplit('/').next().unwrap();
        let about = format!("apiVersion: v2\nname: {folder}\nversion: {}\n", version.as_str());
        let names =
            ["Chart.yaml", "values.yaml", "templates/all.yaml"].map(|file| format!("{folder}/{file}"));
        let texts = [about.as_bytes(), b"resources: {}\n".as_slice(), objects.as_bytes()];
        let files: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(texts).collect();
        let packed = pack("gzip", &["-n", "-c"], &tar(&files));
        let at = format!("{}:{}", name.repository(), version.as_str().replace('+', "_"));
        registry.push_chart(&scratch.join(format!("chart-{number}")), &at, &packed);
    }
    hosts
}

fn object(promise: &Promise) -> String {
    let (version, kind, spec) = match promise.kind {
        PromiseKind::Deployment => ("apps/v1", "Deployment", ""),
        PromiseKind::StatefulSet => ("apps/v1", "StatefulSet", ""),
        PromiseKind::DaemonSet => ("apps/v1", "DaemonSet", ""),
        PromiseKind::LoadBalancer => ("v1", "Service", "spec: {type: LoadBalancer}\n"),
        PromiseKind::Certificate => ("cert-manager.io/v1", "Certificate", ""),
    };
    let name = promise.name.to_string();
    let (namespace, name) = name.split_once('/').unwrap();
    format!(
        "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n{spec}"
    )
}
