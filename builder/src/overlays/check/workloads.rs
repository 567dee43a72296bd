//! What keeps a small board alive: memory that is bounded, and containers that are asked whether they work.

use super::objects::Object;
use super::{Told, items, pod, text};

pub(super) fn check(object: &Object<'_>, told: &mut Told) {
    let Some(pod) = pod(object) else { return };
    for container in items(&pod["containers"]) {
        let name = text(container, &["name"]);
        let mut lacks = |what: &str| told.push((format!("the container {name} has no {what}"), true));
        let resources = &container["resources"];
        if resources["requests"]["memory"].is_badvalue() {
            lacks("resources.requests.memory");
        }
        if resources["limits"]["memory"].is_badvalue() {
            lacks("resources.limits.memory");
        }
        let is_service = matches!(object.kind, "Deployment" | "StatefulSet" | "DaemonSet");
        let probes = ["readinessProbe", "livenessProbe"];
        if is_service && probes.iter().all(|probe| container[*probe].is_badvalue()) {
            lacks("readinessProbe or livenessProbe");
        }
    }
}
