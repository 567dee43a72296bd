//! The secrets that hcimage makes when building, taken by the stand-in as k3s would: what a cluster forms by.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Output;

use hcimage::secrets::{AGENT_TOKEN, BootstrapRole, Item, NODE_PASSWORD, Rotation, Secrets, TOKEN, store};
use support::{Node, Running, sha256sum, tool};

/// A cluster with a first server and an agent.
fn secrets() -> Secrets {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    Secrets::make("home", &["hc-1", "hc-2"].map(|name| name.parse().unwrap()), now.try_into().unwrap())
        .unwrap()
}

/// Where a path of a node lies in the directories of the stand-in.
fn on(node: &Node, path: &str) -> PathBuf {
    if let Some(rest) = path.strip_prefix("/etc/rancher/") {
        return node.etc().join(rest);
    }
    node.data().join(path.strip_prefix("/var/lib/rancher/k3s/").unwrap())
}

/// Lays the secrets of a node down as its card has them.
fn seed(node: &Node, secrets: &Secrets, bootstrap_role: BootstrapRole) {
    for file in secrets.node_files(&node.name.parse().unwrap(), bootstrap_role).unwrap() {
        let path = on(node, file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, file.content.expose()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode.into())).unwrap();
    }
}

fn server(secrets: &Secrets) -> (Node, Running) {
    let node = Node::server("hc-1");
    seed(&node, secrets, BootstrapRole::InitServer);
    let (token, agent) = (on(&node, TOKEN), on(&node, AGENT_TOKEN));
    node.config(
        "30-token.yaml",
        &format!(
            "token-file: {}\nagent-token-file: {}\ntls-san: [cluster.test]\n",
            token.display(),
            agent.display()
        ),
    );
    let running = node.start("server");
    running.wait_notified();
    (node, running)
}

/// An agent with the secrets of `secrets`, which may be those of another cluster.
fn agent(secrets: &Secrets, server: &Node) -> Node {
    let node = Node::new("hc-2");
    seed(&node, secrets, BootstrapRole::Agent);
    let token = on(&node, TOKEN);
    node.config("20-agent.yaml", &format!("server: {}\ntoken-file: {}\n", server.url(), token.display()));
    node
}

#[test]
fn the_first_server_keeps_what_it_was_given() {
    let secrets = secrets();
    let (node, running) = server(&secrets);
    node.wait_ready("hc-1", &running);
    for file in secrets.node_files(&"hc-1".parse().unwrap(), BootstrapRole::InitServer).unwrap() {
        assert_eq!(fs::read_to_string(on(&node, file.path)).unwrap(), file.content.expose(), "{}", file.path);
    }
    assert!(!running.log().contains("making a new CA"), "{}", running.log());
    let served = node.dir.path().join("served");
    node.curl("/cacerts", &["--output".as_ref(), served.as_os_str()]);
    assert_eq!(sha256sum(&served), secrets.ca_hash().to_string());
    // What k3s itself would tell an administrator to join with.
    let read = |name| fs::read_to_string(node.data().join("server").join(name)).unwrap();
    assert_eq!(read("token"), format!("{}\n", secrets.server_token().expose()));
    assert_eq!(read("agent-token"), format!("{}\n", secrets.agent_token().expose()));
}

#[test]
fn an_agent_joins_and_joins_again_after_a_new_flash() {
    let secrets = secrets();
    let (server, _running) = server(&secrets);
    for _ in 0..2 {
        let node = agent(&secrets, &server);
        let running = node.start("agent");
        running.wait_notified();
        server.wait_ready("hc-2", &running);
        let password = fs::read_to_string(on(&node, NODE_PASSWORD)).unwrap();
        assert_eq!(password.len(), 33, "the seeded one is kept");
    }
}

#[test]
fn another_node_password_is_refused() {
    let secrets = secrets();
    let (server, _running) = server(&secrets);
    agent(&secrets, &server).start("agent").wait_notified();
    let node = agent(&secrets, &server);
    fs::write(on(&node, NODE_PASSWORD), format!("{}\n", "0".repeat(32))).unwrap();
    let running = node.start("agent");
    running.wait_for_log("403 Node password rejected");
    assert!(!running.notified());
}

#[test]
fn an_agent_of_another_cluster_of_the_same_name_is_not_fooled() {
    let secrets = secrets();
    let (server, _running) = server(&secrets);
    let node = agent(&self::secrets(), &server);
    let running = node.start("agent");
    running.wait_for_log("token CA hash does not match the Cluster CA certificate hash");
    assert!(!running.notified() && server.ready("hc-2").is_none());
}

#[test]
fn a_renewed_agent_token_keeps_agents_out_until_the_servers_have_it() {
    let secrets = secrets();
    let (server, running) = server(&secrets);
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    server.config("40-port.yaml", &format!("https-listen-port: {port}\n"));
    let Rotation::Renewed { secrets: renewed, .. } =
        secrets.rotate(&Item::AgentToken, 1_795_219_200).unwrap()
    else {
        unreachable!("an agent token is renewed")
    };
    let node = agent(&renewed, &server);
    let waiting = node.start("agent");
    waiting.wait_for_log("401");
    assert!(!waiting.notified());
    drop(waiting);
    // As the rotation says: first the servers, then the agents.
    drop(running);
    seed(&server, &renewed, BootstrapRole::InitServer);
    let again = server.start("server");
    again.wait_notified();
    let node = agent(&renewed, &server);
    node.start("agent").wait_notified();
}

/// kubectl or curl as the administrator, with the kubeconfig that hcimage wrote.
fn administrator(server: &Node, secrets: &Secrets) -> PathBuf {
    let path = server.dir.path().join("kubeconfig");
    store::write_private(&path, &secrets.kubeconfig(&server.url())).unwrap();
    path
}

#[test]
fn the_administrator_of_this_cluster_is_let_in_and_no_other() {
    let secrets = secrets();
    let (node, running) = server(&secrets);
    node.wait_ready("hc-1", &running);
    let get = |secrets: &Secrets, path: &str| -> Output {
        let kubeconfig = administrator(&node, secrets);
        node.run(&["kubectl", "--kubeconfig", kubeconfig.to_str().unwrap(), "get", "--raw", path])
    };
    let nodes = get(&secrets, "/api/v1/nodes");
    assert!(String::from_utf8_lossy(&nodes.stdout).contains("\"hc-1\""), "{nodes:?}");
    assert!(!get(&self::secrets(), "/api/v1/nodes").status.success());
}

#[test]
fn kubectl_itself_works_with_it() {
    let secrets = secrets();
    let (node, running) = server(&secrets);
    node.wait_ready("hc-1", &running);
    let kubeconfig = administrator(&node, &secrets);
    let mut command = tool("kubectl", "kubernetes-client");
    command.env("HOME", node.dir.path()).arg("--kubeconfig").arg(&kubeconfig);
    let text = support::succeed(command.args(["get", "--raw", "/api/v1/nodes"]));
    assert!(text.contains("\"hc-1\""), "{text}");
}
