//! What goes into a node image, for its bill of materials.

use crate::charts::PackedChart;
use crate::cluster::{Cluster, Node};
use crate::formats::dpkg_status;
use crate::fs::{FsError, ImagePath};
use crate::os::{Family, Tree};
use crate::pipeline::BuildError;
use crate::plan::of_k3s;
use crate::sbom::{Bill, Part, PartKind};
use crate::source::artifact::Artifact;
use crate::value::{ImageReference, Role};

use super::SessionError;
use super::sources::BoardInputs;

/// The bill of a node. `packages` are those of the base; the node gets more, and newer ones.
pub(super) fn bill(
    inputs: &BoardInputs,
    packages: &[Part],
    charts: &[PackedChart],
    cluster: &Cluster,
    node: &Node,
) -> Bill {
    let more = inputs.packages_of(cluster, node);
    let mut parts = vec![base(inputs)];
    let is_replaced = |part: &&Part| more.0.iter().any(|new| new.replaces.is_some() && new.name == part.name);
    parts.extend(packages.iter().filter(|part| !is_replaced(part)).cloned());
    parts.extend(more.0.iter().map(|package| Part {
        kind: PartKind::Package {
            distribution: distribution(inputs).to_owned(),
            architecture: package.architecture.clone(),
        },
        name: package.name.clone(),
        version: package.version.clone(),
        sha256: Some(package.file.sha256),
    }));
    let k3s = inputs.k3s.version.to_string();
    parts.extend([&inputs.k3s.binary, &inputs.k3s.airgap_images].map(|artifact| of_release(artifact, &k3s)));
    let own = inputs.images_of(cluster, node).into_iter().flat_map(|bundle| bundle.names.iter().cloned());
    parts.extend(of_k3s(&inputs.k3s).chain(own).map(|name| image(&name)));
    // An agent has no charts.
    let is_server = node.bootstrap_role.role() == Role::Server;
    parts.extend(charts.iter().filter(|_| is_server).map(chart));
    Bill { parts }
}

fn base(inputs: &BoardInputs) -> Part {
    let unpacked = &inputs.unpacked;
    let version = inputs.base.facts().system.codename.clone();
    Part { kind: PartKind::Base, name: unpacked.name.clone(), version, sha256: unpacked.sha256 }
}

/// As package URLs name it.
fn distribution(inputs: &BoardInputs) -> &'static str {
    match inputs.base.facts().system.family {
        Family::RaspberryPiOs | Family::DebianPi | Family::DebianPc => "debian",
        Family::UbuntuPi | Family::UbuntuPc => "ubuntu",
    }
}

/// The packages of a base, for all of its nodes: its file systems are opened for them.
pub(super) fn packages(inputs: &BoardInputs) -> Result<Vec<Part>, SessionError> {
    let distribution = distribution(inputs);
    let status = read(&inputs.base.tree()?).map_err(BuildError::Check)?;
    let part = |found: dpkg_status::Installed<'_>| Part {
        kind: PartKind::Package {
            distribution: distribution.to_owned(),
            architecture: found.architecture.to_owned(),
        },
        name: found.name.to_owned(),
        version: found.version.to_owned(),
        sha256: None,
    };
    Ok(dpkg_status::installed(&status).map(part).collect())
}

fn read(tree: &Tree) -> crate::fs::Result<String> {
    let path = ImagePath::parse(dpkg_status::PATH)
        .map_err(|bad| FsError::BadPath { path: dpkg_status::PATH.to_owned(), problem: bad.to_string() })?;
    let bytes = if tree.exists(&path)? { tree.read(&path, dpkg_status::LIMIT)? } else { Vec::new() };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn of_release(artifact: &Artifact, version: &str) -> Part {
    let (name, version) = (artifact.name.clone(), version.to_owned());
    Part { kind: PartKind::K3s, name, version, sha256: Some(artifact.sha256) }
}

fn image(name: &ImageReference) -> Part {
    let digest = name.sha256().map(|digits| format!("sha256:{digits}"));
    let version = digest.or_else(|| name.tag().map(str::to_owned)).unwrap_or_default();
    let name = format!("{}/{}", name.registry(), name.repository());
    Part { kind: PartKind::ContainerImage, name, version, sha256: None }
}

fn chart(chart: &PackedChart) -> Part {
    let PackedChart { archive, name, version, .. } = chart;
    let (name, version) = (name.clone(), version.clone());
    Part { kind: PartKind::Chart, name, version, sha256: Some(archive.sha256) }
}
