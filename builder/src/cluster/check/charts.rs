//! Charts: where each comes from, and names that k3s would confuse.

use std::collections::BTreeSet;

use crate::charts::ChartRepo;
use crate::cluster::field::Span;
use crate::cluster::file::{ChartAuthTable, ChartTable, File};
use crate::cluster::model::Chart;
use crate::cluster::problem::Problems;
use crate::formats::helm_chart::LONGEST_RELEASE;

use super::unique;

/// Releases of k3s itself: another object of the name would replace them.
const PACKAGED: [&str; 3] = ["gateway-api-crd", "traefik", "traefik-crd"];

pub(super) fn check(file: &File, problems: &mut Problems<'_>) {
    let tables = || file.charts.iter().map(|chart| (chart.get_ref(), chart.span()));
    let named = tables().filter_map(|(chart, _)| chart.name.as_ref()).map(|name| (&name.value, &name.span));
    unique::check(problems, named, |name| format!("duplicate chart name {name}"), "choose another name");
    let manifests: BTreeSet<String> = file.manifests.iter().map(super::extras::addon).collect();
    for (chart, span) in tables() {
        place(chart, &span, problems);
        name(chart, &manifests, problems);
    }
}

fn name(chart: &ChartTable, manifests: &BTreeSet<String>, problems: &mut Problems<'_>) {
    let Some(name) = &chart.name else { return };
    let text = name.value.as_str();
    if text.len() > LONGEST_RELEASE {
        let message = format!("a name of {} characters: Helm takes at most {LONGEST_RELEASE}", text.len());
        problems.error(&name.span, message, "choose a shorter name");
    }
    if PACKAGED.contains(&text) {
        let message = format!("k3s itself has a release {text}, which this one would replace");
        problems.error(&name.span, message, "choose another name, such as my-NAME".replace("NAME", text));
    }
    let addon = Chart::addon_of(&name.value);
    if manifests.contains(&addon) {
        let message = format!("a manifest is named {addon}, as the file of the chart {text}");
        problems.error(&name.span, message, "rename the manifest");
    }
}

fn place(chart: &ChartTable, span: &Span, problems: &mut Problems<'_>) {
    let ChartTable { repo, path, version, auth, ca_file, .. } = chart;
    let ChartAuthTable { username, password } = auth;
    match (repo, path) {
        (None, None) if problems.is_whole() => {
            problems.error(
                span,
                "a chart has neither repository nor file",
                "add `repo` and `version`, or `path`",
            );
        }
        (Some(_), Some(path)) => {
            let message = "a chart comes from a repository or from a file, and not from both";
            problems.error(&path.span, message, "remove `repo` or `path`");
        }
        (Some(repo), None) if version.is_none() && problems.is_whole() => {
            problems.error(&repo.span, "a chart of a repository has no version", "add `version`");
        }
        (None, Some(_)) => {
            let spans =
                [version.as_ref().map(|field| &field.span), chart.chart.as_ref().map(|field| &field.span)];
            for span in spans.into_iter().flatten() {
                let message = "a chart from a file has its own name and version";
                problems.error(span, message, "remove `chart` and `version`, or name a `repo`");
            }
        }
        _ => {}
    }
    let is_http = repo.as_ref().is_some_and(|repo| matches!(repo.value, ChartRepo::Http(_)));
    let spans = [
        username.as_ref().map(|field| &field.span),
        password.as_ref().map(|field| &field.span),
        ca_file.as_ref().map(|field| &field.span),
    ];
    if let Some(span) =
        spans.into_iter().flatten().next().filter(|_| !is_http && (repo.is_some() || path.is_some()))
    {
        let message = "these credentials are for a repository at an https address only";
        problems.error(span, message, "for oci:// set them in [registries.configs]; otherwise remove them");
    }
    match (username, password) {
        (Some(username), None) if problems.is_whole() => {
            problems.error(&username.span, "a user without a password", "add `password`");
        }
        (None, Some(password)) if problems.is_whole() => {
            problems.error(&password.span, "a password without a user", "add `username`");
        }
        _ => {}
    }
}
