//! Helm charts: the packed charts where the API of each server serves them, and the objects by which k3s installs them.

use crate::charts::PackedChart;
use crate::cluster::{Chart, ChartOverlay};
use crate::formats::helm_chart::{self, FailurePolicy, HelmChart, Source};
use crate::value::{BootstrapRole, Role, Secret};

use super::builder::PlanBuilder;
use super::edit::Content;
use super::error::PlanError;
use super::k3s::MANIFESTS;
use super::request::Request;

/// What k3s serves at `/static/charts`.
const CHARTS: &str = "/var/lib/rancher/k3s/server/static/charts";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    for (chart, packed) in request.cluster.charts.iter().zip(request.charts) {
        check(chart, packed, request)?;
        // Any server may be asked for it.
        if request.node.bootstrap_role.role() == Role::Server {
            let path = format!("{CHARTS}/{}", packed.archive.name);
            let reason = format!("chart {} {}", packed.name, packed.version);
            builder.artifact(&path, 0o644, &packed.archive, reason);
        }
        if request.node.bootstrap_role == BootstrapRole::InitServer {
            install(builder, chart, packed, request);
        }
    }
    Ok(())
}

fn install(builder: &mut PlanBuilder, chart: &Chart, packed: &PackedChart, request: &Request<'_>) {
    let text = text(chart, packed, secret_values(chart, request));
    let content = match chart.secret_values {
        Some(_) => Content::Secret(Secret::new(text)),
        None => Content::Bytes(text.into_bytes().into()),
    };
    let path = format!("{MANIFESTS}/{}.yaml", chart.addon());
    builder.file(&path, 0o600, content, format!("k3s installs the chart {}", packed.name));
    builder.addon(&chart.addon());
}

/// Those of an overlay have the cluster's secrets only in what was filled in for this build.
fn secret_values<'a>(chart: &'a Chart, request: &Request<'a>) -> Option<&'a str> {
    let Some(ChartOverlay { name, secret_values }) = &chart.overlay else {
        return chart.secret_values.as_ref().map(|values| values.expose());
    };
    let filled = request.overlays.iter().find(|overlay| overlay.name == *name)?;
    filled.texts.values.get(secret_values.as_ref()?).map(String::as_str)
}

fn text(chart: &Chart, packed: &PackedChart, secret_values: Option<&str>) -> String {
    helm_chart::render(&HelmChart {
        release: chart.release.as_str(),
        source: Source::Served(&packed.archive.name),
        namespace: chart.namespace.as_str(),
        values: chart.values.as_deref(),
        secret_values,
        failure_policy: chart.failure_policy,
        bootstrap: chart.bootstrap,
    })
}

/// What Helm, or the job that runs it, would refuse on the node.
fn check(chart: &Chart, packed: &PackedChart, request: &Request<'_>) -> Result<(), PlanError> {
    let release = &request.k3s.version;
    let refused = |problem: String| PlanError::Chart { release: chart.release.to_string(), problem };
    if chart.failure_policy == Some(FailurePolicy::Retry) && !release.retries_charts() {
        let problem =
            format!("k3s {release} does not know the failure policy retry: use abort, or a newer k3s");
        return Err(refused(problem));
    }
    if packed.wants_other(release) {
        let wanted = packed.kube_version.as_deref().unwrap_or_default();
        let PackedChart { name, version, .. } = packed;
        return Err(refused(format!(
            "{name} {version} wants Kubernetes {wanted}, and k3s is {release}: choose another version of one of them"
        )));
    }
    Ok(())
}
