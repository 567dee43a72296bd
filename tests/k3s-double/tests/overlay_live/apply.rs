//! `hcimage overlays apply`.

use std::fs;
use std::thread;
use std::time::Duration;

use hcimage::secrets::Secrets;
use serde_json::{Value, json};

use crate::desk::{Desk, JSON, MERGE};

const SHOP: &str = "[overlays.shop]\n";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/shop";
const RECORD: &str = "/api/v1/namespaces/kube-system/configmaps/hcimage-overlay-shop";

pub(crate) fn another_cluster_is_refused(desk: &Desk) {
    desk.cluster(SHOP);
    let other = Secrets::make("home", &[], 1_800_000_000).unwrap();
    let url = format!("https://127.0.0.1:{}", desk.plane().port);
    fs::write(desk.path("other"), other.kubeconfig(&url).expose()).unwrap();
    for command in [&["apply", "--yes"][..], &["remove", "shop", "--yes", "shop"]] {
        let arguments = [command, &["--kubeconfig", "other"]].concat();
        desk.says(
            &arguments,
            2,
            &["other is not the kubeconfig of the cluster home", "cluster.secrets.toml"],
        );
    }
    desk.says(&["apply", "--kubeconfig", "nothing"], 2, &["nothing: ", "hcimage build"]);
    // The right authority, and somebody else at its address.
    let wrong = desk.secrets.kubeconfig("https://localhost:1").expose().to_owned();
    fs::write(desk.path("wrong"), wrong).unwrap();
    desk.says(
        &["apply", "--yes", "--kubeconfig", "wrong"],
        1,
        &["asking what the cluster has", "does not answer"],
    );
    assert!(desk.get("/api/v1/namespaces/shop").is_none());
}

pub(crate) fn a_trial_changes_nothing(desk: &Desk) {
    let said = desk.says(
        &["apply", "--dry-run"],
        0,
        &[
            "shop:",
            "+ Namespace shop",
            "+ Secret shop/password",
            "+ Deployment shop/shop",
            "docker.io/library/redis",
            "online = true",
        ],
    );
    assert!(!said.contains("password:"), "{said}");
    desk.says(&["apply"], 2, &["nobody is there to ask: add --yes"]);
    desk.says(&["apply", "stop"], 2, &["switches on no overlay stop"]);
    assert!(desk.get("/api/v1/namespaces/shop").is_none() && desk.get(RECORD).is_none());
    let kept = fs::read_to_string(desk.path("cluster.secrets.toml")).unwrap();
    assert!(!kept.contains("[overlays.shop]"), "a trial makes no passwords");
}

pub(crate) fn it_comes_and_is_there(desk: &Desk) {
    desk.says(
        &["apply", "--yes"],
        0,
        &["there: deployment shop/shop", "all that these overlays promise is there: shop"],
    );
    let kept: toml::Value =
        toml::from_str(&fs::read_to_string(desk.path("cluster.secrets.toml")).unwrap()).unwrap();
    let password = kept["overlays"]["shop"]["password"].as_str().unwrap();
    let secret = desk.get("/api/v1/namespaces/shop/secrets/password").unwrap();
    let found = secret["data"]["password"].as_str().unwrap();
    let found = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, found).unwrap();
    assert_eq!(found, password.as_bytes(), "the password of the secrets file");
    let record = desk.get(RECORD).unwrap();
    assert!(record["data"]["record"].as_str().unwrap().contains("\"origin\":\"api\""), "{record}");
    desk.says(&["apply"], 0, &["shop: unchanged", "all that these overlays promise is there: shop"]);
}

pub(crate) fn what_changes_is_named(desk: &Desk) {
    desk.cluster("[overlays.shop]\ngreeting = \"good morning\"\nextra = true\n");
    desk.says(
        &["apply", "--yes"],
        0,
        &[
            "~ Deployment shop/shop",
            "spec.template.metadata.annotations.greeting: \"hello\" -> \"good morning\"",
            "+ ConfigMap shop/extra",
            "there: deployment shop/shop",
        ],
    );
    let deployment = desk.get(DEPLOYMENT).unwrap();
    assert_eq!(deployment["spec"]["template"]["metadata"]["annotations"]["greeting"], "good morning");
    assert_eq!(desk.get("/api/v1/namespaces/shop/configmaps/extra").unwrap()["data"]["mode"], "0644");
    desk.cluster("[overlays.shop]\ngreeting = \"good morning\"\n");
    desk.says(&["apply", "--yes"], 0, &["- ConfigMap shop/extra"]);
    assert!(desk.get("/api/v1/namespaces/shop/configmaps/extra").is_none());
}

/// The old pods stay available: that is not what was asked for.
pub(crate) fn a_rollout_that_fails_is_not_there(desk: &Desk) {
    let cordon = |on: bool| {
        desk.plane().write("PATCH", "/api/v1/nodes/pi-1", MERGE, &json!({"spec": {"unschedulable": on}}));
    };
    cordon(true);
    desk.cluster("[overlays.shop]\ngreeting = \"good evening\"\n");
    desk.says(
        &["apply", "--yes", "--timeout", "5"],
        1,
        &["not there after 5 s", "waiting: deployment shop/shop: pod ", "Unschedulable"],
    );
    cordon(false);
    desk.says(&["apply"], 0, &["shop: unchanged", "all that these overlays promise is there"]);
}

pub(crate) fn fields_of_others_are_told(desk: &Desk) {
    let theirs = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\n  namespace: shop\nspec:\n  template:\n    \
                  metadata:\n      annotations:\n        greeting: \"go away\"\n";
    desk.apply_as("somebody", DEPLOYMENT, theirs);
    let greeting = |desk: &Desk| {
        desk.get(DEPLOYMENT).unwrap()["spec"]["template"]["metadata"]["annotations"]["greeting"].clone()
    };
    desk.says(
        &["apply", "--yes"],
        1,
        &[
            "! Deployment shop/shop",
            "conflict with \"somebody\"",
            "greeting",
            "--force-conflicts",
            "nothing was changed",
        ],
    );
    assert_eq!(greeting(desk), "go away");
    desk.says(&["apply", "--yes", "--force-conflicts"], 0, &["~ Deployment shop/shop"]);
    assert_eq!(greeting(desk), "good evening");
}

const DISKS: &str = r#"about = "It wants much of its nodes"
modules = ["dm_crypt"]
[[packages]]
name = "open-iscsi"
enable = ["iscsid.service"]
[[directories]]
path = "disks"
uid = 0
gid = 0
mode = "0750"
[sysctls]
"vm.max_map_count" = "262144"
[[k3s]]
disable = ["local-storage"]
"#;
const DISKS_MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: disks\n  namespace: default\ndata:\n  a: \"b\"\n";

pub(crate) fn what_nodes_lack_is_refused(desk: &Desk) {
    desk.overlay("disks", DISKS, &[("a.yaml", DISKS_MAP)]);
    desk.cluster("[overlays.shop]\ngreeting = \"never\"\n[overlays.disks]\n");
    desk.says(
        &["apply", "--yes"],
        3,
        &[
            "nothing was changed",
            "disks: package open-iscsi",
            "disks: unit iscsid.service enabled",
            "disks: kernel module dm_crypt",
            "disks: kernel setting vm.max_map_count = 262144",
            "disks: folder disks on every node of 0:0, mode 0750",
            "disks: k3s without local-storage",
        ],
    );
    assert!(desk.get("/api/v1/namespaces/default/configmaps/disks").is_none());
    assert_eq!(
        desk.get(DEPLOYMENT).unwrap()["spec"]["template"]["metadata"]["annotations"]["greeting"],
        "good evening"
    );

    // An image that was built with another overlay that needs the same.
    let host: Vec<String> = [
        "package open-iscsi",
        "unit iscsid.service enabled",
        "kernel module dm_crypt",
        "kernel setting vm.max_map_count = 262144",
        "folder disks on every node of 0:0, mode 0750",
        "k3s without local-storage",
    ]
    .map(str::to_owned)
    .into();
    let record = json!({"schema": 1, "origin": "image", "host": host}).to_string();
    let labels = json!({"app.kubernetes.io/managed-by": "hcimage"});
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "hcimage-overlay-old", "namespace": "kube-system", "labels": labels},
        "data": {"record": record},
    });
    let maps = "/api/v1/namespaces/kube-system/configmaps";
    desk.plane().write("POST", maps, JSON, &map);
    desk.cluster("[overlays.disks]\n");
    desk.says(
        &["apply", "--yes"],
        0,
        &["+ ConfigMap default/disks", "the cluster has the overlay shop", "hcimage overlays remove shop"],
    );
    desk.says(
        &["remove", "disks", "--yes", "disks"],
        0,
        &["folder on the data disk: disks on every node", "is gone"],
    );
    desk.plane().write(
        "PATCH",
        &format!("{maps}/hcimage-overlay-old"),
        MERGE,
        &json!({"data": {"record": "{\"schema\":9}"}}),
    );
    desk.says(&["apply", "--yes"], 3, &["ConfigMap hcimage-overlay-old", "another hcimage has written it"]);
    desk.says(&["remove", "old", "--yes", "old"], 2, &["nothing is known of an overlay old"]);
    desk.plane().write("DELETE", &format!("{maps}/hcimage-overlay-old"), JSON, &json!({}));
}

const PARTS: &str = r#"about = "Objects of a kind that comes later"
[[ready]]
kind = "certificate"
name = "default/part"
"#;
const PART: &str = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata:\n  name: part\n  namespace: default\nspec:\n  a: b\n";

/// A kind as a chart would bring it.
pub(crate) fn define(desk: &Desk, group: &str, kind: &str, plural: &str) {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version =
        json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "versions": [version],
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
        },
    });
    desk.plane().write("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", JSON, &definition);
}

pub(crate) fn kinds_of_a_chart_are_waited_for(desk: &Desk) {
    desk.overlay("parts", PARTS, &[("a.yaml", PART)]);
    desk.cluster("[overlays.parts]\n");
    desk.says(
        &["apply", "--dry-run"],
        0,
        &["+ Certificate default/part, once the cluster knows cert-manager.io/v1"],
    );
    let path = "/apis/cert-manager.io/v1/namespaces/default/certificates/part";
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            desk.says(
                &["apply", "--yes", "--timeout", "120"],
                0,
                &[
                    "waiting: parts-a.yaml: Certificate default/part: there is no kind Certificate in cert-manager.io/v1 yet",
                    "waiting: certificate default/part",
                    "there: certificate default/part",
                ],
            )
        });
        // Not before it waits: its record is what it writes first.
        desk.wait("a record", |desk| {
            desk.get("/api/v1/namespaces/kube-system/configmaps/hcimage-overlay-parts").is_some()
        });
        thread::sleep(Duration::from_secs(2));
        define(desk, "cert-manager.io", "Certificate", "certificates");
        desk.wait("the certificate", |desk| desk.get(path).is_some());
        thread::sleep(Duration::from_secs(4));
        let issued = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        desk.plane().write("PATCH", path, MERGE, &issued);
        run.join().unwrap();
    });
}

/// The API goes away in the middle, and for good as far as the first run sees.
pub(crate) fn a_second_run_completes(desk: &mut Desk) {
    let map = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: default\ndata:\n  a: \"b\"\n"
        )
    };
    let late = "apiVersion: late.example/v1\nkind: Late\nmetadata:\n  name: late\n  namespace: default\n";
    let manifests = [("a.yaml", map("first")), ("b.yaml", late.to_owned()), ("c.yaml", map("last"))];
    let manifests: Vec<(&str, &str)> = manifests.iter().map(|(name, text)| (*name, text.as_str())).collect();
    desk.overlay("halves", "about = \"Two halves\"\n", &manifests);
    desk.cluster("[overlays.halves]\n");
    let mut first = desk
        .overlays(&["apply", "--yes", "--timeout", "12"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    desk.wait("the first half", |desk| desk.get("/api/v1/namespaces/default/configmaps/last").is_some());
    desk.machines.plane.stop();
    let status = first.wait().unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut first.stderr.take().unwrap(), &mut said).unwrap();
    println!("{said}");
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("does not answer") && said.contains("run the same again"), "{said}");
    desk.machines.plane.start_with(&[]);
    define(desk, "late.example", "Late", "lates");
    desk.wait("the kind", |desk| desk.get("/apis/late.example/v1/namespaces/default/lates").is_some());
    desk.says(&["apply", "--yes"], 0, &["halves: (2 unchanged)", "+ Late default/late", "halves"]);
    desk.says(&["remove", "halves", "--yes", "halves"], 0, &["deleted: Late default/late", "is gone"]);
    let left: Vec<Value> = ["first", "last"]
        .iter()
        .filter_map(|name| desk.get(&format!("/api/v1/namespaces/default/configmaps/{name}")))
        .collect();
    assert_eq!(left, Vec::<Value>::new());
}
