//! Inputs from a local HTTP server with faults, and from local files compressed by the real tools.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking, and its helpers are for all its files"
)]

mod base;
mod desk;
mod fetch;
mod k3s;
mod server;
mod unpack;
