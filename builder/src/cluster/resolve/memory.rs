//! Whether what overlays ask for has room in the memory of the boards that it may land on.

use std::collections::BTreeMap;

use yaml_rust2::Yaml;

use crate::cluster::model::{Cluster, Node, PodPlacement};
use crate::value::{Quantity, Role};

/// What k3s itself takes, in bytes: a server with its packaged components (k3s' own resource profiling: 1.6 GiB with a load, half of
/// it idle), and an agent.
const OF_SERVER: u64 = 800 << 20;
const OF_AGENT: u64 = 300 << 20;

/// A workload that asks for memory.
struct Demand {
    overlay: String,
    /// Of one pod, in bytes.
    bytes: u64,
    /// A pod on each node that it may run on.
    everywhere: bool,
    /// None is any node.
    placement: Option<PodPlacement>,
}

/// A line for each node on which more is asked for than it has. Of charts it is what their overlay says that they ask for.
pub(super) fn short(cluster: &Cluster) -> Vec<String> {
    let demands = demands(cluster);
    cluster.nodes.iter().filter_map(|node| of_node(cluster, node, &demands)).collect()
}

fn of_node(cluster: &Cluster, node: &Node, demands: &[Demand]) -> Option<String> {
    let choice = cluster.boards.get(&node.board)?;
    let memory = node.memory.as_ref().or(choice.profile.memory.as_ref())?;
    let may_run = |demand: &&Demand, of: &Node| {
        let Some(placement) = &demand.placement else { return true };
        let choice = cluster.boards.get(&of.board);
        choice.is_some_and(|choice| placement.allows(of, choice.profile.architecture.go()))
    };
    // A pod that may run elsewhere is the scheduler's affair.
    let lands = |demand: &&Demand| {
        may_run(demand, node)
            && (demand.everywhere || cluster.nodes.iter().filter(|of| may_run(demand, of)).count() == 1)
    };
    let mut by_overlay: BTreeMap<&str, u64> = BTreeMap::new();
    for demand in demands.iter().filter(lands) {
        let sum = by_overlay.entry(&demand.overlay).or_default();
        *sum = sum.saturating_add(demand.bytes);
    }
    let own = match node.bootstrap_role.role() {
        Role::Server => OF_SERVER,
        Role::Agent => OF_AGENT,
    };
    let asked = by_overlay.values().fold(own, |sum, bytes| sum.saturating_add(*bytes));
    if by_overlay.is_empty() || asked <= memory.bytes() {
        return None;
    }
    let list: Vec<String> =
        by_overlay.iter().map(|(overlay, bytes)| format!("{overlay} {}", mib(*bytes))).collect();
    Some(format!(
        "{} has {} of memory, and {} are asked for: k3s takes about {}, {}",
        node.name,
        memory.as_str(),
        mib(asked),
        mib(own),
        list.join(", ")
    ))
}

fn demands(cluster: &Cluster) -> Vec<Demand> {
    let mut demands = Vec::new();
    for active in &cluster.overlays {
        for chart in &active.needs.charts {
            for (memory, everywhere) in [(&chart.memory, false), (&chart.memory_each_node, true)] {
                let Some(memory) = memory else { continue };
                let overlay = active.name().to_string();
                // Agents of a node tolerate its taints.
                let placement = (!everywhere).then(PodPlacement::default);
                demands.push(Demand { overlay, bytes: memory.bytes(), everywhere, placement });
            }
        }
        for document in active.documents() {
            let kind = document["kind"].as_str().unwrap_or_default();
            let spec = &document["spec"];
            if !matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet") {
                continue;
            }
            let pod = &spec["template"]["spec"];
            let Some(fields) = pod.as_hash() else { continue };
            let placement = PodPlacement::of_pod(fields);
            // Its expressions are not looked at.
            if placement.has_node_affinity() {
                continue;
            }
            let containers = pod["containers"].as_vec().into_iter().flatten();
            let one = containers.filter_map(requested).fold(0_u64, u64::saturating_add);
            let replicas = spec["replicas"].as_i64().and_then(|count| u64::try_from(count).ok());
            let bytes = if kind == "DaemonSet" { one } else { one.saturating_mul(replicas.unwrap_or(1)) };
            demands.push(Demand {
                overlay: active.name().to_string(),
                bytes,
                everywhere: kind == "DaemonSet",
                placement: Some(placement),
            });
        }
    }
    demands
}

fn requested(container: &Yaml) -> Option<u64> {
    let text = container["resources"]["requests"]["memory"].as_str()?;
    text.parse::<Quantity>().ok().map(|quantity| quantity.bytes())
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
