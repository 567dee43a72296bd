//! The used parts of objects.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Where k3s tells of the files that it applies: `pkg/deploy/controller.go` makes an Addon of each.
pub const ADDONS: &str = "/apis/k3s.cattle.io/v1/namespaces/kube-system/addons";

/// A file that k3s applies, or has applied once: it does not notice when one is deleted.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Addon {
    /// Its name is that of the file, up to its first dot.
    #[serde(default)]
    pub metadata: Meta,
    /// What k3s says of it.
    #[serde(default)]
    pub spec: AddonSpec,
}

/// What k3s says of a file.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct AddonSpec {
    /// The SHA-256 of the file, which k3s writes after all its objects are applied.
    #[serde(default)]
    pub checksum: String,
    /// Its path on the server.
    #[serde(default)]
    pub source: String,
}

/// The metadata of an object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its namespace; empty for objects of the whole cluster.
    #[serde(default)]
    pub namespace: String,
    /// It differs between two objects of one name, one after the other.
    #[serde(default)]
    pub uid: String,
    /// Counts the changes of its spec.
    #[serde(default)]
    pub generation: u64,
    /// Set while it is being deleted.
    #[serde(default)]
    pub deletion_timestamp: Option<String>,
    /// Notes of programs.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// The objects that it belongs to.
    #[serde(default)]
    pub owner_references: Vec<Owner>,
}

/// An object that another belongs to.
#[derive(Debug, Clone, Deserialize)]
pub struct Owner {
    /// Such as `ReplicaSet`.
    #[serde(default)]
    pub kind: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// One condition in the status of an object.
#[derive(Debug, Clone, Deserialize)]
pub struct Condition {
    /// Such as `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word.
    #[serde(default)]
    pub reason: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
}

/// The condition of a type.
pub fn condition<'a>(all: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    all.iter().find(|condition| condition.kind == kind)
}

/// A Node (core/v1).
#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    /// Its name and annotations.
    #[serde(default)]
    pub metadata: Meta,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    node_info: NodeInfo,
}

#[derive(Debug, Clone, Deserialize, Default)]
struct NodeInfo {
    #[serde(rename = "bootID", default)]
    boot_id: String,
}

impl Node {
    /// Its Ready condition; `None` before the kubelet reports one.
    pub fn ready(&self) -> Option<&Condition> {
        condition(&self.status.conditions, "Ready")
    }

    /// Whether its Ready condition is true.
    pub fn is_ready(&self) -> bool {
        self.ready().is_some_and(|condition| condition.status == "True")
    }

    /// The boot in which its kubelet last registered; empty if it says nothing.
    pub fn boot_id(&self) -> &str {
        &self.status.node_info.boot_id
    }
}
