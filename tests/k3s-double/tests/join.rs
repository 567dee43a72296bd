//! Several servers, and what would run in the cluster.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::ffi::OsStr;
use std::fs;

use serde_json::Value;
use support::{Node, Running, sha256sum};

fn init_server(faults: &str) -> (Node, Running) {
    let node = Node::server("hc-1");
    node.config("30-token.yaml", "token: server-pass\nagent-token: agent-pass\ncluster-init: true\n");
    node.faults(&format!("ready-delay=0\nnode-ready-delay=0\n{faults}"));
    let running = node.start("server");
    running.wait_notified();
    (node, running)
}

fn further_server(name: &'static str, first: &Node, token: &str) -> Node {
    let node = Node::server(name);
    let config = format!("server: {}\ntoken: {token}\nagent-token: agent-pass\n", first.url());
    node.config("30-join.yaml", &config);
    node
}

fn items(node: &Node, what: &[&str]) -> Vec<Value> {
    let output = node.run(&[&["kubectl", "get"], what, &["-o", "json"]].concat());
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list["items"].as_array().unwrap().clone()
}

#[test]
fn a_second_server_takes_the_cas_and_shows_the_same_cluster() {
    let (first, _running) = init_server("");
    let token = fs::read_to_string(first.data().join("server/token")).unwrap();
    let second = further_server("hc-2", &first, token.trim());
    let running = second.start("server");
    running.wait_notified();
    let ca = |node: &Node, name: &str| sha256sum(&node.data().join("server/tls").join(name));
    for name in ["server-ca.crt", "client-ca.key", "etcd/peer-ca.crt"] {
        assert_eq!(ca(&first, name), ca(&second, name), "{name}");
    }
    // Its own node, an agent that joins through it, and both seen from either server.
    let agent = Node::agent("hc-3", &second);
    let agent_runs = agent.start("agent");
    for node in [&first, &second] {
        for name in ["hc-1", "hc-2", "hc-3"] {
            node.wait_ready(name, &agent_runs);
        }
        assert_eq!(items(node, &["nodes"]).len(), 3);
    }
    let kubelet = agent.data().join("agent/kubelet.kubeconfig");
    let other = agent.run(&["kubectl", "--kubeconfig", kubelet.to_str().unwrap(), "get", "node", "hc-1"]);
    assert!(String::from_utf8(other.stderr).unwrap().contains("403"), "also through a further server");
}

#[test]
fn a_further_server_waits_for_the_first_and_needs_the_server_token() {
    let (first, running) = init_server("");
    let hash = sha256sum(&first.data().join("server/tls/server-ca.crt"));
    let second = further_server("hc-2", &first, "agent-pass");
    let refused = second.start("server");
    refused.wait_for_log("401");
    assert!(!refused.notified());
    drop(refused);
    let pinned = further_server("hc-3", &first, &format!("K10{}::server:server-pass", "0".repeat(64)));
    let refused = pinned.start("server");
    refused.wait_for_log("token CA hash does not match");
    drop(refused);

    let port = first.url().rsplit_once(':').unwrap().1.to_owned();
    drop(running);
    let late = further_server("hc-4", &first, &format!("K10{hash}::server:server-pass"));
    let waits = late.start("server");
    waits.wait_for_log("Waiting for other members to finish joining");
    assert!(!waits.notified());
    first.config("40-port.yaml", &format!("https-listen-port: {port}\n"));
    let _running = first.start("server");
    waits.wait_notified();
}

#[test]
fn cas_are_handed_out_for_the_server_token_only() {
    let (first, _running) = init_server("");
    let ask = |credentials: &str| {
        let basic = [OsStr::new("--user"), OsStr::new(credentials)];
        first.curl("/v1-k3s/server-bootstrap", &basic)
    };
    assert_eq!(ask("server:server-pass").0, 200);
    let (status, body) = ask("node:agent-pass");
    assert_eq!((status, body.as_str()), (403, "not authorized\n"));
    assert_eq!(ask("server:wrong").0, 401);
}

/// Named by the manifests, ready after the delay; what is said to fail does.
#[test]
fn what_manifests_name_becomes_ready() {
    let node = Node::server("hc-1");
    let manifests = node.data().join("server/manifests");
    fs::create_dir_all(&manifests).unwrap();
    let shop = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n---\n\
                apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: db, namespace: shop}\n---\n\
                apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: cache, namespace: kube-system}\n";
    fs::write(manifests.join("shop.yaml"), shop).unwrap();
    fs::write(manifests.join("bad.yaml"), "a: [\n").unwrap();
    node.faults("ready-delay=0\nnode-ready-delay=0\nworkload-delay=0\nfails=db\n");
    let running = node.start("server");
    running.wait_notified();
    running.wait_for_log("Applied Addon shop");
    running.wait_for_log("bad.yaml");

    let sum = |name: &str| {
        let addons = items(&node, &["addons.k3s.cattle.io", "--namespace", "kube-system"]);
        let addon = addons.iter().find(|addon| addon["metadata"]["name"] == name).unwrap().clone();
        addon["spec"]["checksum"].as_str().unwrap().to_owned()
    };
    assert_eq!(sum("shop"), sha256sum(&manifests.join("shop.yaml")));
    assert_eq!(sum("bad"), "");
    let selector = "involvedObject.kind=Addon,type=Warning";
    let events = items(&node, &["events", "-n", "kube-system", "--field-selector", selector]);
    assert!(events[0]["message"].as_str().unwrap().contains("bad.yaml"), "{events:?}");

    let available = |name: &str| {
        let all = items(&node, &["deployments", "-A"]);
        let one = all.iter().find(|one| one["metadata"]["name"] == name).unwrap().clone();
        one["status"]["conditions"][0]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!([available("web"), available("db"), available("coredns")], ["True", "False", "True"]);
    let charts = items(&node, &["helmcharts.helm.cattle.io", "--all-namespaces"]);
    let jobs = items(&node, &["jobs", "--all-namespaces"]);
    let cache = charts.iter().find(|chart| chart["metadata"]["name"] == "cache").unwrap();
    let job = jobs.iter().find(|job| job["metadata"]["name"] == cache["status"]["jobName"]).unwrap();
    assert_eq!(job["status"]["conditions"][0]["type"], "Complete");
}
