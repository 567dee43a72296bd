//! The overlays' pods on a real node: what `hcimage build` writes is imported by containerd and applied, a real kubelet starts the
//! pods, and real programs in them answer. `make node-judge` builds the programs and runs this; docs/testing.md has what is real.
//!
//! All of it runs in namespaces of its own, without a way out: a network with one other host, which has the servers of the LAN and
//! of the internet; mounts; and processes, which end with the first of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
#![allow(clippy::print_stdout, reason = "what was judged is told")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod support;

#[path = "../kube_api/control_plane.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod control_plane;

#[path = "../overlay_judge/api.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod api;

#[path = "../overlay_judge/objects.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod objects;

#[path = "../../../overlays/clusters.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod clusters;

mod applications;
mod apply;
mod card;
mod certificates;
mod images;
mod lan;
mod more;
mod network;
mod node;
mod pods;
mod services;
mod storage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::unpacked;

use card::Card;
use lan::Lan;
use node::Node;

/// The inner process' directory, which the outer one removes: inside, file systems are mounted in it to the end.
const INSIDE: &str = "HCIMAGE_NODE_JUDGE_INSIDE";
const NAME: &str = "the_overlays_pods_run_on_a_real_node";

/// What is judged.
const OVERLAYS: [&str; 11] = [
    "cert-manager",
    "dyndns",
    "external-dns",
    "ingress-auth",
    "local-path",
    "metallb",
    "mosquitto",
    "nextcloud",
    "postgresql",
    "traefik-config",
    "tunnel",
];

/// Debian's programs of a node, unpacked.
fn programs() -> PathBuf {
    unpacked::packages(&["containerd", "runc", "containernetworking-plugins", "ipset", "libipset13"])
}

/// Programs that are built from Go modules.
fn built(name: &str) -> PathBuf {
    control_plane::program("HCIMAGE_NODE_PROGRAMS").join(name)
}

#[test]
#[ignore = "needs root and programs that take long to build: make node-judge"]
fn the_overlays_pods_run_on_a_real_node() {
    if let Some(scratch) = std::env::var_os(INSIDE) {
        return judge(Path::new(&scratch));
    }
    // What is fetched is fetched here: inside there is no network.
    programs();
    pods::root();
    unpacked::packages(&["docker-registry"]);
    hcimage_testkit::base::base("debian-pc-amd64");
    hcimage_testkit::base::k3s_release();
    let scratch = tempfile::tempdir().unwrap();
    // Whatever ends this test ends all of it.
    let status = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--ignored", "--nocapture"])
        .env(INSIDE, scratch.path())
        .env("TMPDIR", scratch.path())
        .status()
        .unwrap();
    node::remove_groups();
    assert!(status.success(), "see above");
}

fn judge(scratch: &Path) {
    let proofs = OVERLAYS.map(|overlay| Proof::of_overlay(OverlayLevel::Node, overlay));
    let lan = Lan::start(scratch);
    let card = told("image built", || Card::build(scratch, &lan));
    let mut node = told("node Ready", || Node::start(scratch, &card));
    told("k3s' own components, as the tests have them", || node.start_components());
    told("manifests of the card applied", || apply::all(&node, &card));
    applications::judge(&mut node, &lan, &card);
    certificates::judge(&node, &lan);
    network::judge(&node, &lan);
    storage::judge(&node);
    services::judge(&node, &lan, &card);
    more::judge(&node, &lan, &card);
    proofs.into_iter().for_each(Proof::holds);
}

/// Does it, and says how long it took.
fn told<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    println!("  {what}: {:.0} s", began.elapsed().as_secs_f32());
    result
}

/// Waits for something, which says what it is waiting for as long as it is not there.
#[track_caller]
fn wait<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(began.elapsed() < limit, "waited in vain for {what}: {why}"),
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Far more than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);
