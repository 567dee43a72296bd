//! Waits until the cluster reports the node as Ready.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::{Phase, k3s};
use crate::context::Context;
use crate::kube::{self, Condition, condition};
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;
use crate::sys::{Command, Output};
use crate::systemd;

/// The kubeconfig of an agent's kubelet, which uses the load balancer on 127.0.0.1.
const AGENT_CONFIG: &str = "/var/lib/rancher/k3s/agent/kubelet.kubeconfig";

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
        let output = systemd::run(cx.sys, &question(cx))?;
        let boot_id = cx.sys.read(Path::new(BOOT_ID_PATH)).unwrap_or_default();
        let boot_id = String::from_utf8_lossy(&boot_id).trim().to_owned();
        check_ready(&output, &boot_id).map_err(|seen| not_ready(cx, &seen))?;
        if unit.active == "active" {
            return Ok(Vec::new());
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

fn question(cx: &Context<'_>) -> Command {
    let mut command = kube::question(["node", cx.hostname()]);
    if cx.seed.role.is_agent() {
        command.args.extend(["--kubeconfig", AGENT_CONFIG].map(str::to_owned));
    }
    command
}

fn not_ready(cx: &Context<'_>, seen: &str) -> PhaseError {
    let what = format!("node {} is not Ready: {seen}", cx.hostname());
    PhaseError::retry(what, k3s::advice(cx))
}

/// The used part of a Node (core/v1 NodeStatus).
#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
    node_info: Option<NodeInfo>,
}

#[derive(Deserialize)]
struct NodeInfo {
    #[serde(rename = "bootID", default)]
    boot_id: String,
}

/// Checks that the node is Ready in this boot; the error is the reason why not. For a while after a power cut the cluster
/// still shows the status from before; the kubelet's boot ID distinguishes the two.
fn check_ready(output: &Output, boot_id: &str) -> Result<(), String> {
    if !output.success {
        return Err(format!("the cluster does not answer ({})", systemd::last_line(&output.stderr)));
    }
    let node: Node =
        serde_json::from_str(&output.stdout).map_err(|e| format!("the answer is not a node ({e})"))?;
    let said = node.status.node_info.map(|info| info.boot_id).unwrap_or_default();
    if !said.is_empty() && !boot_id.is_empty() && said != boot_id {
        return Err("the kubelet has not reported since the last boot".to_owned());
    }
    match condition(&node.status.conditions, "Ready") {
        Some(condition) if condition.status == "True" => Ok(()),
        Some(Condition { status, reason, message, .. }) => {
            Err(crate::report::mask(&format!("its condition is {status} ({reason}: {message})")))
        }
        None => Err("it has no Ready condition yet".to_owned()),
    }
}
