//! Which container images the nodes have, and what they would have to pull.

use std::collections::{BTreeMap, BTreeSet};

use crate::charts::{self, Rendering};
use crate::cluster::{Chart, Manifest, Node, containers_of};
use crate::plan::{NodeImages, of_k3s, pulled};
use crate::source::k3s_version::K3sVersion;
use crate::value::Hostname;

use super::sources::Prepared;
use super::{Project, Session, SessionError, Sources};

/// What the nodes have of container images, and what they lack.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ContainerImages {
    /// By their full names.
    pub there: BTreeMap<String, ImagePlaces>,
    /// A line for each container whose image would be pulled: where it is, its image, and the fix.
    pub missing: Vec<String>,
    /// Charts whose images were not looked at.
    pub unchecked: Vec<String>,
}

/// Where an image is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImagePlaces {
    /// The processors of the nodes that have it, such as `arm64`.
    pub archs: BTreeSet<&'static str>,
    /// The nodes that have it, where others do not.
    pub only_on: Vec<Hostname>,
    /// Whether it comes with k3s.
    pub with_k3s: bool,
}

impl<'a> Prepared<'a> {
    /// The images of each node.
    fn node_images(&self) -> Vec<NodeImages<'a>> {
        let cluster = &self.project.cluster;
        let of_node = |node: &'a Node| {
            let inputs = self.boards.get(node.board.as_str())?;
            let own = inputs.images_of(cluster, node).into_iter().flat_map(|bundle| &bundle.names);
            let names = of_k3s(&inputs.k3s).chain(own.cloned()).collect();
            Some(NodeImages { node, arch: inputs.base.facts().arch.go(), names })
        };
        cluster.nodes.iter().filter_map(of_node).collect()
    }

    /// All images that manifests name are on the nodes where their pods may run.
    pub(super) fn check_images(&self) -> Result<(), SessionError> {
        let cluster = &self.project.cluster;
        if cluster.online || cluster.manifests().next().is_none() {
            return Ok(());
        }
        let nodes = self.node_images();
        let of = |manifest: &Manifest| pulled(manifest.name(), manifest.containers(), &nodes);
        let missing: Vec<String> = cluster.manifests().flat_map(of).collect();
        if missing.is_empty() { Ok(()) } else { Err(SessionError::Pulled { missing }) }
    }
}

impl Session {
    /// Compares the images that the nodes have with those that manifests ask for; with `render` those that charts ask for, too,
    /// which the user's Helm renders.
    ///
    /// # Errors
    /// As [`Session::preview`]; and when Helm is missing or refuses a chart.
    pub fn container_images(
        &self,
        project: &Project,
        sources: &Sources,
        render: bool,
    ) -> Result<ContainerImages, SessionError> {
        let prepared = self.prepare(project, sources)?;
        let nodes = prepared.node_images();
        let k3s: Option<&K3sVersion> = prepared.boards.values().next_back().map(|inputs| &inputs.k3s.version);
        let mut found = ContainerImages { there: places(&nodes), ..ContainerImages::default() };
        for name in prepared.boards.values().flat_map(|inputs| of_k3s(&inputs.k3s)) {
            found.there.entry(name.to_string()).or_default().with_k3s = true;
        }
        let mut asked: Vec<(String, Vec<_>)> = Vec::new();
        for manifest in project.cluster.manifests() {
            asked.push((manifest.name().to_owned(), manifest.containers().to_vec()));
        }
        for (chart, packed) in project.cluster.charts.iter().zip(&prepared.charts) {
            let shown = format!("chart {}", chart.release);
            let Some(k3s) = k3s.filter(|_| render) else {
                found.unchecked.push(shown);
                continue;
            };
            let Chart { release, namespace, values, secret_values, .. } = chart;
            let secret = secret_values.as_ref().map(|values| values.expose());
            let values: Vec<&str> = values.as_deref().into_iter().chain(secret).collect();
            let (release, namespace) = (release.as_str(), namespace.as_str());
            let rendering = Rendering { release, chart: packed, namespace, values: &values, k3s };
            self.cx().progress.message(&format!("rendering {shown} with helm"));
            let text = charts::render(&rendering, self.cx().interrupt)?;
            let containers = containers_of(&text).map_err(|error| charts::ChartError::Invalid {
                release: release.to_owned(),
                problem: format!("what helm renders is {error}"),
            })?;
            asked.push((shown, containers));
        }
        for (place, containers) in &asked {
            found.missing.extend(pulled(place, containers, &nodes));
        }
        Ok(found)
    }
}

fn places(nodes: &[NodeImages<'_>]) -> BTreeMap<String, ImagePlaces> {
    let mut places: BTreeMap<String, ImagePlaces> = BTreeMap::new();
    for NodeImages { node, arch, names } in nodes {
        for name in names {
            let place = places.entry(name.to_string()).or_default();
            place.archs.insert(arch);
            if !place.only_on.contains(&node.name) {
                place.only_on.push(node.name.clone());
            }
        }
    }
    for place in places.values_mut().filter(|place| place.only_on.len() == nodes.len()) {
        place.only_on.clear();
    }
    places
}
