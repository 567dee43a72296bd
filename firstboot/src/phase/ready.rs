//! Waits until the cluster reports the node as Ready.

use std::path::Path;
use std::time::Duration;

use super::{Phase, cluster, k3s};
use crate::context::Context;
use crate::kube::{Condition, Node};
use crate::mask::mask;
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;
use crate::systemd;

const BOOT_ID_PATH: &str = "/proc/sys/kernel/random/boot_id";

#[derive(Default)]
pub(super) struct Ready {
    watch: k3s::Watch,
}

impl Phase for Ready {
    fn name(&self) -> PhaseName {
        PhaseName::Ready
    }

    /// The rest of the time limit that the phases k3s and ready share.
    fn limit(&self, cx: &Context<'_>) -> Duration {
        let spent = cx.state.record(PhaseName::K3s).map_or(0, |record| record.seconds);
        Duration::from_secs(cx.seed.k3s.ready_seconds.saturating_sub(spent))
    }

    fn is_done(&self, _cx: &Context<'_>) -> Result<bool, PhaseError> {
        // Whether k3s still runs is part of the result, so `verify` always checks.
        Ok(false)
    }

    /// The kubelet does the work; this phase waits for it.
    fn apply(&self, _cx: &mut Context<'_>) -> Result<(), PhaseError> {
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let unit = self.watch.look(cx)?;
        let node = cluster::client(cx).and_then(|client| client.node(&cx.node_name()));
        let node = match node {
            Ok(node) => node,
            Err(e) if e.is_not_found() => return Err(not_ready(cx, "it has not joined the cluster yet")),
            Err(e) => return Err(not_ready(cx, &mask(&e.to_string()))),
        };
        let boot_id = cx.sys.read(Path::new(BOOT_ID_PATH)).unwrap_or_default();
        let boot_id = String::from_utf8_lossy(&boot_id).trim().to_owned();
        check_ready(&node, &boot_id).map_err(|seen| not_ready(cx, &seen))?;
        if unit.active == "active" {
            return Ok(k3s::other_authorities(cx).into_iter().collect());
        }
        Err(not_ready(cx, &format!("{} is {} ({})", cx.unit(), unit.active, unit.sub)))
    }

    fn on_timeout(&self, cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        let last = match last {
            PhaseError::Retry(last) => last,
            PhaseError::Abort(failure) => return Err(failure),
        };
        let what = format!("the node was not Ready within {} s: {}", cx.seed.k3s.ready_seconds, last.what);
        Err(Failure { what, log: systemd::last_lines(cx.sys, cx.unit()), ..last })
    }
}

fn not_ready(cx: &Context<'_>, seen: &str) -> PhaseError {
    let what = format!("node {} is not Ready: {seen}", cx.node_name());
    PhaseError::retry(what, k3s::advice(cx))
}

/// Checks that the node is Ready in this boot; the error is the reason why not. For a while after a power cut the cluster
/// still shows the status from before; the kubelet's boot ID distinguishes the two.
fn check_ready(node: &Node, boot_id: &str) -> Result<(), String> {
    if !node.boot_id().is_empty() && !boot_id.is_empty() && node.boot_id() != boot_id {
        return Err("the kubelet has not reported since the last boot".to_owned());
    }
    match node.ready() {
        Some(condition) if condition.status == "True" => Ok(()),
        Some(Condition { status, reason, message, .. }) => {
            Err(mask(&format!("its condition is {status} ({reason}: {message})")))
        }
        None => Err("it has no Ready condition yet".to_owned()),
    }
}
