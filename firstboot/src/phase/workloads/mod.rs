//! On the first server: waits until the components of k3s run, every manifest is applied, every chart is installed, and all
//! that overlays promise is there.

mod addons;
mod components;
mod left_over;

use std::time::Duration;

use super::{Phase, cluster};
use crate::context::Context;
use crate::kube::KubeError;
use crate::mask::mask;
use crate::phase_error::{Failure, PhaseError};
use crate::seed::{NamespacedName, Workload};
use crate::state::PhaseName;
use crate::workload::{Objects, State};

const ADVICE: &str = "see `k3s kubectl get events -A`, and for a chart the log of its job in its namespace";

#[derive(Default)]
pub(super) struct Workloads {
    seen: addons::Seen,
}

impl Phase for Workloads {
    fn name(&self) -> PhaseName {
        PhaseName::Workloads
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        cx.seed.role.init_server().is_some_and(|first| !first.workload.is_empty())
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        Duration::from_secs(cx.seed.role.init_server().map_or(0, |first| first.workload.wait_seconds))
    }

    /// Images are loaded meanwhile, and a busy server has other work than answers.
    fn longest_pause(&self) -> Duration {
        cluster::PAUSE
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.is_done(PhaseName::Workloads))
    }

    /// k3s and its controllers do the work.
    fn apply(&self, _cx: &mut Context<'_>) -> Result<(), PhaseError> {
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let Some(first) = cx.seed.role.init_server() else { return Ok(Vec::new()) };
        let retry = |e: &KubeError| PhaseError::retry(mask(&e.to_string()), ADVICE);
        let client = cluster::client(cx).map_err(|e| retry(&e))?;
        let objects = Objects::new(&client);
        let Workload {
            components,
            addons,
            charts,
            deployments,
            stateful_sets,
            daemon_sets,
            load_balancers,
            certificates,
            wait_seconds: _,
        } = &first.workload;
        let known = addons::list(&client).map_err(|e| retry(&e))?;
        let manifests = addons::missing(cx, &client, &known, addons, &self.seen)?;
        let others = || -> Result<Vec<String>, KubeError> {
            let steps = [
                components::missing(&objects, components, &cx.node_name())?,
                first_of("charts not installed", charts, |name| objects.chart(name))?,
                first_of("deployments not available", deployments, |name| objects.deployment(name))?,
                first_of("stateful sets not ready", stateful_sets, |name| objects.stateful_set(name))?,
                first_of("daemon sets not ready", daemon_sets, |name| objects.whole_daemon_set(name))?,
                first_of("services without an address", load_balancers, |name| objects.load_balancer(name))?,
                first_of("certificates not issued", certificates, |name| objects.certificate(name))?,
            ];
            Ok(steps.into_iter().flatten().collect())
        };
        let missing: Vec<String> = manifests.into_iter().chain(others().map_err(|e| retry(&e))?).collect();
        if !missing.is_empty() {
            return Err(PhaseError::retry(mask(&missing.join("; ")), ADVICE));
        }
        let counts = [
            ("components of k3s", components.len()),
            ("manifests", addons.len()),
            ("charts", charts.len()),
            ("deployments", deployments.len()),
            ("stateful sets", stateful_sets.len()),
            ("daemon sets", daemon_sets.len()),
            ("load balancers", load_balancers.len()),
            ("certificates", certificates.len()),
        ];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let counts = counts.map(|(what, count)| format!("{what}: {count}")).collect::<Vec<_>>().join(", ");
        Ok([counts].into_iter().chain(left_over::note(&known, addons)).collect())
    }

    fn on_timeout(&self, cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        let failure = match last {
            PhaseError::Retry(failure) => failure,
            PhaseError::Abort(failure) => return Err(failure),
        };
        let what =
            format!("the workload is not complete after {} s: {}", self.limit(cx).as_secs(), failure.what);
        Err(Failure { what, ..failure })
    }
}

/// All that are missing, with the reason for the first of them; `None` if there is nothing.
fn first_of(
    what: &str,
    wanted: &[NamespacedName],
    state: impl Fn(&NamespacedName) -> Result<State, KubeError>,
) -> Result<Option<String>, KubeError> {
    let mut missing = Vec::new();
    let mut reason = None;
    for name in wanted {
        if let Err(why) = state(name)? {
            missing.push(name.to_string());
            reason =
                reason.or_else(|| why.filter(|_| missing.len() == 1).map(|why| format!(" ({name}: {why})")));
        }
    }
    let reason = reason.unwrap_or_default();
    Ok((!missing.is_empty()).then(|| format!("{what}: {}{reason}", missing.join(", "))))
}
