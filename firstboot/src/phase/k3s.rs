//! Enables and starts k3s.

use std::cell::Cell;
use std::time::Duration;

use super::Phase;
use crate::clock;
use crate::context::Context;
use crate::k3s_diagnosis;
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;
use crate::systemd::{self, Unit, is_enabled, systemctl};

/// So many restarts after the first check mean that k3s does not start. One or two are normal if a server is late.
const TOO_MANY_RESTARTS: u64 = 3;

#[derive(Default)]
pub(super) struct K3s {
    watch: Watch,
}

impl Phase for K3s {
    fn name(&self) -> PhaseName {
        PhaseName::K3s
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        Duration::from_secs(cx.seed.k3s.ready_seconds)
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        let unit = cx.unit();
        Ok(cx.state.committed && is_enabled(cx.sys, unit)? && Unit::show(cx.sys, unit)?.active == "active")
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        if !clock::is_after_floor(cx.sys, cx.seed) {
            let what =
                "the clock is before the validity of the cluster's certificates, so k3s is not started";
            return Err(PhaseError::retry(what, "find the program that sets the clock back"));
        }
        // The commit comes before the start: after a power cut between them another seed must be rejected.
        cx.commit()?;
        let name = cx.unit();
        if Unit::show(cx.sys, name)?.needs_reload {
            systemctl(cx.sys, ["daemon-reload"])?;
        }
        if !is_enabled(cx.sys, name)? {
            systemctl(cx.sys, ["enable", name])?;
        }
        if !Unit::show(cx.sys, name)?.is_started() && !self.watch.has_begun() {
            systemctl(cx.sys, ["start", "--no-block", name])?;
        }
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let unit = self.watch.look(cx)?;
        if unit.active == "active" {
            return Ok(Vec::new());
        }
        let what = format!("{} is {} ({})", cx.unit(), unit.active, unit.sub);
        Err(PhaseError::Retry(explained(cx, what, &systemd::last_lines(cx.sys, cx.unit()))))
    }

    fn on_timeout(&self, cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        let last = match last {
            PhaseError::Retry(last) => last,
            PhaseError::Abort(failure) => return Err(failure),
        };
        let what = format!("k3s did not start within {} s: {}", cx.seed.k3s.ready_seconds, last.what);
        Err(Failure { what, log: systemd::last_lines(cx.sys, cx.unit()), ..last })
    }
}

pub(super) fn advice(cx: &Context<'_>) -> String {
    let unit = cx.unit();
    let first = if cx.seed.role.is_agent() { "check that the server runs and can be reached; " } else { "" };
    format!("{first}see the last lines of its log in the report, and `journalctl -u {unit}`")
}

/// Detects that k3s exits while a phase waits for it.
#[derive(Default)]
pub(super) struct Watch {
    /// The number of restarts at the first check.
    first: Cell<Option<u64>>,
}

impl Watch {
    fn has_begun(&self) -> bool {
        self.first.get().is_some()
    }

    /// Queries systemd; a unit that failed, stopped or keeps restarting is a permanent error.
    pub(super) fn look(&self, cx: &Context<'_>) -> Result<Unit, PhaseError> {
        let unit = Unit::show(cx.sys, cx.unit())?;
        let first = self.first.get().unwrap_or(unit.restarts);
        self.first.set(Some(first));
        // After a start request the unit may still be inactive for a moment.
        let died = unit.active == "failed" || (unit.active == "inactive" && unit.result != "success");
        if died || unit.restarts.saturating_sub(first) >= TOO_MANY_RESTARTS {
            return Err(PhaseError::Abort(exits(cx, &unit)));
        }
        Ok(unit)
    }
}

fn exits(cx: &Context<'_>, unit: &Unit) -> Failure {
    let name = cx.unit();
    let what = format!(
        "k3s exits: {name} ended with {} (status {}) and was restarted {} times",
        unit.result, unit.exit_status, unit.restarts
    );
    let log = systemd::last_lines(cx.sys, name);
    Failure { log: log.clone(), ..explained(cx, what, &log) }
}

/// The failure, with an explanation of the log if it is known.
fn explained(cx: &Context<'_>, what: String, log: &[String]) -> Failure {
    match k3s_diagnosis::diagnose(log) {
        Some((meaning, advice)) => Failure::new(format!("{what}: {meaning}"), advice),
        None => Failure::new(what, advice(cx)),
    }
}
