//! Overlays that k3s applies from files of an image. k3s is played: its `AddOn` objects are written here.

use std::fs;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::apply::define;
use crate::desk::{Desk, JSON, MERGE};

pub(crate) const ADDONS: &str = "/apis/k3s.cattle.io/v1/namespaces/kube-system/addons";

pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn has_applied(desk: &Desk, name: &str, text: &str) {
    let spec = json!({"source": format!("/var/lib/rancher/k3s/server/manifests/{name}.yaml"), "checksum": digest(text)});
    let path = format!("{ADDONS}/{name}");
    if desk.get(&path).is_some() {
        desk.plane().write("PATCH", &path, MERGE, &json!({"spec": spec}));
        return;
    }
    let addon =
        json!({"apiVersion": "k3s.cattle.io/v1", "kind": "Addon", "metadata": {"name": name}, "spec": spec});
    desk.plane().write("POST", ADDONS, JSON, &addon);
}

const LAMP: &str =
    "about = \"A lamp\"\n[parameters.colour]\ntype = \"text\"\nhelp = \"Its colour.\"\ndefault = \"red\"\n";
const LAMP_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: lamp\n  namespace: default\ndata:\n  colour: {{ colour }}\n";

pub(crate) fn what_k3s_applies_from_files_stays_with_it(desk: &Desk) {
    define(desk, "k3s.cattle.io", "Addon", "addons");
    desk.wait("the kind", |desk| desk.get(ADDONS).is_some());
    desk.overlay("lamp", LAMP, &[("a.yaml", LAMP_MAP)]);
    desk.cluster("[overlays.lamp]\n");
    let red = LAMP_MAP.replace("{{ colour }}", "\"red\"");
    has_applied(desk, "lamp-a", &red);
    desk.says(&["apply"], 0, &["lamp: unchanged; k3s applies it from files"]);

    desk.cluster("[overlays.lamp]\ncolour = \"blue\"\n");
    desk.says(
        &["apply", "--yes"],
        1,
        &[
            "~ /var/lib/rancher/k3s/server/manifests/lamp-a.yaml",
            "hcimage overlays apply lamp --write DIR",
            "nothing was changed",
        ],
    );
    assert!(desk.get("/api/v1/namespaces/default/configmaps/lamp").is_none(), "it is k3s' own");
    desk.says(&["apply", "--write", "lamp-files"], 0, &["lamp-a.yaml", "of pi-1"]);
    let written = fs::read_to_string(desk.path("lamp-files/lamp-a.yaml")).unwrap();
    assert_eq!(written, LAMP_MAP.replace("{{ colour }}", "\"blue\""));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(desk.path("lamp-files/lamp-a.yaml")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    has_applied(desk, "lamp-a", &written);
    desk.says(&["apply"], 0, &["lamp: unchanged; k3s applies it from files"]);
}
