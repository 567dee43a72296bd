//! How long a node takes from power-on to Ready, and which part of it is firstboot's own: `make bench-boot`.
//!
//! Prints and asserts nothing: QEMU without hardware help is many times slower than a board, and so are all the numbers
//! but those of waiting.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a program for measuring")]
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::fs;
use std::process::Command;
use std::time::Instant;

use hc_firstboot::report::ReportStatus;
use hcimage::run::Network;
use serde_json::Value;

use hcimage_testkit::guest::{Guest, one_server};
use hcimage_testkit::tools::{debugfs, run};

/// What the network or k3s causes; all else is firstboot's own.
const OTHERS: [&str; 7] = ["network", "clock", "join", "k3s", "ready", "nodes", "workloads"];

fn main() {
    let dir = one_server("data-disk = false\n");
    let image = dir.path().join("out/lab-1.img");

    let begin = Instant::now();
    let mut guest = Guest::start("lab-1", "pc", &image, Network::Alone { forward: None }, None);
    guest.wait_for("hcimage: [");
    let firstboot = begin.elapsed();
    guest.wait_for_end(ReportStatus::Ready);
    let ready = begin.elapsed();
    guest.power_off();

    let dumped = dir.path().join("state.json");
    debugfs(&image, &format!("dump /var/lib/hcimage/state.json {}", dumped.display()));
    let state: Value = serde_json::from_str(&fs::read_to_string(dumped).unwrap()).unwrap();
    println!("from power-on, with the stand-in for k3s, in QEMU without hardware help:");
    println!("  {:6.1} s  firstboot begins", firstboot.as_secs_f64());
    println!("  {:6.1} s  the node is Ready and the report written", ready.as_secs_f64());
    println!("firstboot's phases, in whole seconds:");
    let (mut own, mut others) = (0, 0);
    for phase in state["phases"].as_array().unwrap() {
        let (name, seconds) = (phase["name"].as_str().unwrap(), phase["seconds"].as_u64().unwrap());
        let by_others = OTHERS.contains(&name);
        *(if by_others { &mut others } else { &mut own }) += seconds;
        println!("  {seconds:6} s  {name}{}", if by_others { "  (network or k3s)" } else { "" });
    }
    println!("  {own:6} s  its own work;  {others} s for network and k3s");
    let load = run(&mut Command::new("uptime"));
    println!("this machine meanwhile:{load}");
}
