//! hc-firstboot's client and phases on a real kube-apiserver, and the stand-in's answers beside the real ones.
//!
//! `make api-test` builds the server and runs this; see tests/kube-apiserver/README.md for what is real.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
#![allow(clippy::print_stdout, reason = "what the server said is told")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

mod charts;
mod client;
#[allow(dead_code, reason = "each test uses a part of it")]
mod control_plane;
mod node_on_cluster;
mod objects;
mod phases;
mod stand_in;
