//! The load balancer of docs/fixed-address.md: Debian's HAProxy with that very file, before a stand-in for k3s.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::tools::run;
use hcimage_testkit::unpacked;
use support::{Node, tool};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The file in the documentation, before these servers.
fn file(port: u16, servers: [&str; 3]) -> String {
    let text = include_str!("../../../docs/fixed-address.md");
    let (_, rest) = text.split_once("```haproxy\n").unwrap();
    let (file, _) = rest.split_once("```").unwrap();
    let mut file = file.replace("bind :6443", &format!("bind 127.0.0.1:{port}"));
    for (number, server) in servers.iter().enumerate() {
        let documented = format!("192.168.1.1{}:6443", number + 1);
        assert!(file.contains(&documented), "{file}");
        file = file.replace(&documented, server);
    }
    file
}

fn haproxy() -> Command {
    let root = unpacked::packages(&[
        "haproxy",
        "liblua5.3-0",
        "libopentracing-c-wrapper0",
        "libopentracing1",
        "libdb5.3",
        "libpcre2-posix3",
    ]);
    let mut command = Command::new(root.join("usr/sbin/haproxy"));
    command.env("LD_LIBRARY_PATH", unpacked::libraries(&root));
    command
}

#[test]
fn the_documented_balancer_leaves_out_servers_that_do_not_answer() {
    let node = Node::server("hc-1");
    let server = node.start("server");
    server.wait_notified();
    let dead = free_port();
    let port = free_port();
    let live = node.url().trim_start_matches("https://").to_owned();
    let down = format!("127.0.0.1:{dead}");
    let path = node.dir.path().join("haproxy.cfg");
    fs::write(&path, file(port, [&down, &live, &down])).unwrap();
    run(haproxy().arg("-c").arg("-f").arg(&path));
    let log = fs::File::create(node.dir.path().join("haproxy.log")).unwrap();
    let _balancer = Running(
        haproxy()
            .arg("-f")
            .arg(&path)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let ask = || {
        let mut curl = tool("curl", "curl");
        curl.args(["--silent", "--insecure", "--max-time", "10"]);
        outcome(curl.arg(format!("https://127.0.0.1:{port}/ping"))).stdout
    };
    // By and by, since a server counts as running until two checks have failed.
    let began = Instant::now();
    let mut good = 0;
    while good < 6 {
        good = if ask() == "pong" { good + 1 } else { 0 };
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{}",
            fs::read_to_string(node.dir.path().join("haproxy.log")).unwrap()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    // The last one goes: nothing is answered in its place.
    drop(server);
    let began = Instant::now();
    while ask() == "pong" {
        assert!(began.elapsed() < Duration::from_secs(60), "an answer from nobody");
    }
}
