//! Writes the final report and the marker, so that the next boot does nothing.

use std::path::Path;
use std::time::Duration;

use super::{Phase, bind, packages};
use crate::UNIT;
use crate::context::Context;
use crate::durable;
use crate::phase_error::PhaseError;
use crate::report::{self, ReportStatus, View};
use crate::state::{self, FINISHED_PATH, Outcome, PhaseName, Status};
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
        // If the marker existed, the run would not have reached this phase.
        Ok(false)
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        if let Err(reason) = bind::by_uuid(cx) {
            note(cx, reason);
        }
        packages::remove_files(cx);
        cx.state.outcome = Outcome::Ready;
        publish(cx);
        cx.state.record_mut(PhaseName::Finish).status = Status::Done;
        // Not shown yet: a node is Ready once the marker is there.
        state::save(cx.sys, &cx.state).map_err(PhaseError::Abort)?;
        // systemd's link that enables k3s, and other programs' files, must be durable before the marker: after it
        // they are not checked again.
        cx.sys.sync_all().map_err(|e| marker_failed(&e))?;
        durable::replace(cx.sys, Path::new(FINISHED_PATH), b"", 0o644).map_err(|e| marker_failed(&e))?;
        // Only for tidiness: the unit's condition already keeps it from running.
        if systemctl(cx.sys, ["disable", UNIT]).is_err() {
            cx.sys.log(&format!("hcimage: cannot disable {UNIT}; its condition keeps it from running"));
        }
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        cx.sys.stat(Path::new(FINISHED_PATH)).map_err(|e| marker_failed(&e))?;
        Ok(Vec::new())
    }
}

/// A Ready node does not fail because the report cannot be written.
fn publish(cx: &mut Context<'_>) {
    let text = report::render(&View::now(cx.sys, Some(&cx.state), Some(cx.seed)));
    if let Err(reason) = report::publish(cx.sys, &cx.seed.report.boot_dir, &text, ReportStatus::Ready) {
        note(cx, reason);
    }
}

fn note(cx: &mut Context<'_>, reason: String) {
    cx.sys.log(&format!("hcimage: {reason}"));
    cx.state.notes.push(reason);
}

fn marker_failed(e: &std::io::Error) -> PhaseError {
    let what = format!("writing {FINISHED_PATH}: {e}");
    PhaseError::abort(
        what,
        "check whether the card is full or worn out (see dmesg), then power the node off and on",
    )
}
