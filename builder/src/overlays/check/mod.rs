//! Checks of what overlays render, together with the manifests of the user: what no schema of a single object finds.
//!
//! ```text
//! objects.rs     all objects, by kind, namespace and name
//! kinds.rs       the kinds that Kubernetes itself has
//! references.rs  what objects name of each other
//! pods.rs        what pods name
//! workloads.rs   requests, limits, probes
//! expansion.rs   texts that Kubernetes would change
//! ```
//! Charts bring objects that nobody sees here: names in their namespaces are taken as they are.

pub(super) mod expansion;
mod kinds;
mod objects;
mod pods;
mod references;
mod workloads;

use std::collections::BTreeSet;

use yaml_rust2::Yaml;

use objects::{Object, Objects};

/// A manifest, parsed.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What messages call it, such as `manifests/app.yaml of nextcloud`.
    pub place: &'a str,
    /// Its documents.
    pub documents: &'a [Yaml],
    /// Whether it is of an overlay: what is wrong in the user's own manifests is theirs.
    pub checked: bool,
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// File and object.
    pub place: String,
    /// What is wrong, and the fix.
    pub problem: String,
    /// Whether it works all the same, only worse.
    pub is_warning: bool,
}

/// All that is wrong. `chart_namespaces` have objects of charts, too.
pub fn check(sources: &[Source<'_>], chart_namespaces: &BTreeSet<String>) -> Vec<Finding> {
    let objects = Objects::new(sources, chart_namespaces);
    let mut found = Vec::new();
    for object in objects.iter().filter(|object| object.checked) {
        let mut told = Vec::new();
        kinds::check(object, &mut told);
        objects.twice(object, &mut told);
        references::check(object, &objects, &mut told);
        workloads::check(object, &mut told);
        found.extend(told.into_iter().map(|(problem, is_warning)| Finding {
            place: format!("{}: {object}", object.place),
            problem,
            is_warning,
        }));
    }
    found.sort();
    found.dedup();
    found
}

/// Problems of an object, each with whether it is a warning.
type Told = Vec<(String, bool)>;

fn error(told: &mut Told, problem: String) {
    told.push((problem, false));
}

/// A text below an object; empty where it is none.
fn text<'a>(yaml: &'a Yaml, keys: &[&str]) -> &'a str {
    keys.iter().fold(yaml, |yaml, key| &yaml[*key]).as_str().unwrap_or_default()
}

/// The items of a list; none where it is no list.
fn items(yaml: &Yaml) -> impl Iterator<Item = &Yaml> {
    yaml.as_vec().into_iter().flatten()
}

/// The pod in a workload.
fn pod<'a>(object: &Object<'a>) -> Option<&'a Yaml> {
    let spec = &object.yaml["spec"];
    let pod = match object.kind {
        "Pod" => spec,
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => &spec["template"]["spec"],
        "CronJob" => &spec["jobTemplate"]["spec"]["template"]["spec"],
        _ => return None,
    };
    pod.as_hash().map(|_| pod)
}

/// The labels of the pods of a workload.
fn pod_labels<'a>(object: &Object<'a>) -> Option<&'a Yaml> {
    match object.kind {
        "Pod" => Some(&object.yaml["metadata"]["labels"]),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
            Some(&object.yaml["spec"]["template"]["metadata"]["labels"])
        }
        _ => None,
    }
}
