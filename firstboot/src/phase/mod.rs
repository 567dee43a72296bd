//! The phases of the first boot, one file each.

mod bind;
mod blank;
mod bundle;
mod check;
mod clock;
mod cluster;
mod data_disk;
mod datastore;
mod disk_space;
mod finish;
mod host;
mod identity;
mod images;
mod join;
mod k3s;
mod network;
mod nodes;
mod packages;
mod raw_disks;
mod ready;
mod root;
mod secrets;
mod workloads;

use std::time::Duration;

use crate::context::Context;
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;

/// A phase of the first boot. The driver calls `is_done`, `apply` and `verify`, and retries after temporary errors; so
/// `apply` must be idempotent.
pub trait Phase {
    /// The name of the phase.
    fn name(&self) -> PhaseName;

    /// The time limit for retries.
    fn limit(&self, cx: &Context<'_>) -> Duration;

    /// Whether the phase is already done; cheap.
    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError>;

    /// Does the work.
    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError>;

    /// Checks the result; returns notes for the report.
    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError>;

    /// The longest pause between two tries. The pauses grow up to it: a query that costs another machine work needs longer
    /// ones than a look at this machine.
    fn longest_pause(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// Whether this node needs the phase.
    fn applies(&self, _cx: &Context<'_>) -> bool {
        true
    }

    /// The result after the time limit or a permanent error: usually a failure of the run, or notes if the node can
    /// continue without this phase.
    fn on_timeout(&self, _cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        Err(last.into_failure())
    }
}

/// All phases, in order.
pub fn all() -> Vec<Box<dyn Phase>> {
    vec![
        Box::new(host::Host),
        Box::new(identity::Identity),
        Box::new(root::Root),
        Box::new(network::Network),
        Box::new(clock::Clock),
        Box::new(raw_disks::RawDisks),
        Box::new(data_disk::DataDisk),
        Box::new(bundle::Bundle),
        Box::new(disk_space::DiskSpace),
        Box::new(packages::Packages),
        Box::new(join::Join::default()),
        Box::new(k3s::K3s::default()),
        Box::new(ready::Ready::default()),
        Box::new(images::Images),
        Box::new(nodes::Nodes),
        Box::new(workloads::Workloads::default()),
        Box::new(check::Check),
        Box::new(secrets::Secrets),
        Box::new(finish::Finish),
    ]
}
