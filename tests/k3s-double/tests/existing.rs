//! Nodes that join a cluster which hcimage has not made: the stand-in makes it, with authorities of its own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use hc_firstboot::join_probe::{Ask, JoinError, Token, lets_in};
use hc_firstboot::seed::{Endpoint, Join};
use hc_firstboot::sys::{RealSystem, System};
use hcimage::board::Boards;
use hcimage::cluster::{Cluster, LoadContext, parse};
use hcimage::overlays::Library;
use hcimage::secrets::{AGENT_TOKEN, BootstrapRole, MemberSecrets, TOKEN, store};
use support::{Node, Running, sha256sum};

/// A server that is up, on all addresses of this machine.
fn elsewhere(tokens: &str) -> (Node, Running) {
    let node = Node::server("hc-1");
    node.config("30-token.yaml", &format!("{tokens}bind-address: 0.0.0.0\ncluster-init: true\n"));
    node.faults("ready-delay=0\nnode-ready-delay=0\n");
    let running = node.start("server");
    running.wait_notified();
    (node, running)
}

/// A cluster file for a further server and an agent; `[join]` has what `join` says besides the server.
fn file(server: &Node, join: &str) -> Cluster {
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    let text = format!(
        "schema = 1\nname = 'home'\n[k3s]\ndatastore = 'etcd'\n[join]\nserver = 'localhost:{port}'\n{join}\n\
         [[nodes]]\nname = 'hc-2'\nrole = 'agent'\nboard = 'cm4'\n\
         [[nodes]]\nname = 'hc-3'\nrole = 'server'\nboard = 'pc'\n"
    );
    let boards = Boards::load(None).unwrap();
    let context = LoadContext {
        overlays: &Library::default(),
        boards: &boards,
        dir: Path::new("/"),
        read: &|path| fs::read(path),
        list: &|_| Err("no folder is named".to_owned()),
        is_outside: &|_| false,
        is_shared: false,
    };
    parse(&text, "cluster.toml", &context).map_err(|report| report.to_string()).unwrap().cluster
}

/// The secrets as the second build has them.
fn secrets(dir: &Path) -> MemberSecrets {
    let (path, nodes) =
        (dir.join("cluster.secrets.toml"), ["hc-2", "hc-3"].map(|name| name.parse().unwrap()));
    let (first, added) = store::open_member(&path, "home", &nodes).unwrap();
    let (second, none) = store::open_member(&path, "home", &nodes).unwrap();
    assert_eq!((added.as_slice(), none.as_slice()), (nodes.as_slice(), [].as_slice()));
    assert_eq!(first, second);
    second
}

/// Lays the secrets of a node down as its card has them, and tells k3s of them as the plan does.
fn flash(node: &Node, secrets: &MemberSecrets, cluster: &Cluster, role: BootstrapRole) -> PathBuf {
    let credentials = &cluster.join.as_ref().unwrap().credentials;
    let on = |path: &str| node.etc().join(path.strip_prefix("/etc/rancher/").unwrap());
    let mut config =
        format!("server: {}\ntoken-file: {}\n", cluster.join_url().unwrap(), on(TOKEN).display());
    for file in secrets.node_files(&node.name.parse().unwrap(), role, credentials).unwrap() {
        fs::create_dir_all(on(file.path).parent().unwrap()).unwrap();
        fs::write(on(file.path), file.content.expose()).unwrap();
        if file.path == AGENT_TOKEN {
            config += &format!("agent-token-file: {}\n", on(AGENT_TOKEN).display());
        }
    }
    node.config("30-join.yaml", &config);
    on(TOKEN)
}

/// What firstboot says of the server before it starts k3s.
fn probe(cluster: &Cluster, token_file: &Path) -> Result<(), JoinError> {
    let at = cluster.join_address().unwrap();
    let servers = vec![Endpoint::new(at.host().clone(), at.port())];
    let join = Join { servers, token_file: token_file.to_owned(), wait_seconds: 60 };
    let token = Token::load(&RealSystem, token_file).map_err(|failure| failure.what).unwrap();
    let end = RealSystem.uptime() + std::time::Duration::from_secs(20);
    let refused = match lets_in(&RealSystem, &join, &token, Ask::Agent, end) {
        Ok(_) => return Ok(()),
        Err(refused) => refused,
    };
    Err(refused.into_iter().next().unwrap().why)
}

#[test]
fn an_agent_joins_with_the_token_of_the_server_and_again_after_a_new_flash() {
    let (server, _running) = elsewhere("token: server-pass\n");
    let dir = tempfile::tempdir().unwrap();
    let secrets = secrets(dir.path());
    let cluster =
        file(&server, &format!("token = {{ file = '{}' }}", server.data().join("server/token").display()));
    for _ in 0..2 {
        let node = Node::new("hc-2");
        let token = flash(&node, &secrets, &cluster, BootstrapRole::Agent);
        assert_eq!(probe(&cluster, &token), Ok(()));
        let running = node.start("agent");
        running.wait_notified();
        server.wait_ready("hc-2", &running);
    }
}

#[test]
fn a_server_joins_a_cluster_that_has_a_token_for_agents() {
    let (server, _running) = elsewhere("token: server-pass\nagent-token: agent-pass\n");
    let dir = tempfile::tempdir().unwrap();
    let secrets = secrets(dir.path());
    let of = |name: &str| server.data().join("server").join(name).display().to_string();
    let join =
        format!("token = {{ file = '{}' }}\nagent-token = {{ file = '{}' }}", of("token"), of("agent-token"));
    let cluster = file(&server, &join);
    let agent = Node::new("hc-2");
    flash(&agent, &secrets, &cluster, BootstrapRole::Agent);
    let running = agent.start("agent");
    running.wait_notified();
    let further = Node::server("hc-3");
    flash(&further, &secrets, &cluster, BootstrapRole::JoinServer);
    let runs = further.start("server");
    runs.wait_notified();
    server.wait_ready("hc-3", &runs);
    let ca = |node: &Node| sha256sum(&node.data().join("server/tls/server-ca.crt"));
    assert_eq!(ca(&further), ca(&server), "it fetched the authorities");
}

#[test]
fn a_password_with_the_hash_is_as_good_and_another_hash_is_refused() {
    let (server, _running) = elsewhere("token: server-pass\n");
    let dir = tempfile::tempdir().unwrap();
    let secrets = secrets(dir.path());
    let hash = sha256sum(&server.data().join("server/tls/server-ca.crt"));
    for (hash, expected) in [(hash, Ok(())), ("0".repeat(64), Err(JoinError::WrongCluster))] {
        let cluster = file(&server, &format!("token = 'server-pass'\nca-hash = '{hash}'"));
        let node = Node::new("hc-2");
        let token = flash(&node, &secrets, &cluster, BootstrapRole::Agent);
        assert_eq!(probe(&cluster, &token), expected);
        let running = node.start("agent");
        match expected {
            Ok(()) => running.wait_notified(),
            Err(_) => running.wait_for_log("token CA hash does not match the Cluster CA certificate hash"),
        }
    }
}
