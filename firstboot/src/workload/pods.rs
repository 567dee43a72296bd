//! Why a pod does not run.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::kube::{Condition, Meta, bounded, condition};

/// A Pod (core/v1), as far as its state is explained by it.
#[derive(Debug, Deserialize)]
pub(crate) struct Pod {
    #[serde(default)]
    metadata: PodMeta,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Debug, Deserialize, Default)]
struct PodMeta {
    #[serde(flatten)]
    common: Meta,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    #[serde(default)]
    node_name: String,
    #[serde(default)]
    init_containers: Vec<Container>,
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
struct Container {
    #[serde(default)]
    name: String,
    #[serde(default)]
    image: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PodStatus {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    init_container_statuses: Vec<ContainerStatus>,
    #[serde(default)]
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    #[serde(default)]
    name: String,
    #[serde(default)]
    image: String,
    #[serde(default)]
    state: ContainerState,
    #[serde(default)]
    last_state: ContainerState,
}

#[derive(Debug, Deserialize, Default)]
struct ContainerState {
    waiting: Option<Waiting>,
    terminated: Option<Terminated>,
}

#[derive(Debug, Deserialize)]
struct Waiting {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terminated {
    #[serde(default)]
    exit_code: i32,
    #[serde(default)]
    reason: String,
}

/// How much a reason explains; the first says most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Fault,
    Waiting,
    Running,
}

impl Pod {
    /// Whether it belongs to an object.
    pub(crate) fn belongs_to(&self, kind: &str, name: &str) -> bool {
        self.metadata.common.owner_references.iter().any(|owner| owner.kind == kind && owner.name == name)
    }

    /// Whether it belongs to a replica set of a deployment: that has the deployment's name and a hash.
    pub(crate) fn is_of_deployment(&self, name: &str) -> bool {
        self.metadata.common.owner_references.iter().any(|owner| {
            owner.kind == "ReplicaSet" && owner.name.rsplit_once('-').is_some_and(|(of, _)| of == name)
        })
    }

    /// Whether it has a label with a value.
    pub(crate) fn has_label(&self, key: &str, value: &str) -> bool {
        self.metadata.labels.get(key).is_some_and(|found| found == value)
    }

    /// Whether it was put on a node.
    pub(crate) fn is_on(&self, node: &str) -> bool {
        self.spec.node_name == node
    }

    /// Whether all its containers run and are ready.
    pub(crate) fn is_ready(&self) -> bool {
        condition(&self.status.conditions, "Ready").is_some_and(|ready| ready.status == "True")
    }

    /// Why it is not ready.
    fn reason(&self) -> (Weight, String) {
        let statuses = || self.status.init_container_statuses.iter().chain(&self.status.container_statuses);
        if let Some(fault) = statuses().find_map(|status| self.fault(status)) {
            return (Weight::Fault, fault);
        }
        if let Some(scheduled) = condition(&self.status.conditions, "PodScheduled")
            && scheduled.status == "False"
        {
            return (Weight::Fault, format!("{}: {}", scheduled.reason, scheduled.message));
        }
        let status = &self.status;
        if status.phase == "Failed" {
            return (Weight::Fault, format!("Failed, {}: {}", status.reason, status.message));
        }
        let waiting = statuses().find_map(|status| status.state.waiting.as_ref());
        match waiting.filter(|waiting| !waiting.reason.is_empty()) {
            Some(waiting) => (Weight::Waiting, waiting.reason.clone()),
            None if status.phase == "Running" => (Weight::Running, "running, but not ready".to_owned()),
            None => (Weight::Waiting, status.phase.clone()),
        }
    }

    /// What went wrong in a container.
    fn fault(&self, status: &ContainerStatus) -> Option<String> {
        let image = self.image(status);
        if let Some(Waiting { reason, message }) = &status.state.waiting {
            // Normal at the start of every pod.
            if ["", "ContainerCreating", "PodInitializing"].contains(&reason.as_str()) {
                return None;
            }
            let exit = status.last_state.terminated.as_ref();
            let exit = exit.map(|last| format!(", exit code {}", last.exit_code)).unwrap_or_default();
            let message = if message.is_empty() { String::new() } else { format!(": {message}") };
            return Some(format!("{reason}{exit}, image {image}{message}"));
        }
        let ended = status.state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
        Some(format!("{}, exit code {}, image {image}", ended.reason, ended.exit_code))
    }

    /// The image that the pod asks for; the status may have its digest instead.
    fn image<'a>(&'a self, status: &'a ContainerStatus) -> &'a str {
        let mut containers = self.spec.init_containers.iter().chain(&self.spec.containers);
        let asked = containers.find(|container| container.name == status.name);
        asked.map_or(&status.image, |container| &container.image)
    }
}

/// The pod that is not ready and says most about it: its name and the reason. `None` if all are ready, or there is none.
pub(crate) fn complaint<'a>(pods: impl Iterator<Item = &'a Pod>) -> Option<String> {
    let unready = pods.filter(|pod| !pod.is_ready() && pod.status.phase != "Succeeded");
    let (_, pod, reason) = unready
        .map(|pod| {
            let (weight, reason) = pod.reason();
            (weight, pod, reason)
        })
        .min_by_key(|(weight, ..)| *weight)?;
    Some(format!("pod {}: {}", pod.metadata.common.name, bounded(&reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, spec: &str, status: &str) -> Pod {
        let owner = r#"[{"kind":"ReplicaSet","name":"coredns-5d78c9869d"}]"#;
        let text = format!(
            r#"{{"metadata":{{"name":"{name}","ownerReferences":{owner},"labels":{{"a":"b"}}}},"spec":{spec},"status":{status}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    const SPEC: &str = r#"{"nodeName":"hc-1","containers":[{"name":"c","image":"rancher/coredns:1"}]}"#;

    #[test]
    fn each_state_has_its_reason() {
        let table = [
            (
                r#"{"phase":"Pending","containerStatuses":[{"name":"c","image":"sha256:1","state":{"waiting":{"reason":"ErrImagePull","message":"no such\nhost"}}}]}"#,
                "ErrImagePull, image rancher/coredns:1: no such host",
            ),
            (
                r#"{"phase":"Running","containerStatuses":[{"name":"c","state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off"}},
                    "lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]}"#,
                "CrashLoopBackOff, exit code 137, image rancher/coredns:1: back-off",
            ),
            (
                r#"{"phase":"Failed","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":1,"reason":"Error"}}}]}"#,
                "Error, exit code 1, image rancher/coredns:1",
            ),
            (
                r#"{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/1 nodes are available"}]}"#,
                "Unschedulable: 0/1 nodes are available",
            ),
            (
                r#"{"phase":"Failed","reason":"Evicted","message":"low on memory"}"#,
                "Failed, Evicted: low on memory",
            ),
            (
                r#"{"phase":"Pending","containerStatuses":[{"name":"c","state":{"waiting":{"reason":"ContainerCreating"}}}]}"#,
                "ContainerCreating",
            ),
            (
                r#"{"phase":"Running","conditions":[{"type":"Ready","status":"False"}],"containerStatuses":[{"name":"c","state":{"running":{}}}]}"#,
                "running, but not ready",
            ),
            (r#"{"phase":"Pending"}"#, "Pending"),
        ];
        for (status, expected) in table {
            let pod = pod("coredns-5d78c9869d-x", SPEC, status);
            assert!(!pod.is_ready());
            assert_eq!(
                complaint([&pod].into_iter()).unwrap(),
                format!("pod coredns-5d78c9869d-x: {expected}")
            );
        }
    }

    #[test]
    fn the_pod_that_says_most_is_named_and_ready_ones_are_not() {
        let ready = pod("a", SPEC, r#"{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}"#);
        let done =
            pod("b", SPEC, r#"{"phase":"Succeeded","conditions":[{"type":"Ready","status":"False"}]}"#);
        let waits = pod("c", SPEC, r#"{"phase":"Pending"}"#);
        let fails = pod("d", SPEC, r#"{"phase":"Failed","reason":"Evicted"}"#);
        assert!(complaint([&ready, &waits, &fails].into_iter()).unwrap().starts_with("pod d: "));
        assert_eq!(complaint([&ready, &done].into_iter()), None);
        assert_eq!(complaint([].into_iter()), None);
    }

    #[test]
    fn a_pod_knows_whose_it_is() {
        let pod = pod("x", SPEC, "{}");
        assert!(pod.is_of_deployment("coredns") && pod.is_on("hc-1") && pod.has_label("a", "b"));
        assert!(!pod.is_of_deployment("core") && !pod.belongs_to("Job", "coredns-5d78c9869d"));
        assert!(pod.belongs_to("ReplicaSet", "coredns-5d78c9869d"));
    }
}
