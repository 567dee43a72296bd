//! Waits until containerd has all container images that were put onto the card. k3s imports them in the background, and a node
//! can be Ready before the last one is there.

use std::time::Duration;

use super::Phase;
use super::k3s::PROGRAM;
use crate::context::Context;
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;
use crate::sys::Command;
use crate::systemd;

/// Names in a message; a card may have a hundred images.
const MOST_NAMES: usize = 5;

const ADVICE: &str = "see `journalctl -u k3s -u k3s-agent | grep -i import`: an archive that k3s cannot import is damaged, or \
                      the card is full; then fix that, and power the node off and on";

pub(super) struct Images;

impl Phase for Images {
    fn name(&self) -> PhaseName {
        PhaseName::Images
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        !cx.seed.k3s.images.is_empty()
    }

    /// What is imported while k3s starts has the same time as that start.
    fn limit(&self, cx: &Context<'_>) -> Duration {
        Duration::from_secs(cx.seed.k3s.ready_seconds)
    }

    /// k3s starts a program of 260 MB for each question.
    fn longest_pause(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.is_done(PhaseName::Images))
    }

    /// k3s does the work.
    fn apply(&self, _cx: &mut Context<'_>) -> Result<(), PhaseError> {
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        // k3s's own `ctr` knows where its containerd listens.
        let mut command = Command::new(PROGRAM, ["ctr", "--namespace=k8s.io", "images", "list", "--quiet"]);
        command.limit = Duration::from_secs(120);
        let output = systemd::run(cx.sys, &command)?;
        if !output.success {
            let what = format!("containerd does not list its images: {}", systemd::last_line(&output.stderr));
            return Err(PhaseError::retry(what, ADVICE));
        }
        let wanted = &cx.seed.k3s.images;
        let missing: Vec<&str> = wanted
            .iter()
            .map(String::as_str)
            .filter(|name| !output.stdout.lines().any(|line| line == *name))
            .collect();
        if missing.is_empty() {
            return Ok(vec![format!("{} container images", wanted.len())]);
        }
        let shown = missing.get(..MOST_NAMES.min(missing.len())).unwrap_or_default().join(", ");
        let more = if missing.len() > MOST_NAMES { ", …" } else { "" };
        let what =
            format!("{} of {} container images are not imported: {shown}{more}", missing.len(), wanted.len());
        Err(PhaseError::retry(what, ADVICE))
    }

    fn on_timeout(&self, cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        let last = last.into_failure();
        Err(Failure { log: systemd::last_lines(cx.sys, cx.unit()), ..last })
    }
}
