//! A server for real: its files, its TLS and its answers, judged by curl, openssl and sha256sum.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use support::{Node, sha256sum, succeed, tool};

fn openssl(arguments: &str, dir: &Path) {
    succeed(tool("openssl", "openssl").args(arguments.split(' ')).current_dir(dir));
}

/// The five CAs of k3s, made by openssl, keys in SEC1 as k3s itself writes them.
fn seed_authorities(tls: &Path) {
    fs::create_dir_all(tls.join("etcd")).unwrap();
    for name in ["server-ca", "client-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca"] {
        openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"), tls);
        openssl(
            &format!("req -x509 -new -key {name}.key -sha256 -days 30 -subj /CN=seeded -out {name}.crt"),
            tls,
        );
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn comes_up_with_its_own_node_ready() {
    let node = Node::server("hc-1");
    let server = node.start("server");
    server.wait_notified();
    node.wait_ready("hc-1", &server);
    assert_eq!(mode(&node.kubeconfig()), 0o600);
    assert_eq!(fs::read_to_string(node.etc().join("node/password")).unwrap().len(), 33);
    let raw = node.run(&["kubectl", "get", "--raw", "/readyz"]);
    assert_eq!((raw.status.success(), raw.stdout.as_slice()), (true, b"ok".as_slice()));
    let table = node.run(&["kubectl", "get", "nodes"]);
    assert!(String::from_utf8(table.stdout).unwrap().contains("hc-1                     Ready"));
    let kubelet = node.data().join("agent/kubelet.kubeconfig");
    let own = node.run(&["kubectl", "--kubeconfig", kubelet.to_str().unwrap(), "get", "node", "hc-1"]);
    assert!(own.status.success(), "through the load balancer: {}", String::from_utf8_lossy(&own.stderr));
    let all = node.run(&["kubectl", "--kubeconfig", kubelet.to_str().unwrap(), "get", "nodes"]);
    assert!(String::from_utf8(all.stderr).unwrap().contains("403"), "a kubelet may not list nodes");
}

#[test]
fn what_needs_credentials_says_so() {
    let node = Node::server("hc-1");
    let server = node.start("server");
    server.wait_notified();
    assert_eq!(node.curl("/ping", &[]), (200, "pong".into()));
    for path in ["/readyz", "/version", "/api/v1/nodes", "/v1-k3s/readyz"] {
        assert_eq!(node.curl(path, &[]).0, 401, "{path}");
    }
    let token = fs::read_to_string(node.data().join("server/agent-token")).unwrap();
    let credentials = token.trim().split_once("::").unwrap().1.to_owned();
    let basic = [OsStr::new("--user"), OsStr::new(&credentials)];
    assert_eq!(node.curl("/v1-k3s/readyz", &basic), (200, "ok".into()));
    assert_eq!(node.curl("/readyz", &basic).0, 200);
    assert_eq!(node.curl("/api/v1/nodes", &basic).0, 403, "joining is not administering");
    let token = fs::read_to_string(node.data().join("server/token")).unwrap();
    let of_server = [OsStr::new("--user"), OsStr::new(token.trim().split_once("::").unwrap().1)];
    assert_eq!(node.curl("/v1-k3s/readyz", &of_server).0, 403, "a server is no agent");
    let wrong = [OsStr::new("--user"), OsStr::new("node:wrong")];
    assert_eq!(node.curl("/v1-k3s/readyz", &wrong).0, 401);
}

#[test]
fn answers_503_and_tells_systemd_nothing_before_it_is_ready() {
    let node = Node::server("hc-1");
    node.faults("never-ready\nready-delay=0\n");
    let server = node.start("server");
    server.wait_for_log("fault never-ready");
    assert_eq!(node.curl("/ping", &[]).0, 200);
    assert_eq!(node.curl("/readyz", &[]).0, 503);
    assert_eq!(node.curl("/api/v1/nodes", &[]).0, 503);
    assert!(!server.notified());
}

#[test]
fn ready_for_systemd_is_not_ready_as_a_node() {
    let node = Node::server("hc-1");
    node.faults("node-never-ready\nready-delay=0\nnode-ready-delay=0\n");
    let server = node.start("server");
    server.wait_notified();
    server.wait_for_log("Successfully registered node hc-1");
    assert_eq!(node.ready("hc-1").as_deref(), Some("False"));
}

#[test]
fn the_token_pins_the_bytes_served_at_cacerts() {
    let node = Node::server("hc-1");
    node.config("30-token.yaml", "token: server-pass\nagent-token: agent-pass\n");
    let server = node.start("server");
    server.wait_notified();
    let served = node.dir.path().join("served");
    node.curl("/cacerts", &[OsStr::new("--output"), served.as_os_str()]);
    let read = |name| fs::read_to_string(node.data().join("server").join(name)).unwrap();
    let hash = sha256sum(&served);
    assert_eq!(read("token"), format!("K10{hash}::server:server-pass\n"));
    assert_eq!(read("agent-token"), format!("K10{hash}::node:agent-pass\n"));
    assert_eq!(mode(&node.data().join("server/token")), 0o600);
}

#[test]
fn takes_seeded_authorities_as_they_are() {
    let node = Node::server("hc-1");
    let tls = node.data().join("server/tls");
    seed_authorities(&tls);
    let before = sha256sum(&tls.join("server-ca.crt"));
    let server = node.start("server");
    server.wait_notified();
    node.wait_ready("hc-1", &server);
    assert_eq!(sha256sum(&tls.join("server-ca.crt")), before);
    let address = node.url().replace("https://", "");
    openssl(
        &format!(
            "s_client -connect {address} -CAfile server-ca.crt -verify_return_error -verify_hostname hc-1"
        ),
        &tls,
    );
    let kubelet = node.data().join("agent/client-kubelet.crt");
    openssl(&format!("verify -purpose sslclient -CAfile client-ca.crt {}", kubelet.display()), &tls);
}

#[test]
fn a_chain_is_pinned_by_its_root() {
    let node = Node::server("hc-1");
    let tls = node.data().join("server/tls");
    seed_authorities(&tls);
    fs::write(tls.join("ext"), "basicConstraints=critical,CA:true\nsubjectKeyIdentifier=hash\n").unwrap();
    openssl("ecparam -name prime256v1 -genkey -noout -out root.key", &tls);
    openssl("req -x509 -new -key root.key -days 30 -subj /CN=root -out root.crt", &tls);
    openssl("req -new -key server-ca.key -subj /CN=middle -out middle.csr", &tls);
    openssl(
        "x509 -req -in middle.csr -CA root.crt -CAkey root.key -CAcreateserial -extfile ext -days 30 -out middle.crt",
        &tls,
    );
    openssl("x509 -in root.crt -outform DER -out root.der", &tls);
    let read = |name| fs::read_to_string(tls.join(name)).unwrap();
    fs::write(tls.join("server-ca.crt"), read("middle.crt") + &read("root.crt")).unwrap();
    let server = node.start("server");
    server.wait_notified();
    let token = fs::read_to_string(node.data().join("server/token")).unwrap();
    assert!(token.starts_with(&format!("K10{}::server:", sha256sum(&tls.join("root.der")))), "{token}");
    node.wait_ready("hc-1", &server);
}

#[test]
fn the_mode_of_the_kubeconfig_comes_from_the_environment() {
    let node = Node::server("hc-1");
    let mut command = node.command(&["server"]);
    command.env("K3S_KUBECONFIG_MODE", "644");
    let server = node.start_with(command);
    server.wait_notified();
    assert_eq!(mode(&node.kubeconfig()), 0o644);
}

#[test]
fn a_restart_keeps_token_and_node_and_refuses_another_token() {
    let node = Node::server("hc-1");
    let first = node.start("server");
    first.wait_notified();
    node.wait_ready("hc-1", &first);
    let token = fs::read(node.data().join("server/token")).unwrap();
    drop(first);
    let second = node.start("server");
    second.wait_notified();
    node.wait_ready("hc-1", &second);
    assert_eq!(fs::read(node.data().join("server/token")).unwrap(), token);
    drop(second);
    node.config("30-token.yaml", "token: another\n");
    let mut third = node.start("server");
    assert_eq!(third.wait_exit().code(), Some(1));
    assert!(third.log().contains("different token"), "{}", third.log());
}

#[test]
fn a_clock_before_the_ca_is_fatal() {
    let node = Node::server("hc-1");
    let tls = node.data().join("server/tls");
    fs::create_dir_all(&tls).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = time::OffsetDateTime::now_utc() + time::Duration::days(30);
    fs::write(tls.join("server-ca.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(tls.join("server-ca.key"), key.serialize_pem()).unwrap();
    let mut server = node.start("server");
    assert_eq!(server.wait_exit().code(), Some(1));
    assert!(server.log().contains("not valid yet"), "{}", server.log());
    assert!(!server.notified());
}

#[test]
fn manifests_become_addons() {
    let node = Node::server("hc-1");
    let manifests = node.data().join("server/manifests");
    fs::create_dir_all(&manifests).unwrap();
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
    fs::write(manifests.join("10-good.yaml"), namespace).unwrap();
    fs::write(manifests.join("bad_name.yaml"), namespace).unwrap();
    let server = node.start("server");
    server.wait_for_log("Applied Addon 10-good");
    server.wait_for_log("bad_name");
    let output = node.run(&["kubectl", "get", "addons", "-A", "-o", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["items"][0]["metadata"]["name"], "10-good");
}

#[test]
fn a_server_skips_unknown_keys_with_a_warning() {
    let node = Node::server("hc-1");
    node.config("30-odd.yaml", "no-such-key: hunter2\n");
    let server = node.start("server");
    server.wait_notified();
    assert!(server.log().contains("unknown flag --no-such-key"));
    assert!(!server.log().contains("hunter2"));
}

#[test]
fn faults_end_it_as_asked() {
    let node = Node::server("hc-1");
    node.faults("exit=7\n");
    assert_eq!(node.start("server").wait_exit().code(), Some(7));
    node.faults("crash-after=0\n");
    assert_eq!(node.start("server").wait_exit().signal(), Some(6), "SIGABRT");
}

#[test]
fn says_plainly_what_it_is() {
    let node = Node::new("hc-1");
    let version = String::from_utf8(node.run(&["--version"]).stdout).unwrap();
    assert!(version.starts_with("k3s version v1.36.2+k3s1 (stand-in"), "{version}");
    let check = String::from_utf8(node.run(&["check-config"]).stdout).unwrap();
    assert!(check.contains("stand-in") && check.contains("checked nothing"), "{check}");
}

#[test]
fn a_link_named_kubectl_is_kubectl() {
    let node = Node::server("hc-1");
    let server = node.start("server");
    server.wait_notified();
    let link = node.dir.path().join("kubectl");
    std::os::unix::fs::symlink(support::PROGRAM, &link).unwrap();
    let mut command = std::process::Command::new(link);
    let text = succeed(command.args(["get", "--raw", "/readyz"]).env("K3S_DOUBLE_ETC", node.etc()));
    assert_eq!(text, "ok");
}
