//! What the fuzz targets do with an input.
//!
//! Each target is a function from bytes to nothing that panics where a property does not hold. The fuzzer calls it
//! through `targets/`, which needs a nightly compiler; `tests/replay.rs` calls the same function with everything
//! that was kept, on stable. `README.md` says how to run both, and what was found.
//!
//! An input of the image targets is a list of changes to a small file system (see [`Change`]) and of operations on
//! it (see [`Operation`]), so that the fuzzer mutates structures and not megabytes of free space.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "panics are how a target tells what it has found"
)]

mod change;
mod disk;
mod ext4_operation;
mod fixture;
mod operation;
mod reader;
mod script;
mod seal;
mod sparse;
mod tree;

pub mod editors;
pub mod ext4;
pub mod ext4_grow;
pub mod fat;
pub mod journal;
pub mod requests;
pub mod seed;
pub mod tables;
pub mod texts;

pub use change::Change;
pub use ext4_operation::Ext4Operation;
pub use operation::Operation;

use std::alloc::System;

use cap::Cap;

/// Bytes that a process may have in use. A run needs a few MiB; asking for more than this ends the process, and
/// that is a finding.
const MOST_MEMORY: usize = 384 << 20;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, MOST_MEMORY);

/// A target: its name, which is also that of its corpus, and what it does with an input.
pub struct Target {
    /// As `cargo fuzz run` is told.
    pub name: &'static str,
    /// Panics where a property does not hold.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 9] = [
    Target { name: "ext4", run: ext4::run },
    Target { name: "ext4_grow", run: ext4_grow::run },
    Target { name: "tables", run: tables::run },
    Target { name: "fat", run: fat::run },
    Target { name: "seed", run: seed::run },
    Target { name: "requests", run: requests::run },
    Target { name: "journal", run: journal::run },
    Target { name: "editors", run: editors::run },
    Target { name: "texts", run: texts::run },
];
