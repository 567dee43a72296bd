//! On which nodes a pod may run.

use std::collections::BTreeMap;

use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

use crate::value::{Hostname, Role, Taint};

use super::Node;

/// Where a pod may run, as far as its specification says it (Kubernetes API, `PodSpec`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodPlacement {
    node_name: Option<String>,
    node_selector: BTreeMap<String, String>,
    tolerations: Vec<Toleration>,
    has_node_affinity: bool,
}

/// A taint that the pod does not mind. Empty fields match everything.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Toleration {
    key: String,
    effect: String,
    /// None where any value is tolerated.
    value: Option<String>,
}

impl PodPlacement {
    pub(in crate::cluster) fn of_pod(pod: &Hash) -> Self {
        let field = |key: &str| pod.get(&Yaml::String(key.to_owned())).unwrap_or(&Yaml::BadValue);
        let pairs = field("nodeSelector").as_hash().into_iter().flatten();
        let tolerations = field("tolerations").as_vec().into_iter().flatten();
        Self {
            node_name: field("nodeName").as_str().map(str::to_owned),
            node_selector: pairs
                .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned())))
                .collect(),
            tolerations: tolerations.map(Toleration::of).collect(),
            has_node_affinity:
                !field("affinity")["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
                    .is_badvalue(),
        }
    }

    /// Whether its nodes are chosen by expressions, which are not looked at here.
    pub fn has_node_affinity(&self) -> bool {
        self.has_node_affinity
    }

    /// Whether the pod may run on a node with this processor, `arm64`, by its labels and taints as the node has them from the
    /// start.
    pub fn allows(&self, node: &Node, arch: &str) -> bool {
        if let Some(name) = &self.node_name {
            return name == node.kube_name.as_str();
        }
        let labels = labels(node, arch);
        let is_chosen =
            self.node_selector.iter().all(|(key, value)| labels.get(key.as_str()) == Some(&value.as_str()));
        let mut kept_off = node.taints.iter().filter(|taint| taint.keeps_off());
        is_chosen && kept_off.all(|taint| self.tolerations.iter().any(|toleration| toleration.covers(taint)))
    }
}

/// What a node is known by when it joins: its own labels, and those that the kubelet and k3s set.
fn labels<'a>(node: &'a Node, arch: &'a str) -> BTreeMap<&'a str, &'a str> {
    let own = node.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let by_kubelet = [
        ("kubernetes.io/hostname", Hostname::as_str(&node.kube_name)),
        ("kubernetes.io/arch", arch),
        ("kubernetes.io/os", "linux"),
    ];
    let is_server = node.bootstrap_role.role() == Role::Server;
    let by_k3s = is_server.then_some(("node-role.kubernetes.io/control-plane", "true"));
    by_kubelet.into_iter().chain(by_k3s).chain(own).collect()
}

impl Toleration {
    fn of(yaml: &Yaml) -> Self {
        let text = |key: &str| yaml[key].as_str().unwrap_or_default().to_owned();
        let value = (text("operator") != "Exists").then(|| text("value"));
        Self { key: text("key"), effect: text("effect"), value }
    }

    fn covers(&self, taint: &Taint) -> bool {
        let (key, effect) = taint.identity();
        let is_any = |text: &str, of: &str| text.is_empty() || text == of;
        is_any(&self.key, key)
            && is_any(&self.effect, effect)
            && self.value.as_ref().is_none_or(|value| value == taint.value())
    }
}
