//! The kinds that Kubernetes itself has in 1.34 to 1.37, in the versions that are served by default (Kubernetes API reference).

use super::objects::Object;
use super::{Told, error};

struct Group {
    /// Empty for the core.
    name: &'static str,
    versions: &'static [&'static str],
    namespaced: &'static [&'static str],
    of_cluster: &'static [&'static str],
}

const GROUPS: [Group; 12] = [
    Group {
        name: "",
        versions: &["v1"],
        namespaced: &[
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
        of_cluster: &["Namespace", "Node", "PersistentVolume"],
    },
    Group {
        name: "apps",
        versions: &["v1"],
        namespaced: &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"],
        of_cluster: &[],
    },
    Group { name: "batch", versions: &["v1"], namespaced: &["CronJob", "Job"], of_cluster: &[] },
    Group {
        name: "networking.k8s.io",
        versions: &["v1"],
        namespaced: &["Ingress", "NetworkPolicy"],
        of_cluster: &["IngressClass", "IPAddress", "ServiceCIDR"],
    },
    Group {
        name: "rbac.authorization.k8s.io",
        versions: &["v1"],
        namespaced: &["Role", "RoleBinding"],
        of_cluster: &["ClusterRole", "ClusterRoleBinding"],
    },
    Group { name: "policy", versions: &["v1"], namespaced: &["PodDisruptionBudget"], of_cluster: &[] },
    Group {
        name: "storage.k8s.io",
        versions: &["v1"],
        namespaced: &["CSIStorageCapacity"],
        of_cluster: &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"],
    },
    Group {
        name: "autoscaling",
        versions: &["v1", "v2"],
        namespaced: &["HorizontalPodAutoscaler"],
        of_cluster: &[],
    },
    Group { name: "scheduling.k8s.io", versions: &["v1"], namespaced: &[], of_cluster: &["PriorityClass"] },
    Group { name: "coordination.k8s.io", versions: &["v1"], namespaced: &["Lease"], of_cluster: &[] },
    Group {
        name: "apiextensions.k8s.io",
        versions: &["v1"],
        namespaced: &[],
        of_cluster: &["CustomResourceDefinition"],
    },
    Group {
        name: "admissionregistration.k8s.io",
        versions: &["v1"],
        namespaced: &[],
        of_cluster: &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    },
];

/// Whether objects of a kind lie in namespaces. Those of custom kinds say it by having one.
pub(super) fn is_namespaced(group: &str, kind: &str) -> bool {
    GROUPS.iter().any(|known| known.name == group && known.namespaced.contains(&kind))
}

/// Whether a group is one of these.
pub(super) fn is_of_kubernetes(group: &str) -> bool {
    GROUPS.iter().any(|known| known.name == group)
}

/// A kind or version that no supported release has.
pub(super) fn check(object: &Object<'_>, told: &mut Told) {
    let Object { group, version, kind, .. } = object;
    let Some(known) = GROUPS.iter().find(|known| known.name == *group) else {
        // A group without a dot is one of Kubernetes itself, and there is none of this name.
        if !group.contains('.') {
            error(told, format!("Kubernetes has no API group {group}"));
        }
        return;
    };
    let has_kind = known.namespaced.iter().chain(known.of_cluster).any(|known| known == kind);
    let api = if group.is_empty() { (*version).to_owned() } else { format!("{group}/{version}") };
    if !has_kind {
        error(told, format!("{api} has no kind {kind}"));
    } else if !known.versions.contains(version) {
        error(told, format!("{api} is not served: use {}", known.versions.join(" or ")));
    }
    if known.of_cluster.contains(kind) && !object.namespace.is_empty() {
        error(told, format!("a {kind} lies in no namespace: remove it"));
    }
}
