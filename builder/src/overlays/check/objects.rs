//! All objects of a cluster's manifests.

use std::collections::BTreeSet;
use std::fmt;

use yaml_rust2::Yaml;

use crate::formats::kubernetes_list;

use super::kinds::{is_namespaced, is_of_kubernetes};
use super::{Source, Told, error, items, text};

/// An object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) place: &'a str,
    pub(super) checked: bool,
    /// Without the version; empty for the core.
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) kind: &'a str,
    /// Empty where it has none.
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) yaml: &'a Yaml,
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

pub(super) struct Objects<'a> {
    all: Vec<Object<'a>>,
    chart_namespaces: &'a BTreeSet<String>,
}

/// Namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

impl<'a> Objects<'a> {
    pub(super) fn new(sources: &[Source<'a>], chart_namespaces: &'a BTreeSet<String>) -> Self {
        let mut all = Vec::new();
        for source in sources {
            let objects = source.documents.iter().flat_map(kubernetes_list::objects);
            all.extend(objects.filter_map(|yaml| object(source, yaml)));
        }
        Self { all, chart_namespaces }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Object<'a>> {
        self.all.iter()
    }

    pub(super) fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object<'a>> {
        self.all
            .iter()
            .find(|object| object.kind == kind && object.namespace == namespace && object.name == name)
    }

    /// Whether a namespace may have objects that are not in any manifest: those of charts, of k3s itself, and of controllers,
    /// which make secrets, services and more for objects of theirs.
    pub(super) fn has_others(&self, namespace: &str) -> bool {
        let has_controller = |object: &Object<'_>| {
            object.namespace == namespace && object.group.contains('.') && !makes_nothing(object.group)
        };
        NAMESPACES.contains(&namespace)
            || self.chart_namespaces.contains(namespace)
            || self.all.iter().any(has_controller)
    }

    /// Whether a stateful set makes this claim: template, set and number are its name.
    pub(super) fn has_claim_of_set(&self, namespace: &str, claim: &str) -> bool {
        let sets = self.all.iter().filter(|set| set.kind == "StatefulSet" && set.namespace == namespace);
        let names = |set: &Object<'a>| -> Vec<String> {
            let templates = items(&set.yaml["spec"]["volumeClaimTemplates"]);
            templates
                .map(|template| format!("{}-{}-", text(template, &["metadata", "name"]), set.name))
                .collect()
        };
        sets.flat_map(names)
            .any(|begin| claim.strip_prefix(&begin).is_some_and(|number| number.parse::<u16>().is_ok()))
    }

    /// Whether charts bring objects, some of them for the whole cluster.
    pub(super) fn has_charts(&self) -> bool {
        !self.chart_namespaces.is_empty()
    }

    /// Whether there is a namespace of that name once all is applied.
    pub(super) fn has_namespace(&self, namespace: &str) -> bool {
        self.has_others(namespace) || self.find("Namespace", "", namespace).is_some()
    }

    /// The object is in two manifests: the one that is applied last would win, and the removal of either take it away.
    pub(super) fn twice(&self, object: &Object<'_>, told: &mut Told) {
        // It gets its name from the API server.
        if object.name.is_empty() {
            return;
        }
        let same = |other: &&Object<'_>| {
            (other.group, other.kind, other.namespace, other.name)
                == (object.group, object.kind, object.namespace, object.name)
                && !std::ptr::eq(other.yaml, object.yaml)
        };
        if let Some(other) = self.all.iter().find(same) {
            error(told, format!("it is in {}, too: an object belongs into one manifest", other.place));
        }
    }
}

/// Groups whose controllers make no objects: those of Kubernetes, and the routers' own.
fn makes_nothing(group: &str) -> bool {
    group == "traefik.io" || is_of_kubernetes(group)
}

/// Nothing where it has no kind, as in a document with nothing but comments.
fn object<'a>(source: &Source<'a>, yaml: &'a Yaml) -> Option<Object<'a>> {
    let kind = text(yaml, &["kind"]);
    if kind.is_empty() {
        return None;
    }
    let api = text(yaml, &["apiVersion"]);
    let (group, version) = api.split_once('/').unwrap_or(("", api));
    let namespace = match text(yaml, &["metadata", "namespace"]) {
        "" if is_namespaced(group, kind) => "default",
        namespace => namespace,
    };
    let name = text(yaml, &["metadata", "name"]);
    Some(Object { place: source.place, checked: source.checked, group, version, kind, namespace, name, yaml })
}
