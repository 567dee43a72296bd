//! How firstboot asks the server that it joins, against a server for real: over TLS with the CA that the token pins.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hc_common::value::Host;
use hc_firstboot::join_probe::{Ask, JoinError, Token, lets_in, most_specific, time};
use hc_firstboot::seed::{Endpoint, Join};
use hc_firstboot::sys::{RealSystem, System, TlsError, TlsRequest, Trust};
use support::{Node, Running, tool};

/// A server that is up, on all addresses of this machine.
fn server(faults: &str) -> (Node, Running) {
    let node = Node::server("hc-1");
    node.config("30-token.yaml", "token: server-pass\nagent-token: agent-pass\nbind-address: 0.0.0.0\n");
    node.faults(&format!("ready-delay=0\nnode-ready-delay=0\n{faults}"));
    let running = node.start("server");
    if faults.is_empty() {
        running.wait_notified();
    } else {
        running.wait_for_log("Wrote kubeconfig");
    }
    (node, running)
}

/// A server on this machine: a loopback address, which no seed may name.
fn endpoint(host: &str, port: u16) -> Endpoint {
    let host = host.parse().map_or_else(|_| Host::Name(host.parse().unwrap()), Host::Address);
    Endpoint::new(host, port)
}

fn join(node: &Node, host: &str) -> Join {
    let port = node.url().rsplit_once(':').unwrap().1.to_owned();
    Join {
        servers: vec![endpoint(host, port.parse().unwrap())],
        token_file: node.data().join("server/agent-token"),
        wait_seconds: 60,
    }
}

fn token(path: &Path) -> Token {
    Token::load(&RealSystem, path).map_err(|failure| failure.what).unwrap()
}

fn end() -> Duration {
    RealSystem.uptime() + Duration::from_secs(20)
}

fn ask(join: &Join) -> Result<(), JoinError> {
    lets_in(&RealSystem, join, &token(&join.token_file), Ask::Agent, end()).map(|_| ()).map_err(most_specific)
}

fn time_of(join: &Join) -> Result<Duration, JoinError> {
    time(&RealSystem, join, &token(&join.token_file), end())
}

#[test]
fn the_right_server_lets_in_and_has_the_time() {
    let (node, _running) = server("");
    for host in ["127.0.0.1", "localhost"] {
        let join = join(&node, host);
        assert_eq!(ask(&join), Ok(()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(time_of(&join).unwrap().abs_diff(now) < Duration::from_secs(3));
    }
}

#[test]
fn every_refusal_is_told_apart() {
    let (node, running) = server("");
    let good = join(&node, "127.0.0.1");
    let text = fs::read_to_string(&good.token_file).unwrap();
    let with = |text: &str| {
        let path = node.dir.path().join("token");
        fs::write(&path, text).unwrap();
        Join { token_file: path, ..good.clone() }
    };
    assert_eq!(ask(&with(&text.replace("agent-pass", "other"))), Err(JoinError::Token));
    let hash = text.split_once("::").unwrap().0;
    let other = with(&text.replace(hash, &format!("K10{}", "0".repeat(64))));
    assert_eq!(ask(&other), Err(JoinError::WrongCluster));
    assert_eq!(time_of(&other), Err(JoinError::WrongCluster), "its time is not taken either");
    // 127.0.0.2 is this machine too, and in no certificate.
    assert_eq!(ask(&join(&node, "127.0.0.2")), Err(JoinError::WrongName));
    let nowhere = Join { servers: vec!["no-such-host.invalid".parse().unwrap()], ..good.clone() };
    assert!(matches!(ask(&nowhere), Err(JoinError::Name(_))));
    drop(running);
    assert!(matches!(ask(&good), Err(JoinError::Connect(why)) if why.contains("refused")));
}

#[test]
fn a_server_that_starts_is_waited_for() {
    let (node, _running) = server("never-ready\n");
    assert_eq!(ask(&join(&node, "127.0.0.1")), Err(JoinError::Starting));
    assert!(time_of(&join(&node, "127.0.0.1")).is_ok(), "the time is there before k3s is ready");
}

/// A node whose clock is wrong sees that its clock does not fit; the time that the server claims does.
#[test]
fn certificates_are_judged_at_the_time_in_question() {
    let (node, _running) = server("");
    let address = node.url().replace("https://", "").replace("0.0.0.0", "127.0.0.1").parse().unwrap();
    let pem = fs::read_to_string(node.data().join("server/tls/server-ca.crt")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
    let ask = |at: Duration| {
        let trust = Trust::Ca { roots: vec![der.clone()], at };
        let request = b"GET /ping HTTP/1.0\r\n\r\n";
        let request = TlsRequest {
            server: address,
            name: "127.0.0.1",
            trust: &trust,
            identity: None,
            message: request,
            wait: Duration::from_secs(10),
            answer_limit: 1000,
        };
        RealSystem.ask_tls(&request).map(|_| ())
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(ask(now), Ok(()));
    assert_eq!(ask(Duration::from_secs(978_307_200)), Err(TlsError::Time), "2001");
    assert_eq!(ask(now + Duration::from_secs(20 * 365 * 86_400)), Err(TlsError::Time), "after its end");
}

/// Somebody in between who hands out the right CA, and has no certificate of it: the time is not taken.
#[test]
fn somebody_in_between_cannot_set_the_clock() {
    let (node, _running) = server("");
    let dir = tempfile::tempdir().unwrap();
    let ca = fs::read_to_string(node.data().join("server/tls/server-ca.crt")).unwrap();
    let answer = |body: &str| {
        format!(
            "HTTP/1.0 200 OK\r\nDate: Sun, 06 Nov 2033 08:49:37 GMT\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    fs::write(dir.path().join("cacerts"), answer(&ca)).unwrap();
    fs::write(dir.path().join("ping"), answer("pong")).unwrap();
    let own = "req -x509 -newkey rsa:2048 -nodes -keyout k -out c -days 9000 -subj /CN=x -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1";
    support::succeed(tool("openssl", "openssl").args(own.split(' ')).current_dir(&dir));
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut between = tool("openssl", "openssl")
        .args([
            "s_server",
            "-quiet",
            "-HTTP",
            "-key",
            "k",
            "-cert",
            "c",
            "-accept",
            &format!("127.0.0.1:{port}"),
        ])
        .current_dir(&dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let join = Join { servers: vec![endpoint("127.0.0.1", port)], ..join(&node, "127.0.0.1") };
    let mut answer = time_of(&join);
    for _ in 0..100 {
        if !matches!(answer, Err(JoinError::Connect(_))) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        answer = time_of(&join);
    }
    between.kill().unwrap();
    between.wait().unwrap();
    let Err(JoinError::Talk(why)) = answer else { panic!("{answer:?}") };
    assert!(why.contains("invalid certificate (") && why.contains("UnknownIssuer"), "{why}");
}
