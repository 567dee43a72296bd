//! Objects of the cluster, and the states that kubelets and controllers would report of them.

use serde_json::{Value, json};

use crate::control_plane::ControlPlane;

pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const JSON: &str = "application/json";

pub(crate) fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
}

pub(crate) fn ready(status: &str, boot_id: &str) -> Value {
    let now = "2026-11-26T12:00:00Z";
    json!({"status": {
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "images": [{"names": ["rancher/only:1"]}],
        "nodeInfo": {"bootID": boot_id, "kubeletVersion": "v1.36.4"},
        "conditions": [{
            "type": "Ready", "status": status, "reason": "KubeletNotReady", "message": "cni plugin not initialized",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        }],
    }})
}

/// A custom resource as far as hc-firstboot reads it; k3s's own has a schema.
pub(crate) fn definition(group: &str, kind: &str) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}},
            }],
        },
    })
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "only", "image": "rancher/only:1"}]}})
}

pub(crate) fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template()},
    })
}

pub(crate) fn available(plane: &ControlPlane, name: &str) {
    let status = json!({"status": {
        "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
        "conditions": [{
            "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.",
        }],
    }});
    let path = format!("/apis/apps/v1/namespaces/kube-system/deployments/{name}/status");
    plane.write("PATCH", &path, MERGE, &status);
}

pub(crate) fn job_object(name: &str) -> Value {
    let mut template = template();
    template["spec"]["restartPolicy"] = json!("OnFailure");
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"template": template},
    })
}

pub(crate) fn complete(plane: &ControlPlane, job: &str) {
    let (begun, ended) = ("2026-11-26T12:00:00Z", "2026-11-26T12:00:09Z");
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "CompletionsReached", "message": "", "lastTransitionTime": ended});
    let status = json!({"status": {
        "startTime": begun, "completionTime": ended, "succeeded": 1,
        "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
    }});
    plane.write("PATCH", &format!("/apis/batch/v1/namespaces/kube-system/jobs/{job}/status"), MERGE, &status);
}

pub(crate) fn pod(name: &str, owner: &str, of: &str) -> Value {
    let version = if owner == "Job" { "batch/v1" } else { "apps/v1" };
    let uid = "00000000-0000-0000-0000-000000000001";
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "kube-system",
            "ownerReferences": [{"apiVersion": version, "kind": owner, "name": of, "uid": uid}],
        },
        "spec": {"nodeName": "hc-1", "containers": [{"name": "only", "image": "rancher/only:1"}]},
    })
}
