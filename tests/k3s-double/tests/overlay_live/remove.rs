//! `hcimage overlays remove`.

use std::fs;
use std::thread;

use hcimage_testkit::desk::pack;
use hcimage_testkit::oci_layout::tar;
use hcimage_testkit::registry::Registry;
use serde_json::{Value, json};

use crate::apply::define;
use crate::desk::{Desk, JSON, MERGE};
use crate::files::{ADDONS, digest, has_applied};

pub(crate) fn what_goes_and_what_is_lost_is_told(desk: &Desk) {
    // Its table is gone, and somebody has put something into its namespace.
    desk.cluster("");
    let stranger = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "stranger", "namespace": "shop"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}},
    });
    desk.plane().write("POST", "/apis/apps/v1/namespaces/shop/deployments", JSON, &stranger);
    let words = [
        "- Deployment shop/shop",
        "- Namespace shop",
        "what is lost:",
        "claim shop/goods of 1Gi",
        "Deployment shop/stranger, which is not the overlay's",
    ];
    desk.says(&["remove", "shop", "--dry-run"], 0, &words);
    desk.says(&["remove", "shop"], 2, &["nobody is there to ask: add --yes shop"]);
    desk.says(&["remove", "shop", "--yes", "stop"], 2, &["expected --yes shop, found --yes stop"]);
    desk.says(&["remove", "stop", "--yes", "stop"], 2, &["nothing is known of an overlay stop", "shop"]);
    assert!(desk.get("/api/v1/namespaces/shop").is_some());
    desk.says(
        &["remove", "shop", "--yes", "shop"],
        0,
        &["deleted: Deployment shop/shop", "deleted: Namespace shop", "the overlay shop is gone"],
    );
    assert!(desk.get("/api/v1/namespaces/shop").is_none());
    desk.says(&["remove", "shop", "--yes", "shop"], 2, &["nothing is known of an overlay shop"]);
    desk.cluster("[overlays.shop]\n");
    desk.says(&["remove", "shop", "--yes", "shop"], 2, &["there is nothing of the overlay shop"]);
}

pub(crate) fn what_was_there_stays(desk: &Desk) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    desk.plane().write("POST", "/api/v1/namespaces", JSON, &namespace);
    desk.cluster("[overlays.shop]\n");
    desk.says(
        &["apply", "--yes"],
        0,
        &["+ Deployment shop/shop", "all that these overlays promise is there"],
    );
    // Once more: now hcimage is among those who have applied it.
    desk.cluster("[overlays.shop]\ngreeting = \"again\"\n");
    desk.says(&["apply", "--yes"], 0, &["~ Deployment shop/shop"]);
    desk.overlay("needy", "about = \"It needs a shop\"\nneeds = [\"shop\"]\n", &[]);
    desk.cluster("[overlays.needy]\n");
    desk.says(&["remove", "shop", "--yes", "shop"], 2, &["the overlay needy of the cluster file needs shop"]);
    desk.cluster("[overlays.shop]\n");
    desk.says(
        &["remove", "shop", "--yes", "shop"],
        0,
        &[
            "Namespace shop: it was there before",
            "the cluster file still has [overlays.shop]",
            "the overlay shop is gone",
        ],
    );
    assert!(desk.get("/api/v1/namespaces/shop").is_some());
    assert!(desk.get("/api/v1/namespaces/shop/secrets/password").is_none());
    desk.plane().write("DELETE", "/api/v1/namespaces/shop", JSON, &json!({}));
}

/// The lamp of before: k3s has applied it, and marked what it has applied.
pub(crate) fn files_must_be_emptied(desk: &Desk) {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "lamp", "namespace": "default", "annotations": {"objectset.rio.cattle.io/owner-name": "lamp-a"}},
        "data": {"colour": "blue"},
    });
    let maps = "/api/v1/namespaces/default/configmaps";
    desk.plane().write("POST", maps, JSON, &map);
    desk.cluster("[overlays.lamp]\ncolour = \"blue\"\n");
    let path = "/var/lib/rancher/k3s/server/manifests/lamp-a.yaml";
    let command = format!("sudo sh -c 'for f in {path}; do echo \"# removed\" > $f; done'");
    desk.says(
        &["remove", "lamp", "--dry-run"],
        0,
        &["- ConfigMap default/lamp", "k3s applies it from files on pi-1", path],
    );
    desk.says(
        &["remove", "lamp", "--yes", "lamp", "--timeout", "3"],
        1,
        &["deleted: ConfigMap default/lamp", &command, "not gone after 3 s", path],
    );
    assert!(desk.get(&format!("{maps}/lamp")).is_none());
    // What a shell makes of the command, in a folder of the test's own.
    let own = desk.path("lamp-a.yaml");
    fs::write(&own, "apiVersion: v1\n").unwrap();
    let line = command.replace("sudo ", "").replace(path, own.to_str().unwrap());
    assert!(std::process::Command::new("sh").args(["-c", &line]).status().unwrap().success());
    let emptied = fs::read_to_string(&own).unwrap();
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            desk.says(
                &["remove", "lamp", "--yes", "lamp", "--timeout", "60"],
                0,
                &["is emptied", "the overlay lamp is gone"],
            )
        });
        thread::sleep(std::time::Duration::from_secs(3));
        has_applied(desk, "lamp-a", &emptied);
        run.join().unwrap();
    });
    assert!(desk.get(&format!("{ADDONS}/lamp-a")).is_none());
    assert_eq!(digest(&emptied), digest("# removed\n"));

    // A card that was flashed without it has no files, and k3s does not notice.
    has_applied(desk, "lamp-a", "x");
    desk.says(
        &["remove", "lamp", "--yes", "lamp", "--files-are-gone"],
        0,
        &["no objects are left", "the overlay lamp is gone"],
    );
    assert!(desk.get(&format!("{ADDONS}/lamp-a")).is_none());
}

const CHARTS: &str = "/apis/helm.cattle.io/v1/namespaces/kube-system/helmcharts";

/// The controller of charts is played: it makes the job and keeps the chart by a finalizer until it has uninstalled it.
pub(crate) fn a_chart_goes_after_its_resources(desk: &Desk) {
    let registry = Registry::start(&desk.path("registry"), "", "");
    let about = b"apiVersion: v2\nname: lights\nversion: 1.2.3\n";
    let packed = pack("gzip", &["-n", "-c"], &tar(&[("lights/Chart.yaml", about)]));
    registry.push_chart(&desk.path("layout"), "charts/lights:1.2.3", &packed);
    let definition = format!(
        "about = \"Lights\"\n[[charts]]\nname = \"lights\"\nrepo = \"oci://127.0.0.1:{}/charts\"\nversion = \"1.2.3\"\n\
         namespace = \"default\"\nsecret-values = \"secret.yaml\"\n[secrets.password]\nhelp = \"The password.\"\n",
        registry.port
    );
    let light =
        "apiVersion: lights.example/v1\nkind: Light\nmetadata:\n  name: kitchen\n  namespace: default\n";
    desk.overlay("lights", &definition, &[("a.yaml", light)]);
    fs::write(desk.path("overlays/lights/secret.yaml"), "password: {{ secret.password }}\n").unwrap();
    let mirror = format!(
        "[registries.mirrors.\"127.0.0.1:{0}\"]\nendpoint = [\"http://127.0.0.1:{0}\"]\n[overlays.lights]\n",
        registry.port
    );
    desk.cluster(&mirror);
    define(desk, "helm.cattle.io", "HelmChart", "helmcharts");
    desk.wait("the kind", |desk| desk.get(CHARTS).is_some());
    let chart = format!("{CHARTS}/lights");
    let kitchen = "/apis/lights.example/v1/namespaces/default/lights/kitchen";
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            desk.says(
                &["apply", "--yes", "--timeout", "120"],
                0,
                &[
                    "chart lights 1.2.3: packed, 1 KiB, in its object",
                    "+ HelmChart kube-system/lights",
                    "there: chart lights",
                ],
            )
        });
        desk.wait("the chart", |desk| desk.get(&chart).is_some());
        define(desk, "lights.example", "Light", "lights");
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "helm-install-lights", "namespace": "kube-system"},
            "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}]}}},
        });
        desk.plane().write("POST", "/apis/batch/v1/namespaces/kube-system/jobs", JSON, &job);
        desk.plane().write(
            "PATCH",
            &chart,
            MERGE,
            &json!({"metadata": {"finalizers": ["wrangler.cattle.io/helm-controller"]}, "status": {"jobName": "helm-install-lights"}}),
        );
        desk.wait("what the chart makes possible", |desk| desk.get(kitchen).is_some());
        let job = "/apis/batch/v1/namespaces/kube-system/jobs/helm-install-lights";
        desk.plane().write("PATCH", job, MERGE, &json!({"spec": {"suspend": false}}));
        run.join().unwrap();
    });
    let spec: Value = desk.get(&chart).unwrap()["spec"].clone();
    let content = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        spec["chartContent"].as_str().unwrap(),
    );
    assert_eq!(content.unwrap(), packed, "the very bytes of the lock");
    assert_eq!(spec["valuesSecrets"][0]["name"], "lights-chart-values");
    assert!(spec["chart"].is_null());

    thread::scope(|scope| {
        let run = scope.spawn(|| {
            desk.says(
                &["remove", "lights", "--yes", "lights", "--timeout", "120"],
                0,
                &[
                    "deleted: Light default/kitchen",
                    "waiting: HelmChart kube-system/lights goes",
                    "deleted: Secret kube-system/lights-chart-values",
                    "is gone",
                ],
            )
        });
        desk.wait("the chart to go", |desk| {
            desk.get(&chart).is_some_and(|chart| !chart["metadata"]["deletionTimestamp"].is_null())
        });
        assert!(desk.get(kitchen).is_none(), "while its controller ran");
        assert!(desk.get("/api/v1/namespaces/kube-system/secrets/lights-chart-values").is_some());
        desk.plane().write("PATCH", &chart, MERGE, &json!({"metadata": {"finalizers": []}}));
        run.join().unwrap();
    });
}
