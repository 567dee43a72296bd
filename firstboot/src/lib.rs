//! The first boot of a node that was flashed with an image of hcimage, and the seed that both programs share.
//!
//! [`first_boot`] runs the phases of [`phase`], each `is_done -> apply -> verify`, and keeps durable state, so that it
//! resumes after a power cut at any time. Later boots only need [`clock_gate`].

pub mod announce;
pub mod arp;
pub mod join_probe;
pub mod k3s_diagnosis;
pub mod kube;
pub mod overrides;
#[cfg(target_os = "linux")]
pub mod page;
pub mod phase;
pub mod report;
pub mod seed;
pub mod sntp;
pub mod state;
pub mod status;
pub mod sys;
pub mod workload;

mod base64;
mod block;
mod clock;
mod clock_gate;
mod context;
mod digest;
mod durable;
mod etcd;
mod http;
mod links;
pub mod mask;
mod mounts;
mod node_files;
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

/// The path of this program in the image, also used in the units.
pub const PROGRAM_PATH: &str = "/usr/local/lib/hcimage/hc-firstboot";

/// The text of [`UNIT`], for `/etc/systemd/system/`.
pub const UNIT_TEXT: &str = include_str!("../units/hc-firstboot.service");

/// The unit in which dpkg installs packages: started by this program alone.
pub const PACKAGES_UNIT: &str = "hcimage-packages.service";

/// The text of [`PACKAGES_UNIT`], for `/etc/systemd/system/`.
pub const PACKAGES_UNIT_TEXT: &str = include_str!("../units/hcimage-packages.service");

/// The script that [`PACKAGES_UNIT`] runs, and its path in the image.
pub const INSTALL_PACKAGES: &str = include_str!("../units/install-packages");
/// See [`INSTALL_PACKAGES`].
pub const INSTALL_PACKAGES_PATH: &str = "/usr/local/lib/hcimage/install-packages";

/// The port of the node's page.
pub const STATUS_PORT: u16 = 8680;

/// The unit of the page, which the builder enables where the cluster file does not say otherwise.
pub const STATUS_UNIT: &str = "hcimage-status.service";

/// The text of [`STATUS_UNIT`], for `/etc/systemd/system/`.
pub const STATUS_UNIT_TEXT: &str = include_str!("../units/hcimage-status.service");

/// The text of the drop-in that runs the clock gate before k3s, for
/// `/etc/systemd/system/<k3s unit>.d/10-hcimage.conf`.
pub const CLOCK_GATE_TEXT: &str = include_str!("../units/k3s-clock-gate.conf");

/// The unit that tells the network, the console and an LED how the first boot stands.
pub const ANNOUNCE_UNIT: &str = "hcimage-announce.service";

/// The text of [`ANNOUNCE_UNIT`], for `/etc/systemd/system/`.
pub const ANNOUNCE_UNIT_TEXT: &str = include_str!("../units/hcimage-announce.service");
