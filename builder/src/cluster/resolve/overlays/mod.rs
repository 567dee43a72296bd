//! Overlays: those that the file switches on, those that these need, and what the cluster gets from all of them.

mod free_addresses;
mod into;
mod order;

use std::collections::BTreeMap;

use crate::cluster::field::Span;
use crate::cluster::model::*;
use crate::cluster::problem::Problems;
use crate::formats::yaml_load;
use crate::overlays::check::{Finding, Source};
use crate::overlays::{self, ActiveOverlay, ClusterFacts, NodeFacts, Overlay, ParameterType, ParameterValue};
use crate::value::{DnsLabel, Subnet};

use super::memory;
use super::read::Reader;
use into::{Into, Taken};
pub(super) use order::Tables;
use order::{wanted, with_defaults};

/// What the file itself says of k3s, where an overlay could say something else.
pub(super) struct OwnK3s {
    pub(super) flannel_backend: Option<(FlannelBackend, Span)>,
}

/// Adds to `cluster` all that the overlays of the file give it. `loaded` are those that the file names.
pub(super) fn add(
    cluster: &mut Cluster,
    tables: Tables,
    loaded: Vec<Overlay>,
    own: &OwnK3s,
    reader: &mut Reader<'_, '_>,
) {
    let Some(wanted) = wanted(tables, loaded, reader) else { return };
    if let (Some(first), true) = (wanted.first(), cluster.join.is_some()) {
        let hint = "add it to the cluster that these nodes join, or remove the table";
        reader.problems.error(
            &first.span,
            "the nodes join a cluster made elsewhere, which has its own applications",
            hint,
        );
        return;
    }
    let mut facts = facts(cluster);
    facts.overlays = wanted.iter().map(|one| one.overlay.name.to_string()).collect();
    facts.overlays.sort();
    let spans = wanted.iter().map(|one| (one.overlay.name.clone(), one.span.clone())).collect();
    let mut taken = Taken::default();
    let mut addresses = free_addresses::taken(cluster);
    for one in wanted {
        let (span, name) = (one.span.clone(), one.overlay.name.clone());
        let mut parameters = with_defaults(&one.overlay, one.values);
        nodes_exist(cluster, &one.overlay, &mut parameters, &span, reader.problems);
        raw_disks(cluster, &one.overlay, &parameters, &span, reader.problems);
        free_addresses::take(&mut addresses, &one.overlay, &parameters, &span, reader.problems);
        match ActiveOverlay::new(one.overlay, parameters, one.secrets, one.asked_by, facts.clone()) {
            Ok(active) => {
                let into = &mut Into {
                    cluster,
                    taken: &mut taken,
                    name: &name,
                    span: &span,
                    problems: reader.problems,
                };
                into.needs(&active.needs, own);
                into.charts(&active);
                into.manifests(&active);
                cluster.overlays.push(active);
            }
            Err(error) => {
                let hint = "change the parameters, or fix the overlay";
                reader.problems.error(&span, error.to_string(), hint);
            }
        }
    }
    only_one_of_each(&cluster.overlays, &spans, reader.problems);
    user_manifests_stay(cluster, &spans, reader.problems);
    fits_together(cluster, &spans, reader.problems);
    let span = spans.values().next().cloned().unwrap_or_default();
    for line in memory::short(cluster) {
        reader.problems.warning(&span, line, "take a board with more, or other nodes, or fewer overlays");
    }
}

/// The overlays may have disabled components whose names manifests of the user have.
fn user_manifests_stay(cluster: &Cluster, spans: &BTreeMap<DnsLabel, Span>, problems: &mut Problems<'_>) {
    let disables =
        |active: &&ActiveOverlay, component: &str| active.needs.disable.iter().any(|name| name == component);
    for manifest in &cluster.manifests {
        let disabled = cluster.k3s.disable.iter().copied();
        let Some(component) = Manifest::component_in(manifest.name(), disabled) else { continue };
        let component = component.as_str();
        let Some(active) = cluster.overlays.iter().find(|active| disables(active, component)) else {
            continue;
        };
        let message = format!(
            "the overlay {} disables {component}: k3s deletes {} and its objects, which has that name",
            active.name(),
            manifest.name()
        );
        let span = spans.get(active.name()).cloned().unwrap_or_default();
        problems.error(&span, message, "rename the manifest");
    }
}

/// What the overlays' manifests name of each other and of the user's.
fn fits_together(cluster: &Cluster, spans: &BTreeMap<DnsLabel, Span>, problems: &mut Problems<'_>) {
    let parsed = |text: &str| yaml_load::load(text).unwrap_or_default();
    let mut files = Vec::new();
    for active in &cluster.overlays {
        for file in &active.shown.files {
            files.push((Some(active.name()), file.template.clone(), parsed(&file.text)));
        }
    }
    for manifest in &cluster.manifests {
        files.push((None, manifest.name().to_owned(), parsed(manifest.text().expose())));
    }
    let places: Vec<String> = files
        .iter()
        .map(|(overlay, file, _)| match overlay {
            Some(overlay) => format!("overlay {overlay}, {file}"),
            None => file.clone(),
        })
        .collect();
    let sources: Vec<Source<'_>> = files
        .iter()
        .zip(&places)
        .map(|((overlay, _, documents), place)| Source { place, documents, checked: overlay.is_some() })
        .collect();
    let charts = cluster.charts.iter().map(|chart| chart.namespace.to_string()).collect();
    for Finding { place, problem, is_warning } in overlays::check::check(&sources, &charts) {
        let of = files.iter().zip(&places).find(|(_, known)| place.starts_with(&format!("{known}: ")));
        let span = of.and_then(|((overlay, ..), _)| spans.get((*overlay)?)).cloned().unwrap_or_default();
        let message = format!("{place}: {problem}");
        match is_warning {
            true => problems.warning(&span, message, "add it to the overlay's manifest"),
            false => problems.error(&span, message, "fix the overlay, or the manifest of yours"),
        }
    }
}

/// A node that a parameter names is one of the cluster; where none is named, it is the first server. Templates see its name in the
/// cluster.
fn nodes_exist(
    cluster: &Cluster,
    overlay: &Overlay,
    values: &mut BTreeMap<String, ParameterValue>,
    span: &Span,
    problems: &mut Problems<'_>,
) {
    let first = cluster.nodes.init_server().map(|node| node.kube_name.to_string()).unwrap_or_default();
    for (name, parameter) in &overlay.parameters {
        let nodes = match (parameter.kind, values.get_mut(name)) {
            (ParameterType::Node, Some(ParameterValue::Text(node))) if node.is_empty() => {
                node.clone_from(&first);
                continue;
            }
            (ParameterType::Nodes, Some(ParameterValue::List(nodes))) if nodes.is_empty() => {
                nodes.push(first.clone());
                continue;
            }
            (ParameterType::Node, Some(ParameterValue::Text(node))) => std::slice::from_mut(node),
            (ParameterType::Nodes, Some(ParameterValue::List(nodes))) => nodes.as_mut_slice(),
            _ => continue,
        };
        for node in nodes {
            match cluster.nodes.get(node) {
                Some(found) => *node = found.kube_name.to_string(),
                None => {
                    let problem = format!("`{name}`: no node is named {node}");
                    problems.error(span, problem, "name one of [[nodes]]");
                }
            }
        }
    }
}

/// Disks that an overlay takes whole: each of a node of the cluster, and once.
fn raw_disks(
    cluster: &mut Cluster,
    overlay: &Overlay,
    values: &BTreeMap<String, ParameterValue>,
    span: &Span,
    problems: &mut Problems<'_>,
) {
    let of_disks = overlay.parameters.iter().filter(|(_, of)| of.kind == ParameterType::Disks);
    for (name, _) in of_disks {
        let Some(ParameterValue::List(disks)) = values.get(name) else { continue };
        for disk in disks {
            let mut error = |problem: &str, hint: &str| {
                problems.error(span, format!("`{name}`: {disk:?}: {problem}"), hint);
            };
            let Some((node, path)) = disk.split_once(':').filter(|(_, path)| is_device(path)) else {
                error("expected NODE:/dev/…", "name the node, a colon, and the path of the disk");
                continue;
            };
            match cluster.nodes.iter_mut().find(|known| known.name.as_str() == node) {
                Some(node) if node.raw_disks.iter().any(|known| known == path) => {
                    error("it is taken already", "name each disk once");
                }
                Some(node) => node.raw_disks.push(path.to_owned()),
                None => error("there is no node of this name", "name one of [[nodes]]"),
            }
        }
    }
}

/// A path below `/dev` without detours.
fn is_device(path: &str) -> bool {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let below = path.strip_prefix("/dev/");
    below.is_some_and(|below| {
        below.split('/').all(is_plain) && !below.chars().any(|c| c.is_control() || c == ' ')
    })
}

/// Two that are the same thing would fight.
fn only_one_of_each(
    overlays: &[ActiveOverlay],
    spans: &BTreeMap<DnsLabel, Span>,
    problems: &mut Problems<'_>,
) {
    let mut seen: BTreeMap<&str, &ActiveOverlay> = BTreeMap::new();
    for one in overlays {
        for what in &one.needs.provides {
            match seen.get(what.as_str()) {
                Some(other) => {
                    let (name, other) = (described(one), described(other));
                    let message = format!("{name} and {other} are each a {what}, and a cluster has one");
                    let span = spans.get(one.name()).cloned().unwrap_or_default();
                    problems.error(&span, message, "remove one of them");
                }
                None => {
                    seen.insert(what, one);
                }
            }
        }
    }
}

fn described(active: &ActiveOverlay) -> String {
    match &active.asked_by {
        Some(asker) => format!("{} (which {asker} needs)", active.name()),
        None => active.name().to_string(),
    }
}

fn facts(cluster: &Cluster) -> ClusterFacts {
    let texts = |networks: Vec<Subnet>| networks.iter().map(ToString::to_string).collect();
    let k3s = &cluster.k3s;
    let memory = |node: &Node| {
        let of_board = || cluster.boards.get(&node.board).and_then(|choice| choice.profile.memory.clone());
        node.memory.clone().or_else(of_board).map_or(0, |memory| memory.bytes() >> 20)
    };
    let node = |node: &Node| NodeFacts {
        name: node.kube_name.to_string(),
        host: node.name.to_string(),
        role: node.bootstrap_role.role().to_string(),
        address: node.network.static_address().map(|address| address.to_string()).unwrap_or_default(),
        arch: cluster
            .boards
            .get(&node.board)
            .map(|choice| choice.profile.architecture.go().to_owned())
            .unwrap_or_default(),
        memory: memory(node),
    };
    let first = cluster.nodes.init_server();
    let service_domain = match k3s.passed_on.get("cluster-domain") {
        Some(Setting::Text(domain)) => domain.clone(),
        _ => "cluster.local".to_owned(),
    };
    ClusterFacts {
        name: cluster.name.to_string(),
        api: cluster.api_host().to_string(),
        domain: cluster.domain.as_ref().map(ToString::to_string).unwrap_or_default(),
        time_zone: cluster.time_zone.as_ref().map(ToString::to_string).unwrap_or_default(),
        service_domain,
        pod_networks: texts(k3s.pod_networks()),
        service_networks: texts(k3s.service_networks()),
        first_server: first.map(|node| node.kube_name.to_string()).unwrap_or_default(),
        datastore: match cluster.datastore {
            Datastore::Sqlite => "sqlite",
            Datastore::Etcd => "etcd",
            Datastore::External(_) => "external",
        }
        .to_owned(),
        data: first
            .and_then(|node| node.data_disk.as_ref())
            .map_or(DataDisk::DEFAULT_MOUNT.to_owned(), |disk| disk.mount.to_string()),
        k3s_version: k3s.version.clone().into(),
        secrets_encryption: matches!(k3s.passed_on.get("secrets-encryption"), Some(Setting::Switch(true))),
        nodes: cluster.nodes.iter().map(node).collect(),
        overlays: Vec::new(),
    }
}
