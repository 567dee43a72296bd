//! An agent against a server, both for real: who gets in, who does not, and what the log says of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;

use support::{Node, Running};

/// A server that is up, with an agent token of its own.
fn server() -> (Node, Running) {
    server_with("")
}

fn server_with(faults: &str) -> (Node, Running) {
    let node = Node::server("hc-1");
    node.config("30-token.yaml", "token: server-pass\nagent-token: agent-pass\n");
    node.faults(&format!("ready-delay=0\nnode-ready-delay=0\n{faults}"));
    let running = node.start("server");
    running.wait_notified();
    (node, running)
}

/// What a node's name or pass may not lead to.
fn assert_kept_out(server: &Node, agent: &Running, name: &str) {
    assert!(!agent.notified());
    assert_eq!(server.ready(name), None);
}

#[test]
fn joins_with_the_agent_token() {
    let (server, _running) = server();
    let node = Node::agent("hc-2", &server);
    let agent = node.start("agent");
    agent.wait_notified();
    server.wait_ready("hc-2", &agent);
    let kubelet = node.data().join("agent/kubelet.kubeconfig");
    let own = node.run(&[
        "kubectl",
        "--kubeconfig",
        kubelet.to_str().unwrap(),
        "get",
        "node",
        "hc-2",
        "-o",
        "json",
    ]);
    assert!(own.status.success(), "{}", String::from_utf8_lossy(&own.stderr));
    let other = node.run(&["kubectl", "--kubeconfig", kubelet.to_str().unwrap(), "get", "node", "hc-1"]);
    assert!(String::from_utf8(other.stderr).unwrap().contains("403"));
    assert_eq!(fs::read_to_string(node.etc().join("node/password")).unwrap().len(), 33);
}

#[test]
fn waits_for_a_server_that_comes_late() {
    let (server, running) = server();
    let node = Node::agent("hc-2", &server);
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    drop(running);
    server.config("40-port.yaml", &format!("https-listen-port: {port}\n"));
    let agent = node.start("agent");
    agent.wait_for_log("Failed to validate connection to cluster");
    let _late = server.start("server");
    agent.wait_notified();
}

#[test]
fn another_ca_than_the_pinned_one_is_refused() {
    let (server, _running) = server();
    let node = Node::agent("hc-2", &server);
    node.config("30-token.yaml", &format!("token: K10{}::node:agent-pass\n", "0".repeat(64)));
    let agent = node.start("agent");
    agent.wait_for_log("token CA hash does not match the Cluster CA certificate hash");
    assert_kept_out(&server, &agent, "hc-2");
}

#[test]
fn the_fault_wrong_hash_keeps_agents_out_and_the_server_up() {
    let (server, running) = server_with("wrong-hash\n");
    server.wait_ready("hc-1", &running);
    let node = Node::agent("hc-2", &server);
    let agent = node.start("agent");
    agent.wait_for_log("token CA hash does not match the Cluster CA certificate hash");
    assert_kept_out(&server, &agent, "hc-2");
}

#[test]
fn a_wrong_password_in_the_token_is_401() {
    let (server, _running) = server();
    let node = Node::agent("hc-2", &server);
    node.config("30-token.yaml", "token: hunter2\n");
    let agent = node.start("agent");
    agent.wait_for_log("401");
    assert_kept_out(&server, &agent, "hc-2");
    assert!(!agent.log().contains("hunter2"), "the token is in the log");
}

#[test]
fn a_flashed_node_is_let_in_again_only_with_its_old_password() {
    let (server, _running) = server();
    let first = Node::agent("hc-2", &server);
    let agent = first.start("agent");
    agent.wait_notified();
    drop(agent);
    let password = fs::read(first.etc().join("node/password")).unwrap();

    let flashed = Node::agent("hc-2", &server);
    let refused = flashed.start("agent");
    refused.wait_for_log("403 Node password rejected");
    assert!(!refused.notified());
    drop(refused);

    fs::write(flashed.etc().join("node/password"), password).unwrap();
    flashed.start("agent").wait_notified();
}

#[test]
fn the_fault_reject_node_password_is_for_joining_nodes() {
    let (server, running) = server_with("reject-node-password\n");
    server.wait_ready("hc-1", &running);
    let node = Node::agent("hc-2", &server);
    let agent = node.start("agent");
    agent.wait_for_log("403 Node password rejected");
    assert_kept_out(&server, &agent, "hc-2");
}

#[test]
fn the_fault_never_ready_leaves_the_node_out() {
    let (server, _running) = server();
    let node = Node::agent("hc-2", &server);
    node.faults("never-ready\nready-delay=0\n");
    let agent = node.start("agent");
    agent.wait_for_log("fault never-ready");
    assert_kept_out(&server, &agent, "hc-2");
}

#[test]
fn unusable_configurations_end_it_with_what_is_missing() {
    let hash = "0".repeat(64);
    let table = [
        ("server: https://127.0.0.1:1\n".into(), "--token is required"),
        ("token: hunter2\n".into(), "--server is required"),
        ("server: http://127.0.0.1:1\ntoken: hunter2\n".into(), "only https://"),
        ("server: https://127.0.0.1:1\ntoken: hunter2\ntls-san: a\n".into(), "not defined: -tls-san"),
        ("server: https://127.0.0.1:1\ntoken: hunter2\nnode-name: A_b\n".into(), "RFC 1123"),
        ("server: https://127.0.0.1:1\ntoken: hunter2\nflannel-iface: none0\n".into(), "none0"),
        (format!("server: https://127.0.0.1:1\ntoken: K10{hash}\n"), "invalid token format"),
    ];
    for (config, message) in table {
        let node = Node::new("hc-2");
        node.config("20-agent.yaml", &config);
        let output = node.run(&["agent"]);
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{config}");
        assert!(log.contains(message) && !log.contains("hunter2"), "{config}: {log}");
    }
}
