//! Whether an overlay says of a chart how much memory its pods ask for.

use hcimage::value::Quantity;
use yaml_rust2::Yaml;

/// Of Prometheus' operator: what the container asks for that it adds to the pods of each [`OF_OPERATOR`].
const ADDED: &str = "--config-reloader-memory-request=";

/// Kinds of which it makes pods.
const OF_OPERATOR: [&str; 2] = ["Alertmanager", "Prometheus"];

/// Bytes: of all pods of which there is a number, and of those on each node.
pub(super) fn asked(documents: &[Yaml]) -> [u64; 2] {
    let mut sums = [0; 2];
    let added: u64 = documents.iter().map(added).sum();
    for document in documents {
        let replicas = document["spec"]["replicas"].as_i64().unwrap_or(1);
        let (place, count) = match document["kind"].as_str() {
            Some("Deployment" | "StatefulSet") => (0, u64::try_from(replicas).unwrap()),
            Some("DaemonSet") => (1, 1),
            Some(kind) if OF_OPERATOR.contains(&kind) => {
                sums[0] += u64::try_from(replicas).unwrap() * (of_container(&document["spec"]) + added);
                continue;
            }
            _ => continue,
        };
        let containers = document["spec"]["template"]["spec"]["containers"].as_vec().into_iter().flatten();
        sums[place] += count * containers.map(of_container).sum::<u64>();
    }
    sums
}

fn of_container(container: &Yaml) -> u64 {
    let text = container["resources"]["requests"]["memory"].as_str();
    text.map_or(0, |text| text.parse::<Quantity>().unwrap().bytes())
}

/// What the operator adds, where this is its deployment.
fn added(document: &Yaml) -> u64 {
    let containers = document["spec"]["template"]["spec"]["containers"].as_vec().into_iter().flatten();
    let args = containers.flat_map(|container| container["args"].as_vec().into_iter().flatten());
    let words = args.filter_map(|arg| arg.as_str()?.strip_prefix(ADDED));
    words.map(|text| text.parse::<Quantity>().unwrap().bytes()).sum()
}
