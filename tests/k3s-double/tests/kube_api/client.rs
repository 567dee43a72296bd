//! The client alone: what it finds, what it is refused, and connections that fail.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use hc_common::value::Host;
use hc_firstboot::kube::{Access, Client, KubeError, Node, Selector};
use hc_firstboot::seed::Endpoint;
use hc_firstboot::sys::{Identity, RealSystem, System};
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, Credentials, expect, no_mismatch};
use crate::objects::{JSON, node};

const ALL: Selector<'static> = Selector { fields: "", labels: "" };

fn endpoint(host: &str, port: u16) -> Endpoint {
    let host = host.parse().map_or_else(|_| Host::Name(host.parse().unwrap()), Host::Address);
    Endpoint::new(host, port)
}

fn access(server: Endpoint, ca: &str, who: &Credentials) -> Access {
    let identity = Identity { certificates: who.certificate.clone().into(), key: who.key.clone().into() };
    Access::new(server, ca.as_bytes(), identity).unwrap()
}

fn client(access: Access, seconds: u64) -> Client<'static> {
    Client::new(&RealSystem, access, RealSystem.uptime() + Duration::from_secs(seconds))
}

#[track_caller]
fn says<T: std::fmt::Debug>(result: Result<T, KubeError>, expected: &str) {
    let told = result.map_or_else(|e| e.to_string(), |good| format!("good: {good:?}"));
    expect(&told, expected);
}

/// Somebody between client and server who lets `bytes` of the answer through, and then closes, stalls, or passes a byte at a
/// time.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Stall,
    Drip,
}

fn between(host: &str, server: u16, bytes: usize, then: Then) -> u16 {
    let listener = TcpListener::bind((host, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            thread::spawn(move || {
                let (mut upstream, mut client) = (upstream, client);
                let mut left = bytes;
                let mut buffer = [0; 512];
                while let Ok(count @ 1..) = upstream.read(&mut buffer) {
                    let now = count.min(left);
                    left -= now;
                    if client.write_all(&buffer[..now]).is_err() {
                        return;
                    }
                    match then {
                        _ if left > 0 => {}
                        Then::Close => drop(client.shutdown(Shutdown::Both)),
                        Then::Stall => thread::sleep(Duration::from_secs(60)),
                        Then::Drip => {
                            for byte in &buffer[now..count] {
                                thread::sleep(Duration::from_millis(200));
                                if client.write_all(&[*byte]).is_err() {
                                    return;
                                }
                            }
                        }
                    }
                }
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

#[test]
#[ignore = "needs kube-apiserver and etcd: make api-test"]
fn the_client_on_a_real_api_server() {
    let mut plane = ControlPlane::new();
    let at = endpoint("127.0.0.1", plane.port);
    println!("not up yet:");
    says(
        client(access(at.clone(), &plane.ca, &plane.admin), 60).node("hc-1"),
        "does not answer (connection refused)",
    );
    plane.start();
    plane.write("POST", "/api/v1/nodes", JSON, &node("hc-1"));

    println!("found, and not found:");
    let admin = |plane: &ControlPlane| client(access(at.clone(), &plane.ca, &plane.admin), 60);
    let found = admin(&plane).node("hc-1").unwrap();
    assert!(found.metadata.name == "hc-1" && found.ready().is_none() && !found.is_ready());
    says(admin(&plane).node("hc-9"), "not found: nodes \"hc-9\" not found");
    let unknown: Result<Vec<Value>, _> =
        admin(&plane).list("/apis/k3s.cattle.io/v1/namespaces/kube-system/addons", ALL);
    says(unknown, "not found: 404 page not found");

    println!("a kubelet sees its own node alone:");
    let kubelet = || client(access(at.clone(), &plane.ca, &plane.kubelet), 60);
    assert_eq!(kubelet().node("hc-1").unwrap().metadata.name, "hc-1");
    plane.write("POST", "/api/v1/nodes", JSON, &node("hc-2"));
    says(kubelet().node("hc-2"), "does not allow it (403: nodes \"hc-2\" is forbidden: ");
    says(kubelet().list::<Value>("/api/v1/nodes", ALL), "does not allow it (403: nodes is forbidden: ");
    says(kubelet().delete("/api/v1/nodes/hc-1"), "does not allow it (403: ");
    says(kubelet().patch("/api/v1/nodes/hc-2", &json!({"metadata": {"annotations": {"a": "b"}}})), "403: ");

    println!("others:");
    says(
        client(access(at.clone(), &plane.ca, &plane.nobody), 60).node("hc-1"),
        "403: nodes \"hc-1\" is forbidden",
    );
    says(
        client(access(at.clone(), &plane.ca, &plane.stranger), 60).node("hc-1"),
        "does not accept this node's certificate (401: Unauthorized)",
    );
    says(
        client(access(at.clone(), &plane.other_ca, &plane.admin), 60).node("hc-1"),
        "not trusted: invalid certificate",
    );
    // 127.0.0.2 is this machine too, and in no certificate.
    let port = between("127.0.0.2", plane.port, usize::MAX, Then::Close);
    says(
        client(access(endpoint("127.0.0.2", port), &plane.ca, &plane.admin), 60).node("hc-1"),
        "not trusted: its certificate does not have this name",
    );

    println!("an own annotation, and deletion, by the administrator:");
    admin(&plane)
        .patch(
            "/api/v1/nodes/hc-2",
            &json!({"metadata": {"annotations": {"etcd.k3s.cattle.io/remove": "true"}}}),
        )
        .unwrap();
    let patched = admin(&plane).node("hc-2").unwrap();
    assert_eq!(patched.metadata.annotations["etcd.k3s.cattle.io/remove"], "true");
    admin(&plane).delete("/api/v1/nodes/hc-2").unwrap();
    says(admin(&plane).node("hc-2"), "not found");
    says(admin(&plane).delete("/api/v1/nodes/hc-2"), "not found");
    says(admin(&plane).patch("/api/v1/nodes/hc-1", &json!({"metadata": {"name": "x"}})), "refuses it (4");

    println!("pages and selectors:");
    for number in 100..145 {
        plane.write("POST", "/api/v1/nodes", JSON, &node(&format!("hc-{number}")));
    }
    let all: Vec<Node> = admin(&plane).list("/api/v1/nodes", ALL).unwrap();
    let mut names: Vec<&str> = all.iter().map(|node| node.metadata.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), all.len()), (46, 46), "three pages without an object lost or doubled");
    let only = Selector { fields: "metadata.name=hc-101", labels: "" };
    assert_eq!(admin(&plane).list::<Node>("/api/v1/nodes", only).unwrap().len(), 1);
    let only = Selector { fields: "", labels: "kubernetes.io/hostname=hc-102" };
    assert_eq!(admin(&plane).list::<Node>("/api/v1/nodes", only).unwrap().len(), 1);
    says(
        admin(&plane).list::<Node>("/api/v1/nodes", Selector { fields: "spec.color=red", labels: "" }),
        "refuses it (400: ",
    );

    println!("answers that are cut, stall, or drip:");
    // The handshake takes about 2,500 bytes, the list more than 20,000.
    for bytes in [0, 100, 1500, 6000, 12_000] {
        let port = between("127.0.0.1", plane.port, bytes, Then::Close);
        let cut = client(access(endpoint("127.0.0.1", port), &plane.ca, &plane.admin), 60);
        says(
            cut.list::<Node>("/api/v1/nodes", ALL).map(|all| all.len()),
            "the answer of the cluster's API cannot be used: ",
        );
    }
    for (bytes, then) in [(0, Then::Stall), (6000, Then::Stall), (0, Then::Drip), (6000, Then::Drip)] {
        let port = between("127.0.0.1", plane.port, bytes, then);
        let started = Instant::now();
        let late = client(access(endpoint("127.0.0.1", port), &plane.ca, &plane.admin), 0);
        says(late.list::<Node>("/api/v1/nodes", ALL).map(|all| all.len()), "did not answer within 5 s");
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "one time limit for all of it: {:?}",
            started.elapsed()
        );
    }
    println!("it restarts:");
    plane.stop();
    says(admin(&plane).node("hc-1"), "does not answer (connection refused)");
    plane.start();
    assert_eq!(admin(&plane).node("hc-1").unwrap().metadata.name, "hc-1");
    no_mismatch();
}
