//! Servers whose state is in PostgreSQL or MySQL: what `hcimage build` writes of the database, given to the real kine and a real
//! kube-apiserver, with Debian's PostgreSQL 15 and MariaDB 10.11. `make database-test` builds the programs and runs this.
//!
//! Of k3s itself nothing runs. systemd is played where k3s ends by itself: it is started again.

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

mod cards;
mod databases;
mod endpoints;
mod faults;
mod kine;
mod life;

use std::process::Command;

use hcimage_testkit::{base, servers, unpacked};

/// Of the servers in the cluster file, and of the database.
const ADDRESSES: [&str; 3] = ["10.9.0.1", "10.9.0.2", DATABASE];
const DATABASE: &str = "10.9.0.9";

/// Runs a test in a network of its own, where the database may have an address that is not loopback: a server's own is refused.
fn in_own_network(name: &str, test: impl FnOnce()) {
    const MARK: &str = "OUTSIDE_SQL_TEST_NETWORK";
    if std::env::var_os(MARK).is_none() {
        // Here, where there is a network to fetch them from.
        unpacked::packages(&servers::POSTGRES);
        unpacked::packages(&servers::MARIADB);
        base::base(cards::BASE);
        // The databases refuse to run as root, so nobody becomes root here.
        let own = ["--user", "--map-current-user", "--keep-caps"];
        let status = Command::new("unshare")
            .args(if servers::is_root() { &[][..] } else { &own[..] })
            .arg("--net")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--include-ignored", "--nocapture", "--test-threads=1"])
            .env(MARK, "1")
            .status()
            .expect("unshare is missing: apt-get install util-linux");
        assert!(status.success(), "{name} in a network of its own: {status}");
        return;
    }
    let ip = |args: &[&str]| {
        let status = Command::new("ip").args(args).status().expect("ip is missing: apt-get install iproute2");
        assert!(status.success(), "ip {args:?}");
    };
    ip(&["link", "set", "lo", "up"]);
    for address in ADDRESSES {
        ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]);
    }
    test();
}
