//! The stand-in for k3s beside the real server.

use serde_json::Value;

use crate::control_plane::{Asker, ControlPlane, no_mismatch};
use crate::node_on_cluster::{NodeOnCluster, kubeconfig};
use crate::objects::{JSON, MERGE, node, ready};
use crate::phases::workloads;
use crate::support;

/// What the stand-in answers has the form of what the real one answers, so that tests on it are worth something.
#[test]
#[ignore = "needs kube-apiserver and etcd: make api-test"]
fn the_stand_in_answers_like_a_real_api_server() {
    let mut plane = ControlPlane::new();
    plane.start();
    let server = NodeOnCluster::server();
    server.put("etc/rancher/k3s/k3s.yaml", &kubeconfig(plane.port, &plane.ca, &plane.admin));
    server.put("var/lib/rancher/k3s/server/manifests/shop.yaml", "kind: Shop\n");
    for name in ["hc-1", "hc-2", "hc-3"] {
        plane.write("POST", "/api/v1/nodes", JSON, &node(name));
        plane.write("PATCH", &format!("/api/v1/nodes/{name}/status"), MERGE, &ready("True", "x"));
    }
    workloads(&mut plane, &server);

    let double = support::Node::server("hc-1");
    std::fs::create_dir_all(double.data().join("server/manifests")).unwrap();
    std::fs::write(double.data().join("server/manifests/shop.yaml"), "a: [\n").unwrap();
    let running = double.start("server");
    running.wait_notified();
    double.wait_ready("hc-1", &running);
    let agent = support::Node::agent("hc-2", &double);
    let agent_running = agent.start("agent");
    double.wait_ready("hc-2", &agent_running);
    let stand_in = Asker::from_kubeconfigs(&double);

    let system = "/namespaces/kube-system";
    let paths = [
        "/readyz".to_owned(),
        "/api/v1/nodes".into(),
        "/api/v1/nodes?limit=1".into(),
        "/api/v1/nodes?limit=1&continue=nonsense".into(),
        "/api/v1/nodes?fieldSelector=metadata.name%3Dhc-1".into(),
        "/api/v1/nodes/hc-1".into(),
        "/api/v1/nodes/hc-2".into(),
        "/api/v1/nodes/hc-9".into(),
        "/api/v1/nonsense".into(),
        "/apis/nonsense.example/v1/nonsenses".into(),
        format!("/api/v1{system}/pods"),
        format!("/api/v1{system}/pods?limit=1"),
        format!("/api/v1{system}/pods/nope"),
        format!(
            "/api/v1{system}/events?fieldSelector=involvedObject.kind%3DAddon,involvedObject.name%3Dshop,type%3DWarning"
        ),
        format!("/api/v1{system}/services/traefik"),
        format!("/api/v1{system}/services/nope"),
        format!("/apis/k3s.cattle.io/v1{system}/addons"),
        format!("/apis/k3s.cattle.io/v1{system}/addons/nope"),
        format!("/apis/helm.cattle.io/v1{system}/helmcharts/traefik"),
        format!("/apis/batch/v1{system}/jobs/helm-install-traefik"),
        format!("/apis/batch/v1{system}/jobs/nope"),
        format!("/apis/apps/v1{system}/deployments/coredns"),
        format!("/apis/apps/v1{system}/deployments/nope"),
        format!("/apis/apps/v1{system}/deployments?limit=1"),
        format!("/apis/apps/v1{system}/daemonsets/nope"),
    ];
    let mut different = Vec::new();
    for who in ["admin", "kubelet", "nobody"] {
        for path in &paths {
            let (real, ours) = (plane.asker().ask(who, path), stand_in.ask(who, path));
            let mut found = Vec::new();
            if real.0 != ours.0 {
                found.push(format!("status {} instead of {}", ours.0, real.0));
            } else {
                // The 400 of a bad page explains it byte by byte.
                fits(&ours.1, &real.1, "", real.0 > 400, &mut found);
            }
            println!("  {who} {path}: {}", if found.is_empty() { "the same" } else { "DIFFERENT" });
            different.extend(found.into_iter().map(|what| format!("{who} {path}: {what}")));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    no_mismatch();
}

/// Whether every field of the stand-in's answer is in the real one with the same type; of a refusal with the same value.
fn fits(ours: &Value, real: &Value, at: &str, exact: bool, found: &mut Vec<String>) {
    match (ours, real) {
        (Value::Object(ours), Value::Object(real)) => {
            for (key, value) in ours {
                let at = format!("{at}/{key}");
                // Keys of these are names that somebody chose; the state of a container is one of several.
                if ["labels", "annotations", "state", "details"].contains(&key.as_str()) {
                    continue;
                }
                match real.get(key) {
                    Some(real) => fits(value, real, &at, exact, found),
                    None => found.push(format!("{at} is not in the real answer")),
                }
            }
        }
        (Value::Array(ours), Value::Array(real)) => match (ours.first(), real.first()) {
            (Some(ours), Some(real)) => fits(ours, real, &format!("{at}/0"), exact, found),
            (Some(_), None) => found.push(format!("{at}: the real list is empty")),
            _ => {}
        },
        _ if exact && ours != real => found.push(format!("{at}: {ours} instead of {real}")),
        _ if std::mem::discriminant(ours) != std::mem::discriminant(real) => {
            found.push(format!("{at}: {ours} instead of {real}"));
        }
        _ => {}
    }
}
