//! Stand-ins for nodes, each on an address of loopback and all on one port. They say so in their `Server:` header.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// What a played node does with a question.
#[derive(Clone)]
pub(crate) enum Play {
    /// Answers with these, one after the other, and with the last one from then on.
    Says(Vec<String>),
    /// Accepts and says nothing.
    Silent,
    /// Ends in the middle of its answer.
    Half,
    /// Sends a body without an end, fast.
    Endless,
    /// Sends a byte a second, as long as anybody listens.
    Drips,
    /// Sends these bytes and ends.
    Raw(&'static [u8]),
}

/// The JSON of a node.
pub(crate) fn status(node: &str, status: &str, phase: &str, progress: &str) -> String {
    let state = if status == "failed" { "failed" } else { "running" };
    let failure = match status {
        "failed" => serde_json::json!({"what": progress, "advice": "connect the cable", "again": true}),
        _ => serde_json::Value::Null,
    };
    let phases = serde_json::json!([{"name": phase, "status": state, "seconds": 0, "progress": progress, "notes": []}]);
    serde_json::json!({"schema": 1, "node": node, "address": null, "cluster": null, "time": 0, "status": status,
        "notes": [], "phases": phases, "failure": failure})
    .to_string()
}

fn answer(stream: &mut TcpStream, play: &Play, count: usize) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = [0; 2048];
    let length = stream.read(&mut request)?;
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    assert!(request.starts_with("GET /status.json HTTP/1.1\r\n"), "{request}");
    let head = "HTTP/1.1 200 OK\r\nServer: a stand-in for a node\r\nContent-Type: application/json\r\n";
    match play {
        Play::Says(texts) => {
            let text = texts.get(count).or_else(|| texts.last()).unwrap();
            write!(stream, "{head}Content-Length: {}\r\n\r\n{text}", text.len())
        }
        Play::Silent => {
            thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Play::Half => write!(stream, "{head}Content-Length: 5000\r\n\r\n{{\"schema\":1,"),
        Play::Endless => {
            write!(stream, "{head}\r\n")?;
            loop {
                stream.write_all(&[b' '; 65_536])?;
            }
        }
        Play::Drips => {
            write!(stream, "{head}\r\n")?;
            loop {
                stream.write_all(b" ")?;
                thread::sleep(Duration::from_secs(1));
            }
        }
        Play::Raw(bytes) => stream.write_all(bytes),
    }
}

/// Plays nodes at 127.88.x.1, .2, … and gives back the port, which is the same for all. `net` is of one test alone.
pub(crate) fn nodes(net: u8, plays: &[Play]) -> u16 {
    let address = |index: usize| Ipv4Addr::new(127, 88, net, u8::try_from(index + 1).unwrap());
    let first = TcpListener::bind(SocketAddr::from((address(0), 0))).unwrap();
    let port = first.local_addr().unwrap().port();
    let others =
        (1..plays.len()).map(|index| TcpListener::bind(SocketAddr::from((address(index), port))).unwrap());
    for (listener, play) in std::iter::once(first).chain(others).zip(plays.to_vec()) {
        thread::spawn(move || {
            for (count, stream) in listener.incoming().enumerate() {
                let (mut stream, play) = (stream.unwrap(), play.clone());
                // An error is the other end's: it has heard enough.
                thread::spawn(move || answer(&mut stream, &play, count));
            }
        });
    }
    port
}

/// A cluster file whose nodes have their addresses by DHCP.
pub(crate) fn cluster_file(dir: &Path, names: &[&str]) {
    let mut text = String::from("schema = 1\nname = \"home\"\napi = \"k3s.example.org\"\n");
    for (index, name) in names.iter().enumerate() {
        let role = if index == 0 { "server" } else { "agent" };
        text += &format!("\n[[nodes]]\nname = \"{name}\"\nrole = \"{role}\"\nboard = \"cm4\"\n");
    }
    fs::write(dir.join("cluster.toml"), text).unwrap();
}
