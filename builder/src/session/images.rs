//! Which container images the nodes have, and what they would have to pull.

use std::collections::{BTreeMap, BTreeSet};

use crate::charts::{self, Rendering};
use crate::cluster::{Chart, containers_of};
use crate::plan::{of_k3s, pulled};
use crate::source::k3s_version::K3sVersion;
use crate::value::ImageReference;

use super::{Project, Session, SessionError, Sources};

/// What the nodes have of container images, and what they lack.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ContainerImages {
    /// By their full names, with the processor of the nodes that have them, such as `arm64`.
    pub there: BTreeMap<String, BTreeSet<&'static str>>,
    /// Those among them that come with k3s.
    pub of_k3s: BTreeSet<String>,
    /// A line for each container whose image would be pulled: where it is, its image, and the fix.
    pub missing: Vec<String>,
    /// Charts whose images were not looked at.
    pub unchecked: Vec<String>,
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
        let mut found = ContainerImages::default();
        let mut by_arch: BTreeMap<&'static str, Vec<ImageReference>> = BTreeMap::new();
        let mut k3s: Option<K3sVersion> = None;
        for inputs in prepared.boards.values() {
            let arch = inputs.base.facts().arch.debian();
            let with_k3s: Vec<ImageReference> = of_k3s(&inputs.k3s).collect();
            let own = inputs.images.as_ref().map(|bundle| bundle.names.clone()).unwrap_or_default();
            found.of_k3s.extend(with_k3s.iter().map(ToString::to_string));
            for name in with_k3s.iter().chain(&own) {
                found.there.entry(name.to_string()).or_default().insert(arch);
            }
            by_arch.insert(arch, with_k3s.into_iter().chain(own).collect());
            k3s = Some(inputs.k3s.version.clone());
        }
        let mut asked: Vec<(String, Vec<_>)> = Vec::new();
        for manifest in &project.cluster.manifests {
            asked.push((manifest.name().to_owned(), manifest.containers().to_vec()));
        }
        for (chart, packed) in project.cluster.charts.iter().zip(&prepared.charts) {
            let shown = format!("chart {}", chart.release);
            let Some(k3s) = k3s.as_ref().filter(|_| render) else {
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
        for there in by_arch.values() {
            for line in asked.iter().flat_map(|(place, containers)| pulled(place, containers, there)) {
                if !found.missing.contains(&line) {
                    found.missing.push(line);
                }
            }
        }
        Ok(found)
    }
}
