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

use hcimage_testkit::{base, own_network, servers, unpacked};

/// Of the servers in the cluster file, and of the database.
const ADDRESSES: [&str; 3] = ["10.9.0.1", "10.9.0.2", DATABASE];
const DATABASE: &str = "10.9.0.9";

/// Runs a test in a network of its own, where the database may have an address that is not loopback: a server's own is refused.
fn in_own_network(name: &str, test: impl FnOnce()) {
    // The databases refuse to run as root, so nobody becomes root here.
    let own = ["--user", "--map-current-user", "--keep-caps"];
    let fetch = || {
        unpacked::packages(&servers::POSTGRES);
        unpacked::packages(&servers::MARIADB);
        base::base(cards::BASE);
    };
    let namespaces = if servers::is_root() { &[][..] } else { &own[..] };
    own_network::in_own_network(name, &ADDRESSES, namespaces, fetch, test);
}
