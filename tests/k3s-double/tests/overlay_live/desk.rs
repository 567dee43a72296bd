//! A cluster file, its secrets, and a cluster that trusts them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use hcimage::secrets::store;
use hcimage::secrets::{Clock, Secrets};
use hcimage_testkit::external_tool::{Outcome, outcome};
use hcimage_testkit::hcimage::hcimage;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::machines::Machines;

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

const SHOP: &str = r#"
about = "A shop for one"
[parameters.greeting]
type = "text"
help = "What it says."
default = "hello"
[parameters.image]
type = "text"
help = "Its image."
default = "docker.io/library/redis:8.10.1"
[parameters.extra]
type = "switch"
help = "One more object."
default = false
[secrets.password]
help = "The password."
[[images]]
name = "{{ image }}"
"#;

const SHOP_BASE: &str = r#"apiVersion: v1
kind: Namespace
metadata:
  name: shop
---
apiVersion: v1
kind: Secret
metadata:
  name: password
  namespace: shop
stringData:
  password: {{ secret.password }}
{% if extra %}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: extra
  namespace: shop
data:
  mode: "0644"
{% endif %}
"#;

const SHOP_APP: &str = r#"apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: goods
  namespace: shop
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 1Gi
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  namespace: shop
spec:
  selector:
    matchLabels: {app: shop}
  template:
    metadata:
      labels: {app: shop}
      annotations:
        greeting: {{ greeting }}
    spec:
      containers:
        - name: shop
          image: {{ image }}
          resources:
            requests: {cpu: 10m, memory: 16Mi}
            limits: {memory: 64Mi}
"#;

/// What a user has beside the cluster, and the cluster.
pub(crate) struct Desk {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) machines: Machines,
    pub(crate) secrets: Secrets,
}

impl Desk {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cluster.secrets.toml");
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        let nodes = ["pi-1".parse().unwrap()];
        let secrets = store::open(&file, "home", &nodes, Clock { now, build_time: now }).unwrap().secrets;
        let kept: toml::Value = toml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let machines = Machines::start_with(|plane| trust(plane, &kept));
        fs::create_dir(dir.path().join("out")).unwrap();
        let url = format!("https://127.0.0.1:{}", machines.plane.port);
        fs::write(dir.path().join("out/kubeconfig"), secrets.kubeconfig(&url).expose()).unwrap();
        let desk = Self { dir, machines, secrets };
        desk.overlay("shop", SHOP, &[("10-base.yaml", SHOP_BASE), ("app.yaml", SHOP_APP)]);
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "pi-1", "labels": {"kubernetes.io/hostname": "pi-1", "kubernetes.io/arch": "arm64", "kubernetes.io/os": "linux"}},
            "status": {
                "capacity": {"cpu": "4", "memory": "4Gi", "pods": "110"},
                "allocatable": {"cpu": "4", "memory": "3Gi", "pods": "110"},
            },
        });
        desk.plane().write("POST", "/api/v1/nodes", JSON, &node);
        desk
    }

    pub(crate) fn plane(&self) -> &ControlPlane {
        &self.machines.plane
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes an overlay beside the cluster file.
    pub(crate) fn overlay(&self, name: &str, definition: &str, manifests: &[(&str, &str)]) {
        let folder = self.path("overlays").join(name);
        fs::create_dir_all(folder.join("manifests")).unwrap();
        fs::write(folder.join("overlay.toml"), definition).unwrap();
        fs::write(folder.join("README.md"), "").unwrap();
        for (file, text) in manifests {
            fs::write(folder.join("manifests").join(file), text).unwrap();
        }
    }

    /// Writes the cluster file with these tables.
    pub(crate) fn cluster(&self, tables: &str) {
        let text = format!(
            "schema = 1\nname = \"home\"\n{tables}\n[[nodes]]\nname = \"pi-1\"\nrole = \"server\"\nboard = \"pi4\"\n"
        );
        fs::write(self.path("cluster.toml"), text).unwrap();
    }

    pub(crate) fn overlays(&self, arguments: &[&str]) -> Command {
        let mut command = hcimage(self.dir.path());
        command.arg("overlays").args(arguments);
        command
    }

    /// Runs it and expects this exit code and these words; returns both streams.
    #[track_caller]
    pub(crate) fn says(&self, arguments: &[&str], code: i32, words: &[&str]) -> String {
        let mut command = self.overlays(arguments);
        let Outcome { status, stdout, stderr } = outcome(&mut command);
        let both = format!("{stdout}{stderr}");
        println!("$ hcimage overlays {}\n{both}", arguments.join(" "));
        assert_eq!(status.code(), Some(code), "{arguments:?}: {both}");
        for word in words {
            assert!(both.contains(word), "{word:?} is not in\n{both}");
        }
        assert!(!both.contains("panicked"), "{both}");
        both
    }

    /// An object; none where there is none.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = loop {
            let (status, body) = self.plane().asker().ask("admin", path);
            // A kind that was defined just now.
            if status != 429 {
                break (status, body);
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        assert!(status == 200 || status == 404, "{path}: {status} {body}");
        (status == 200).then_some(body)
    }

    /// Waits until it is as it must be.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !done(self) {
            assert!(began.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Writes an object as somebody else.
    pub(crate) fn apply_as(&self, manager: &str, path: &str, text: &str) {
        self.plane().write_text("PATCH", &format!("{path}?fieldManager={manager}&force=true"), APPLY, text);
    }
}

/// Gives the control plane the authorities of a secrets file.
fn trust(plane: &ControlPlane, kept: &toml::Value) {
    let authority = |name: &str, key: &str| kept["authority"][name][key].as_str().unwrap().to_owned();
    let key = KeyPair::from_pem(&authority("server", "key")).unwrap();
    let ca = authority("server", "certificate");
    let issuer = Issuer::from_ca_cert_pem(&ca, key).unwrap();
    let names = ["127.0.0.1", "localhost", "10.43.0.1", "kubernetes.default.svc"].map(str::to_owned);
    let mut params = CertificateParams::new(names.to_vec()).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let own = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap();
    fs::write(plane.path("server.crt"), certificate.pem()).unwrap();
    fs::write(plane.path("server.key"), own.serialize_pem()).unwrap();
    fs::write(plane.path("server-ca.crt"), &ca).unwrap();
    let clients = fs::read_to_string(plane.path("client-ca.crt")).unwrap();
    fs::write(plane.path("client-ca.crt"), format!("{clients}{}", authority("client", "certificate")))
        .unwrap();
}
