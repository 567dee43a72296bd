//! The command line: bad input is refused with its reason and the right exit code, and leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_wrap,
    unreachable_pub,
    missing_docs,
    reason = "a test fails by panicking, and its helpers are for all its files"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../source/server.rs"]
#[allow(dead_code, reason = "the tests of the sources use all of its faults")]
mod server;

mod damage;
mod download;
mod init;
mod interrupt;
mod usage;
