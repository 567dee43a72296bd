//! The report is on the card, and the next boot does nothing.

use std::path::Path;
use std::time::Duration;

use super::Phase;
use crate::UNIT;
use crate::context::Context;
use crate::durable;
use crate::phase_error::PhaseError;
use crate::report::{self, ReportStatus, View};
use crate::state::{FINISHED_PATH, Outcome, PhaseName, Status};
use crate::systemd::systemctl;

pub(super) struct Finish;

impl Phase for Finish {
    fn name(&self) -> PhaseName {
        PhaseName::Finish
    }

    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::ZERO
    }

    fn is_done(&self, _cx: &Context<'_>) -> Result<bool, PhaseError> {
        // With the marker there the run would not have come here.
        Ok(false)
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        cx.state.outcome = Outcome::Ready;
        publish(cx);
        cx.state.record_mut(PhaseName::Finish).status = Status::Done;
        cx.save().map_err(PhaseError::Abort)?;
        // systemd's link that enables k3s, and whatever else other programs wrote, must not be younger than the
        // marker: after it nobody looks again.
        cx.sys.sync_all().map_err(|e| marker_failed(&e))?;
        durable::replace(cx.sys, Path::new(FINISHED_PATH), b"", 0o644).map_err(|e| marker_failed(&e))?;
        // Only tidiness: the unit's condition already keeps it from running.
        if systemctl(cx.sys, ["disable", UNIT]).is_err() {
            cx.sys.log(&format!("hcimage: {UNIT} could not be disabled; its condition stops it"));
        }
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        cx.sys.stat(Path::new(FINISHED_PATH)).map_err(|e| marker_failed(&e))?;
        Ok(Vec::new())
    }
}

/// A card that cannot take the report is no reason to call a Ready node failed.
fn publish(cx: &mut Context<'_>) {
    let text = report::render(&View::new(Some(&cx.state), Some(cx.seed), cx.sys.now()));
    if let Err(reason) = report::publish(cx.sys, &cx.seed.report.boot_dir, &text, ReportStatus::Ready) {
        cx.sys.log(&format!("hcimage: {reason}"));
        cx.state.notes.push(reason);
    }
}

fn marker_failed(e: &std::io::Error) -> PhaseError {
    let what = format!("writing {FINISHED_PATH}: {e}");
    PhaseError::abort(
        what,
        "check that the card is not full or worn out (dmesg), then power the node off and on",
    )
}
