//! Nodes that only DNS-SD can find: `hcimage watch` in one network namespace, and nodes in others that announce themselves as
//! hc-firstboot does. Needs root. Otherwise it prints that it was skipped.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use hc_firstboot::STATUS_PORT;
use hc_firstboot::announce::announce;
use hc_firstboot::sys::RealSystem;
use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::hcimage::hcimage;
use hcimage_testkit::lan::{Lan, Machine};

use crate::played::cluster_file;

const STATUS: &str = "/run/hcimage/status.json";

#[test]
#[ignore = "not a test of its own: it plays a node, whose page is a stand-in"]
fn a_node() {
    let listener = TcpListener::bind(("0.0.0.0", STATUS_PORT)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 2048]);
            let text = std::fs::read_to_string(STATUS).unwrap();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        }
    });
    announce(&RealSystem, &|| false, &mut |line| panic!("{line}"));
}

struct Node(Machine, Child);

impl Node {
    fn start(lan: &Lan, place: &str, name: &str, address: &str, status: &str) -> Self {
        let machine = lan.machine(place, name, &format!("{address}/24"));
        let json = crate::played::status(name, status, "k3s", "waiting");
        machine.write(STATUS, &json.replacen('{', &format!("{{\"addresses\":[\"{address}\"],"), 1));
        let child =
            machine.play("discovered::a_node").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self(machine, child)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.1.kill();
        let _ = self.1.wait();
    }
}

#[test]
fn nodes_by_dhcp_are_found_by_dns_sd_and_a_stranger_is_not_taken_for_one() {
    let Some(lan) = Lan::new("watch") else { return };
    let dir = tempfile::tempdir().unwrap();
    cluster_file(dir.path(), &["pi-1", "pi-2"]);
    let desk = lan.machine("d", "desk", "10.99.0.9/24");
    let _first = Node::start(&lan, "a", "pi-1", "10.99.0.1", "ready");
    let _stranger = Node::start(&lan, "s", "pi-7", "10.99.0.7", "failed");
    let second = Node::start(&lan, "b", "pi-2", "10.99.0.2", "running");
    let program = hcimage(dir.path());
    let watch = |timeout: &str| {
        let mut command = desk.command(program.get_program());
        // A path from the root: to enter a mount namespace is to leave the directory.
        command.arg("watch").arg(dir.path().join("cluster.toml")).args(["--timeout", timeout]);
        outcome(&mut command)
    };
    let seen = watch("20");
    assert_eq!(seen.status.code(), Some(1), "{}", seen.both());
    assert!(seen.stdout.contains("pi-1 (10.99.0.1): Ready\n"), "{}", seen.both());
    assert!(seen.stdout.contains("pi-2 (10.99.0.2): running k3s: waiting\n"), "{}", seen.both());
    assert!(!seen.both().contains("pi-7"), "{}", seen.both());
    second.0.write(
        STATUS,
        &crate::played::status("pi-2", "ready", "finish", "").replacen(
            '{',
            "{\"addresses\":[\"10.99.0.2\"],",
            1,
        ),
    );
    watch("300").succeeded();
}
