//! The phases of the first boot, one file each.

mod blank;
mod bundle;
mod check;
mod clock;
mod data_disk;
mod disk_space;
mod finish;
mod host;
mod identity;
mod join;
mod k3s;
mod network;
mod nodes;
mod ready;
mod root;
mod secrets;
mod workloads;

use std::time::Duration;

use crate::context::Context;
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;

/// One goal of the first boot. The driver asks whether it is reached, acts, verifies, and tries again for as long as
/// the trouble may pass; so acting twice must do no harm.
pub trait Phase {
    /// Which phase this is.
    fn name(&self) -> PhaseName;

    /// How long passing troubles may last.
    fn limit(&self, cx: &Context<'_>) -> Duration;

    /// Whether the goal is reached already; cheap.
    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError>;

    /// Does what is to be done.
    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError>;

    /// Whether the goal is reached now, and what a person should know about it.
    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError>;

    /// Whether this node has such a goal at all.
    fn applies(&self, _cx: &Context<'_>) -> bool {
        true
    }

    /// What comes of it when the time is over or the trouble is lasting: usually the failure of the run, or notes
    /// where the node may go on without.
    fn on_timeout(&self, _cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        Err(last.into_failure())
    }
}

/// All phases in their order.
pub fn all() -> Vec<Box<dyn Phase>> {
    vec![
        Box::new(host::Host),
        Box::new(identity::Identity),
        Box::new(root::Root),
        Box::new(network::Network),
        Box::new(clock::Clock),
        Box::new(data_disk::DataDisk),
        Box::new(bundle::Bundle),
        Box::new(disk_space::DiskSpace),
        Box::new(join::Join),
        Box::new(k3s::K3s::default()),
        Box::new(ready::Ready::default()),
        Box::new(nodes::Nodes),
        Box::new(workloads::Workloads),
        Box::new(check::Check),
        Box::new(secrets::Secrets),
        Box::new(finish::Finish),
    ]
}
