//! The way from power-on to the root leads through this image, on this board.

use std::fmt;

use crate::os::{BootStep, Facts, Leads, boot_chain, waits};

use super::error::PlanError;
use super::request::Request;

/// Everything that would keep an image from booting as a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFaults(Vec<BootStep>);

impl fmt::Display for BootFaults {
    /// One fault in a line, several in a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return only.fmt(f);
        }
        write!(f, "{} faults", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n    {fault}"))
    }
}

impl std::error::Error for BootFaults {}

/// Refuses an image whose boot leads nowhere, or to what cannot become a node.
pub(super) fn check(facts: &Facts, request: &Request<'_>) -> Result<(), PlanError> {
    let mut faults = boot_chain(facts, Some(request.board.hardware()));
    faults.retain(|step| matches!(step.leads, Leads::Nowhere(_)));
    if faults.is_empty() { Ok(()) } else { Err(PlanError::Boot(BootFaults(faults))) }
}

/// What a person should know of a plan, a line each: the node may not boot everywhere, or may stop for a disk.
pub(super) fn warnings(facts: &Facts, request: &Request<'_>) -> Vec<String> {
    let unsure = boot_chain(facts, Some(request.board.hardware()));
    let unsure = unsure.into_iter().filter(|step| matches!(step.leads, Leads::Unsure(_)));
    // The plan makes the line for its own data disk optional.
    let data = request.node.data_disk.as_ref().map(|disk| disk.mount.as_str());
    let waits = waits(facts).into_iter().filter(|wait| wait.point.is_none() || wait.point.as_deref() != data);
    unsure.chain(waits.map(|wait| wait.step)).map(|step| step.to_string()).collect()
}
