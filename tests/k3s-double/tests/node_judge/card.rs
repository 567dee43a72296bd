//! What `hcimage build` writes for a node with these overlays: the real program, a real registry, and debugfs, which takes the files
//! out of the image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage::board::Boards;
use hcimage::cluster::{self, Checked};
use hcimage::overlays::Library;
use hcimage_testkit::guest::one_server;
use hcimage_testkit::registry::Registry;
use hcimage_testkit::tools::{debugfs, run};

use crate::lan::{ACME_KEY, ACME_KEY_ID, ADDRESS, Lan, TSIG_KEY, TSIG_NAME, TUNNEL_TOKEN};
use crate::{control_plane, images};

/// Passwords that a user chooses.
pub(crate) const DYNDNS_PASSWORD: &str = "hunter2&\\\"$(x)";

pub(crate) struct Card {
    pub(crate) checked: Checked,
    /// `/var/lib/rancher/k3s` of the image.
    pub(crate) k3s: PathBuf,
    /// The archives of container images in it.
    pub(crate) archives: Vec<PathBuf>,
    cluster: tempfile::TempDir,
}

impl Card {
    pub(crate) fn build(scratch: &Path, lan: &Lan) -> Self {
        let registry = Registry::start(&scratch.join("registry"), "", "");
        images::push(scratch, &lan.ca, &registry);
        push_chart(scratch, &registry);
        let cluster = one_server(&tables(&registry, &lan.ca));
        drop(registry);
        let image = cluster.path().join("out/lab-1.img");
        let taken = scratch.join("card");
        fs::create_dir(&taken).unwrap();
        let said = debugfs(&image, &format!("rdump /var/lib/rancher/k3s {}", taken.display()));
        let k3s = taken.join("k3s");
        let folder = k3s.join("agent/images");
        let found =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}: {said}", folder.display()));
        let mut archives: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
        // That of k3s itself is the stand-in's, and has no images.
        archives.retain(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.contains(".tar") && !name.starts_with("k3s-airgap-images")
        });
        assert!(!archives.is_empty(), "no archive of container images");
        let file = cluster.path().join("cluster.toml");
        let checked = cluster::load(&file, &Boards::load(None).unwrap(), &Library::new(Vec::new()))
            .unwrap_or_else(|error| panic!("{error}"));
        Self { checked, k3s, archives, cluster }
    }

    /// A secret that the build made, as it is in the secrets file.
    pub(crate) fn secret(&self, overlay: &str, name: &str) -> String {
        let text = fs::read_to_string(self.cluster.path().join("cluster.secrets.toml")).unwrap();
        let all: toml::Value = toml::from_str(&text).unwrap();
        let found = all.get("overlays").and_then(|all| all.get(overlay)?.get(name)?.as_str());
        found.unwrap_or_else(|| panic!("no secret {name} of {overlay}")).to_owned()
    }
}

/// cert-manager's chart as its module has it, packed and pushed by Helm.
fn push_chart(scratch: &Path, registry: &Registry) {
    let helm = || Command::new(control_plane::program("HCIMAGE_HELM"));
    let chart = control_plane::program("HCIMAGE_NODE_PROGRAMS").join("charts/cert-manager");
    let version = "v1.21.2";
    let dir = scratch.join("charts");
    let (mut pack, mut push) = (helm(), helm());
    pack.arg("package")
        .arg(chart)
        .args(["--version", version, "--app-version", version, "--destination"])
        .arg(&dir);
    run(&mut pack);
    push.arg("push").arg(dir.join(format!("cert-manager-{version}.tgz"))).arg("--plain-http");
    run(push.arg(format!("oci://127.0.0.1:{}/jetstack/charts", registry.port)));
}

/// A node with applications, certificates, a tunnel and volumes.
fn tables(registry: &Registry, ca: &str) -> String {
    let mut text = "[data-disk]\nmount = \"/srv/k8s-data\"\n".to_owned();
    text.push_str(&registry.mirrors(images::REGISTRIES));
    for name in images::beside_overlays() {
        text.push_str(&format!("[[images]]\nname = {name:?}\n"));
    }
    let ca = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, ca);
    text.push_str(&format!(
        "[overlays.nextcloud]\nhost = \"cloud.home.lan\"\nissuer = \"default\"\nphone-region = \"DE\"\n\
         [overlays.dyndns]\nprovider = \"url\"\nhost = \"home.example.org\"\nuser = \"kim\"\npassword = \"{DYNDNS_PASSWORD}\"\n\
         url = \"https://dyn.home.lan/update?host={{host}}&ip={{ip}}\"\naddress-url = \"https://dyn.home.lan/ip\"\n\
         [overlays.cert-manager]\nissuer = \"own\"\nacme-server = \"https://ca.home.lan:14000/dir\"\nacme-ca = \"{ca}\"\n\
         acme-key-id = \"{ACME_KEY_ID}\"\nacme-key = \"{ACME_KEY}\"\ndns = \"rfc2136\"\ndns-server = \"{ADDRESS}:53\"\n\
         dns-account = \"{TSIG_NAME}\"\ndns-token = \"{TSIG_KEY}\"\ndns-zones = [\"example.org\"]\nresolvers = [\"{ADDRESS}:53\"]\n\
         [overlays.ingress-auth]\n\
         [overlays.traefik-config]\naccess-log = \"json\"\ndashboard = \"traefik.home.lan\"\n\
         [overlays.tunnel]\nserver = \"{ADDRESS}\"\nhttp-port = 8080\nhttps-port = 8443\ntoken = \"{TUNNEL_TOKEN}\"\n\
         [overlays.local-path]\n\
         [overlays.postgresql]\ndatabases = [\"shop\"]\nmemory-mib = 256\n\
         [overlays.mosquitto]\nhost = \"mqtt.home.lan\"\nissuer = \"default\"\nmore-users = \"sensor:hunter3\"\n\
         rules = [\"sensor write sensors/#\"]\n"
    ));
    text
}
