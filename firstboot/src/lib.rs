//! What runs once on a node that was flashed from an image made by hcimage, and the seed both agree on.
//!
//! [`first_boot`] goes through the phases of [`phase`], each `is it already true? -> act -> verify`, and keeps
//! durable state, so that a power cut at any instant resumes. [`clock_gate`] is all that later boots need.

pub mod arp;
pub mod join_probe;
pub mod overrides;
pub mod phase;
pub mod report;
pub mod seed;
pub mod sntp;
pub mod state;
pub mod sys;

mod block;
mod clock;
mod clock_gate;
mod context;
mod durable;
mod http;
mod k3s_log;
mod kube;
mod mounts;
mod phase_error;
mod resolve;
mod run;
mod systemd;

pub use clock_gate::clock_gate;
pub use context::Context;
pub use phase_error::{Failure, PhaseError};
pub use run::{RunOutcome, first_boot};

/// The unit that the builder enables in the image, and that disables itself at the end.
pub const UNIT: &str = "hc-firstboot.service";

/// Where the builder lays down this program; the units name it.
pub const PROGRAM_PATH: &str = "/usr/local/lib/hcimage/hc-firstboot";

/// The text of [`UNIT`], for `/etc/systemd/system/`.
pub const UNIT_TEXT: &str = include_str!("../units/hc-firstboot.service");

/// The text of the drop-in that puts the clock gate before k3s, for
/// `/etc/systemd/system/<k3s unit>.d/10-hcimage.conf`.
pub const CLOCK_GATE_TEXT: &str = include_str!("../units/k3s-clock-gate.conf");
