//! Container images under the names that overlays use, made of programs of Debian and of Go modules: the tests' own, and labelled so.

use std::fs;
use std::path::{Path, PathBuf};

use hcimage_testkit::oci_layout::{Layout, Packed};
use hcimage_testkit::registry::{LAYOUT_NAME, Registry};
use serde_json::{Value, json};

use crate::{built, control_plane, pods};

/// What an image has.
enum From {
    /// The root directory of Debian's programs, and what plays the entry scripts of published images.
    Debian,
    /// Programs without libraries, with busybox beside them.
    Busybox(&'static [&'static str]),
    /// One such program alone.
    Alone(&'static str),
}

/// What starts: a container's `args` follow an entry point, and take the place of a command.
enum Starts {
    Entry(&'static [&'static str]),
    Command(&'static [&'static str]),
}

use From::{Alone, Busybox, Debian};
use Starts::{Command, Entry};

/// Registry, name, contents, what starts.
const IMAGES: &[(&str, &str, From, Starts)] = &[
    ("docker.io", "library/mariadb:11.8.8", Debian, Entry(&["/usr/local/bin/start-mariadb"])),
    ("docker.io", "library/redis:8.10.1", Debian, Command(&["redis-server"])),
    ("docker.io", "library/nextcloud:35.0.3-apache", Debian, Entry(&["/usr/local/bin/start-nextcloud"])),
    ("docker.io", "curlimages/curl:8.21.0", Debian, Command(&["curl"])),
    ("docker.io", "library/postgres:18.6-trixie", Debian, Command(&["postgres"])),
    ("docker.io", "library/eclipse-mosquitto:2.1.2-alpine", Debian, Command(&["mosquitto"])),
    ("ghcr.io", "fatedier/frpc:v0.71.0", Busybox(&["frpc"]), Entry(&["/usr/bin/frpc"])),
    (
        "quay.io",
        "jetstack/cert-manager-controller:v1.21.2",
        Alone("cert-manager-controller"),
        Entry(&["/cert-manager-controller"]),
    ),
    (
        "quay.io",
        "jetstack/cert-manager-webhook:v1.21.2",
        Alone("cert-manager-webhook"),
        Entry(&["/cert-manager-webhook"]),
    ),
    (
        "quay.io",
        "jetstack/cert-manager-cainjector:v1.21.2",
        Alone("cert-manager-cainjector"),
        Entry(&["/cert-manager-cainjector"]),
    ),
    (
        "quay.io",
        "jetstack/cert-manager-acmesolver:v1.21.2",
        Alone("cert-manager-acmesolver"),
        Entry(&["/cert-manager-acmesolver"]),
    ),
    ("quay.io", "metallb/controller:v0.16.2", Alone("metallb-controller"), Entry(&["/metallb-controller"])),
    ("quay.io", "metallb/speaker:v0.16.2", Alone("metallb-speaker"), Entry(&["/metallb-speaker"])),
    (
        "registry.k8s.io",
        "external-dns/external-dns:v0.22.0",
        Alone("external-dns"),
        Entry(&["/external-dns"]),
    ),
    // What k3s has in its own archive.
    ("docker.io", "hcimage.invalid/pause:1", Busybox(&[]), Entry(&["/bin/sleep", "1000000000"])),
    ("docker.io", "hcimage.invalid/coredns:1", Alone("coredns"), Entry(&["/coredns"])),
    (
        "docker.io",
        "hcimage.invalid/local-path-provisioner:1",
        Alone("local-path-provisioner"),
        Entry(&["/local-path-provisioner"]),
    ),
    ("docker.io", "hcimage.invalid/traefik:1", Alone("traefik"), Entry(&["/traefik"])),
    (
        "docker.io",
        "hcimage.invalid/klipper-helm:1",
        Busybox(&["helm"]),
        Entry(&["/bin/sh", "/usr/bin/install-chart"]),
    ),
];

/// What of busybox is called by its name.
const APPLETS: [&str; 9] = ["cat", "chmod", "ls", "mkdir", "rm", "sed", "sh", "sleep", "wget"];

/// Those that no overlay of the card names, by their full names.
pub(crate) fn beside_overlays() -> impl Iterator<Item = String> {
    IMAGES
        .iter()
        .filter(|(_, name, ..)| {
            ["hcimage.invalid/", "metallb/", "external-dns/"].iter().any(|begin| name.starts_with(begin))
        })
        .map(|(registry, name, ..)| format!("{registry}/{name}"))
}

/// The registries that the one on loopback stands in for.
pub(crate) const REGISTRIES: [&str; 4] = ["docker.io", "ghcr.io", "quay.io", "registry.k8s.io"];

/// Makes all images and pushes them.
pub(crate) fn push(scratch: &Path, ca: &str, registry: &Registry) {
    let folder = scratch.join("images");
    let mut debian = None;
    for (place, (_, name, from, starts)) in IMAGES.iter().enumerate() {
        let dir = folder.join(place.to_string());
        let mut layout = Layout::new(&dir);
        let layers = match from {
            Debian => {
                let made_by = || (dir.clone(), layout.layer_of_directory(Packed::Zstd, &pods::root()));
                let (first, layer) = debian.get_or_insert_with(made_by);
                copy_blob(first, &layout, &layer.0);
                vec![layer.clone(), layout.layer(Packed::Not, &borrowed(&pods::files(ca)))]
            }
            Busybox(programs) => {
                let root = folder.join(format!("{place}-root"));
                busybox(&root, programs);
                vec![layout.layer_of_directory(Packed::Zstd, &root)]
            }
            Alone(program) => {
                vec![layout.layer(Packed::Zstd, &[(program, &fs::read(path_of(program)).unwrap())])]
            }
        };
        let mut runs = json!({
            "Labels": {"hcimage.tests": "made by the tests of hcimage: not what its publisher has under this name"},
            "Env": ["PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/home/klipper-helm"],
        });
        // As the published ones: their pods must not run as root, and name no user themselves.
        if ["cert-manager", "external-dns", "metallb/controller"].iter().any(|part| name.contains(part))
            || name.contains("klipper-helm")
        {
            runs["User"] = json!("1000");
        }
        match starts {
            Entry(words) => runs["Entrypoint"] = json!(words),
            Command(words) => runs["Cmd"] = json!(words),
        }
        let image = layout.image_with("amd64", &layers, &runs);
        layout.add(Some(LAYOUT_NAME), image);
        registry.push(&layout, &format!("127.0.0.1:{}/{name}", registry.port), &[]);
    }
}

fn busybox(root: &Path, programs: &[&str]) {
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::copy(pods::root().join("bin/busybox"), root.join("bin/busybox")).unwrap();
    for applet in APPLETS {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    for program in programs {
        fs::copy(path_of(program), root.join("usr/bin").join(program)).unwrap();
    }
    fs::write(root.join("usr/bin/install-chart"), pods::INSTALL_CHART).unwrap();
}

fn borrowed(files: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect()
}

fn path_of(program: &str) -> PathBuf {
    if program == "helm" { control_plane::program("HCIMAGE_HELM") } else { built(program) }
}

/// A layer of another layout, once more.
fn copy_blob(from: &Path, to: &Layout, layer: &Value) {
    let digest = layer["digest"].as_str().unwrap();
    let source = from.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    let path = to.blob_path(digest);
    if !path.exists() {
        fs::hard_link(source, path).unwrap();
    }
}
