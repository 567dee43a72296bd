//! The phases of the first boot, one file each.

mod bundle;
mod clock;
mod data_disk;
mod finish;
mod identity;
mod k3s;
mod network;
mod ready;

use std::time::Duration;

use crate::context::Context;
use crate::state::PhaseName;
use crate::trouble::{Failure, Trouble};

/// One goal of the first boot. The driver asks whether it is reached, acts, verifies, and tries again for as long as
/// the trouble may pass; so acting twice must do no harm.
pub trait Phase {
    /// Which phase this is.
    fn name(&self) -> PhaseName;

    /// How long passing troubles may last.
    fn limit(&self, cx: &Context<'_>) -> Duration;

    /// Whether the goal is reached already; cheap.
    fn is_true(&self, cx: &Context<'_>) -> Result<bool, Trouble>;

    /// Does what is to be done.
    fn act(&self, cx: &mut Context<'_>) -> Result<(), Trouble>;

    /// Whether the goal is reached now, and what a person should know about it.
    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, Trouble>;

    /// What comes of it when the time is over: usually the last trouble as the failure of the run, or notes where
    /// the seed lets the node go on without.
    fn give_up(&self, _cx: &mut Context<'_>, last: Failure) -> Result<Vec<String>, Failure> {
        Err(last)
    }
}

/// All phases in their order.
pub fn all() -> Vec<Box<dyn Phase>> {
    vec![
        Box::new(identity::Identity),
        Box::new(network::Network),
        Box::new(clock::Clock),
        Box::new(data_disk::DataDisk),
        Box::new(bundle::Bundle),
        Box::new(k3s::K3s::default()),
        Box::new(ready::Ready::default()),
        Box::new(finish::Finish),
    ]
}
