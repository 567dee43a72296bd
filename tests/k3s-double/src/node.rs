//! The Node object, in the shape of `v1.Node`.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::settings::NodeSettings;
use crate::{clock, version};

/// Without news from its agent for this long, a node counts as lost (the node controller's grace period).
const GRACE: Duration = Duration::from_secs(40);

/// A node that has just registered or reports its state.
pub(crate) struct Report<'a> {
    /// Which node.
    pub(crate) settings: &'a NodeSettings,
    /// A server's own node.
    pub(crate) control_plane: bool,
    /// The member of etcd on a server that has one.
    pub(crate) member: Option<&'a str>,
    /// What its condition Ready says.
    pub(crate) ready: bool,
    /// The images found in its archives.
    pub(crate) images: &'a [String],
    /// When Ready last changed, RFC 3339.
    pub(crate) since: &'a str,
}

impl Report<'_> {
    /// The object.
    pub(crate) fn object(&self) -> Value {
        let node = self.settings;
        let images: Vec<Value> = self.images.iter().map(|name| json!({"names": [name]})).collect();
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": node.name, "labels": self.labels(), "annotations": self.annotations(),
                "creationTimestamp": self.since,
            },
            "spec": {},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": node.address.to_string()},
                    {"type": "Hostname", "address": node.name},
                ],
                "conditions": [ready_condition(self.ready, self.since)],
                "images": images,
                "nodeInfo": {
                    "bootID": boot_id(),
                    "architecture": architecture(),
                    "operatingSystem": "linux",
                    "kubeletVersion": version(),
                    "containerRuntimeVersion": "k3s-double://0",
                },
            },
        })
    }

    /// By these k3s finds the member of a Node that is deleted.
    fn annotations(&self) -> Value {
        match self.member {
            Some(member) => json!({
                "etcd.k3s.cattle.io/node-name": member,
                "etcd.k3s.cattle.io/node-address": self.settings.address.to_string(),
            }),
            None => json!({}),
        }
    }

    fn labels(&self) -> Value {
        let node = self.settings;
        let mut labels = json!({
            "kubernetes.io/arch": architecture(),
            "kubernetes.io/hostname": node.name,
            "kubernetes.io/os": "linux",
            "node.kubernetes.io/instance-type": "k3s",
        });
        if let Some(map) = labels.as_object_mut() {
            map.extend(node.labels.iter().map(|(name, value)| (name.clone(), json!(value))));
            if self.control_plane {
                map.insert("node-role.kubernetes.io/control-plane".into(), json!("true"));
            }
            if self.member.is_some() {
                map.insert("node-role.kubernetes.io/etcd".into(), json!("true"));
            }
        }
        labels
    }
}

/// The kernel's name for this boot, as the kubelet reports it.
fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// Go's name of this machine's architecture.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}

fn ready_condition(ready: bool, since: &str) -> Value {
    let (status, reason, message) = match ready {
        true => ("True", "KubeletReady", "kubelet is posting ready status"),
        false => {
            ("False", "KubeletNotReady", "container runtime network not ready: cni plugin not initialized")
        }
    };
    condition(status, reason, message, since)
}

fn condition(status: &str, reason: &str, message: &str, since: &str) -> Value {
    json!({
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": clock::rfc3339_now(),
        "lastTransitionTime": since,
    })
}

/// The object as it is to be shown: with Ready "Unknown" when its agent was last heard too long ago.
pub(crate) fn judged(mut node: Value, heard: Option<SystemTime>) -> Value {
    let silent = heard.is_none_or(|when| when.elapsed().is_ok_and(|since| since > GRACE));
    if silent {
        let lost = condition(
            "Unknown",
            "NodeStatusUnknown",
            "Kubelet stopped posting node status.",
            &clock::rfc3339_now(),
        );
        if let Some(conditions) = node.pointer_mut("/status/conditions") {
            *conditions = json!([lost]);
        }
    }
    node
}

/// When its agent last reported, by the agent's own clock; `None` if it says nothing that can be read.
pub(crate) fn heartbeat(node: &Value) -> Option<SystemTime> {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array)?;
    let ready = conditions.iter().find(|one| one.get("type") == Some(&json!("Ready")))?;
    clock::parse(ready.get("lastHeartbeatTime")?.as_str()?)
}

/// The status of a node's condition Ready: "True", "False" or "Unknown".
pub(crate) fn ready_status(node: &Value) -> &str {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().find(|one| one.get("type") == Some(&json!("Ready")));
    ready.and_then(|one| one.get("status")).and_then(Value::as_str).unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> NodeSettings {
        NodeSettings {
            etc: "/etc/rancher".into(),
            data: "/var/lib/rancher/k3s".into(),
            name: "hc-1".into(),
            address: [10, 0, 0, 1].into(),
            lb_port: 6444,
            labels: vec![("a".into(), "b".into())],
        }
    }

    fn object(ready: bool) -> Value {
        let settings = settings();
        let since = "2026-01-01T00:00:00Z";
        Report {
            settings: &settings,
            control_plane: true,
            member: None,
            ready,
            images: &["a:1".into()],
            since,
        }
        .object()
    }

    #[test]
    fn ready_says_so_with_the_reason_of_the_kubelet() {
        let node = object(true);
        assert_eq!(ready_status(&node), "True");
        assert_eq!(node.pointer("/status/conditions/0/reason").unwrap(), "KubeletReady");
        assert_eq!(node.pointer("/metadata/labels/a").unwrap(), "b");
    }

    #[test]
    fn a_node_not_heard_of_is_unknown() {
        let heard_now = judged(object(true), Some(SystemTime::now()));
        assert_eq!(ready_status(&heard_now), "True");
        assert_eq!(ready_status(&judged(object(true), None)), "Unknown");
        let long_ago = SystemTime::now() - Duration::from_secs(41);
        assert_eq!(ready_status(&judged(object(true), Some(long_ago))), "Unknown");
    }
}
