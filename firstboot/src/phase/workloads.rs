//! On the first server: waits until every manifest is applied, every chart is installed and every deployment is
//! available.

use std::time::Duration;

use serde::Deserialize;

use super::Phase;
use crate::context::Context;
use crate::kube::{self, Condition, Meta, condition};
use crate::phase_error::{Failure, PhaseError};
use crate::report::mask;
use crate::seed::{NamespacedName, Workload};
use crate::state::PhaseName;

const ADVICE: &str = "see `k3s kubectl get events -A`, and for a chart the log of its job in its namespace";

pub(super) struct Workloads;

impl Phase for Workloads {
    fn name(&self) -> PhaseName {
        PhaseName::Workloads
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        cx.seed.role.init_server().is_some_and(|first| {
            let Workload { addons, charts, deployments, .. } = &first.workload;
            !(addons.is_empty() && charts.is_empty() && deployments.is_empty())
        })
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        Duration::from_secs(cx.seed.role.init_server().map_or(0, |first| first.workload.wait_seconds))
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
        let Workload { addons, charts, deployments, .. } = &first.workload;
        let steps = [
            addons_applied(cx, addons),
            charts_installed(cx, charts),
            deployments_available(cx, deployments),
        ];
        let missing: Vec<String> = steps.into_iter().flatten().collect();
        if !missing.is_empty() {
            return Err(PhaseError::retry(missing.join("; "), ADVICE));
        }
        let counts =
            [("manifests", addons.len()), ("charts", charts.len()), ("deployments", deployments.len())];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        Ok(vec![counts.map(|(what, count)| format!("{what}: {count}")).collect::<Vec<_>>().join(", ")])
    }

    fn on_timeout(&self, cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        let failure = last.into_failure();
        let what =
            format!("the workload is not complete after {} s: {}", self.limit(cx).as_secs(), failure.what);
        Err(Failure { what, ..failure })
    }
}

#[derive(Deserialize)]
struct Addon {
    metadata: Meta,
    #[serde(default)]
    spec: AddonSpec,
}

#[derive(Deserialize, Default)]
struct AddonSpec {
    /// k3s writes it after all objects of the manifest are applied (`pkg/deploy/controller.go`).
    #[serde(default)]
    checksum: String,
}

fn addons_applied(cx: &Context<'_>, wanted: &[String]) -> Option<String> {
    if wanted.is_empty() {
        return None;
    }
    let addons: Vec<Addon> = match kube::list(cx, ["addons.k3s.cattle.io", "--namespace", "kube-system"]) {
        Ok(addons) => addons,
        Err(why) => return Some(why),
    };
    let applied = |name: &&String| {
        addons.iter().any(|addon| addon.metadata.name == **name && !addon.spec.checksum.is_empty())
    };
    let missing: Vec<&String> = wanted.iter().filter(|name| !applied(name)).collect();
    let first = missing.first()?;
    let reason = complaint(cx, first).map(|why| format!(" ({first}: {why})")).unwrap_or_default();
    Some(format!("manifests not applied: {}{reason}", names(&missing)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    involved_object: Involved,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Involved {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

/// The last warning of k3s about a manifest. It is only a hint: the run continues without it.
fn complaint(cx: &Context<'_>, addon: &str) -> Option<String> {
    let what = [
        "events",
        "--namespace",
        "kube-system",
        "--field-selector",
        "involvedObject.kind=Addon,type=Warning",
    ];
    let events: Vec<Event> = kube::list(cx, what).ok()?;
    let about = |event: &&Event| event.involved_object.kind == "Addon" && event.involved_object.name == addon;
    events.iter().rev().find(about).map(|event| mask(&event.message.replace(char::is_control, " ")))
}

#[derive(Deserialize)]
struct Chart {
    metadata: Meta,
    #[serde(default)]
    status: ChartStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ChartStatus {
    #[serde(default)]
    job_name: String,
}

#[derive(Deserialize)]
struct Job {
    metadata: Meta,
    #[serde(default)]
    status: JobStatus,
}

#[derive(Deserialize, Default)]
struct JobStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

/// The job of a chart is in the chart's namespace; its name is in the chart's status.
fn charts_installed(cx: &Context<'_>, wanted: &[NamespacedName]) -> Option<String> {
    if wanted.is_empty() {
        return None;
    }
    let read = || -> Result<(Vec<Chart>, Vec<Job>), String> {
        let charts = kube::list(cx, ["helmcharts.helm.cattle.io", "--all-namespaces"])?;
        Ok((charts, kube::list(cx, ["jobs", "--all-namespaces"])?))
    };
    let (charts, jobs) = match read() {
        Ok(read) => read,
        Err(why) => return Some(why),
    };
    let job_of = |wanted: &NamespacedName| {
        let chart = charts.iter().find(|chart| is(&chart.metadata, wanted))?;
        let name = &chart.status.job_name;
        jobs.iter().find(|job| job.metadata.namespace == wanted.namespace() && job.metadata.name == *name)
    };
    let done = |wanted: &&NamespacedName| {
        job_of(wanted)
            .and_then(|job| condition(&job.status.conditions, "Complete"))
            .is_some_and(|complete| complete.status == "True")
    };
    let missing: Vec<&NamespacedName> = wanted.iter().filter(|name| !done(name)).collect();
    let first = missing.first()?;
    let failed = job_of(first).and_then(|job| condition(&job.status.conditions, "Failed"));
    Some(format!("charts not installed: {}{}", names(&missing), reason(&first.to_string(), failed)))
}

#[derive(Deserialize)]
struct Deployment {
    metadata: Meta,
    #[serde(default)]
    status: DeploymentStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct DeploymentStatus {
    /// The generation of the spec that the status describes.
    #[serde(default)]
    observed_generation: u64,
    #[serde(default)]
    conditions: Vec<Condition>,
}

fn deployments_available(cx: &Context<'_>, wanted: &[NamespacedName]) -> Option<String> {
    if wanted.is_empty() {
        return None;
    }
    let all: Vec<Deployment> = match kube::list(cx, ["deployments", "--all-namespaces"]) {
        Ok(all) => all,
        Err(why) => return Some(why),
    };
    let find = |name: &NamespacedName| all.iter().find(|one| is(&one.metadata, name));
    let available = |name: &&NamespacedName| {
        find(name).is_some_and(|one| {
            one.status.observed_generation >= one.metadata.generation
                && condition(&one.status.conditions, "Available").is_some_and(|c| c.status == "True")
        })
    };
    let missing: Vec<&NamespacedName> = wanted.iter().filter(|name| !available(name)).collect();
    let first = missing.first()?;
    let why = find(first).and_then(|one| condition(&one.status.conditions, "Available"));
    Some(format!("deployments not available: {}{}", names(&missing), reason(&first.to_string(), why)))
}

fn is(meta: &Meta, wanted: &NamespacedName) -> bool {
    meta.namespace == wanted.namespace() && meta.name == wanted.name()
}

fn names(missing: &[&(impl ToString + ?Sized)]) -> String {
    missing.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

fn reason(of: &str, condition: Option<&Condition>) -> String {
    match condition {
        Some(Condition { reason, message, .. }) if !reason.is_empty() || !message.is_empty() => {
            format!(" ({of}: {})", mask(&format!("{reason}: {message}").replace(char::is_control, " ")))
        }
        _ => String::new(),
    }
}
