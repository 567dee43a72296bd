//! Images of a whole cluster, and its kubeconfig.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::os::System;
use crate::output::{Output, OutputError};
use crate::pipeline::{self, BuiltImage, Target};
use crate::sbom::Part;
use crate::secrets::{Secrets, store};
use crate::source::k3s_version::K3sVersion;
use crate::source::leftovers::RunDir;
use crate::value::Hostname;

use super::bill::{bill, packages};
use super::imager::Served;
use super::project::{ProjectSecrets, clock};
use super::sources::{BoardInputs, PlannedNode, Prepared};
use super::{Project, Session, SessionError, Sources};

/// Where a cluster's images go where nobody says.
const DIR: &str = "out";

/// What is made beside the images of a cluster.
const KUBECONFIG: &str = "kubeconfig";

/// Where images go.
#[derive(Debug, Clone, Default)]
pub struct Destination {
    /// The directory of a cluster's images, `out` where there is none, or the image of one node alone,
    /// `<hostname>-<board>.img`.
    pub path: Option<PathBuf>,
    /// Whether files that are there may be replaced.
    pub overwrite: bool,
    /// Whether checksums are written, for which every image is read once more.
    pub sums: bool,
    /// Whether a list for Raspberry Pi Imager is written, for which every image is read once more.
    pub imager: Option<Served>,
}

/// What a build made.
#[derive(Debug)]
pub struct Outcome {
    /// A node each, in the order of the cluster file.
    pub nodes: Vec<BuiltNode>,
    /// The kubeconfig of a cluster; none for one node alone, whose k3s writes it on the node, and none for nodes that join a
    /// cluster made elsewhere.
    pub kubeconfig: Option<PathBuf>,
    /// The checksums of all files, where they were wanted.
    pub checksums: Option<PathBuf>,
    /// The list for Raspberry Pi Imager, where it was wanted.
    pub imager_list: Option<PathBuf>,
}

/// A node that was built, and what it was built from.
#[derive(Debug)]
pub struct BuiltNode {
    /// The image.
    pub image: BuiltImage,
    /// The system in it.
    pub system: System,
    /// The k3s in it.
    pub k3s: K3sVersion,
}

impl Session {
    /// Builds the images of all nodes. Nothing gets its name before everything is complete, and the base images are never
    /// written.
    ///
    /// # Errors
    /// When an input cannot be obtained, is damaged or not supported, when an output is in the way or cannot be written,
    /// and when the user interrupts. Then no image is left behind; secrets that were made stay.
    pub fn build(
        &self,
        project: &Project,
        sources: &Sources,
        destination: &Destination,
    ) -> Result<Outcome, SessionError> {
        if project.file.is_none() {
            return self.build_into(project, sources, destination);
        }
        let dir = destination.dir();
        let is_new = !dir.exists();
        fs::create_dir_all(dir).map_err(|source| SessionError::OutputDir { path: dir.to_owned(), source })?;
        self.build_into(project, sources, destination).inspect_err(|_| {
            if is_new {
                // Fails where something is in it, and then it stays.
                let _ = fs::remove_dir(dir);
            }
        })
    }

    fn build_into(
        &self,
        project: &Project,
        sources: &Sources,
        destination: &Destination,
    ) -> Result<Outcome, SessionError> {
        let outputs = destination.outputs(project, sources.base.as_deref())?;
        let checksums = destination.checksums(project, &outputs);
        if let Some(checksums) = &checksums {
            checksums.check_name(&checksums.path)?;
        }
        let imager_list = destination.imager_list(project);
        if let Some(list) = &imager_list {
            list.check_name(&list.path)?;
        }
        outputs.iter().map(Output::dir).collect::<BTreeSet<_>>().into_iter().for_each(|dir| {
            Output::clear_leftovers(dir, self.cx().progress);
        });
        RunDir::clear_leftovers(self.cx().progress);
        let prepared = self.prepare(project, sources)?;
        prepared.check_images()?;
        // A cluster that cannot be built gets no secrets either.
        let ephemeral = project.secrets_or_ephemeral(prepared.earliest())?;
        let mut warnings = Vec::new();
        for node in project.cluster.nodes.iter() {
            warnings.push((&node.name, prepared.plan(node, ephemeral.as_ref())?.warnings));
        }
        self.warn(warnings.iter().map(|(node, warnings)| (*node, warnings.as_slice())));
        let secrets = self.open_secrets(&prepared)?;
        let batches = prepared.batches(outputs, secrets.as_ref())?;
        let nodes = self.make(project, batches)?;
        let kubeconfig = match &secrets {
            Some(ProjectSecrets::Own(secrets)) => Some(destination.write_kubeconfig(project, secrets)?),
            Some(ProjectSecrets::Member(_)) | None => None,
        };
        let is_read = checksums.is_some() || imager_list.is_some();
        let images = if is_read { self.digests(&nodes)? } else { Vec::new() };
        let checksums = checksums.map(|output| self.write_checksums(&output, &images)).transpose()?;
        let write_list =
            |output: Output| destination.write_imager_list(&output, project, &images, prepared.earliest());
        let imager_list = imager_list.map(write_list).transpose()?;
        Ok(Outcome { nodes, kubeconfig, checksums, imager_list })
    }

    /// The cluster's secrets, made now where there are none; none for one node alone.
    fn open_secrets(&self, prepared: &Prepared<'_>) -> Result<Option<ProjectSecrets>, SessionError> {
        let project = prepared.project;
        let Some(path) = project.secrets_file() else { return Ok(None) };
        let (name, nodes) = (&project.cluster.name, project.node_names());
        if project.cluster.join.is_some() {
            return self.open_member(&path, name.as_str(), &nodes).map(Some);
        }
        let opened = store::open(&path, project.wanted(), &nodes, clock(prepared.earliest())?)?;
        for warning in &opened.warnings {
            self.cx().progress.message(&format!("warning: {warning}"));
        }
        if opened.created {
            self.cx().progress.message(&format!(
                "created the secrets of the cluster {name}: {}\n  keep this file, and keep it private: a node can be \
                 built again and joins only with it",
                path.display()
            ));
        }
        if opened.added_overlays {
            let names: Vec<&str> =
                project.cluster.overlays.iter().map(|active| active.name().as_str()).collect();
            self.cx().progress.message(&format!(
                "created passwords for overlays: see [overlays.NAME] in {} ({})",
                path.display(),
                names.join(", ")
            ));
        }
        Ok(Some(ProjectSecrets::Own(Box::new(opened.secrets))))
    }

    /// The passwords of nodes that join a cluster made elsewhere.
    fn open_member(
        &self,
        path: &Path,
        cluster: &str,
        nodes: &[Hostname],
    ) -> Result<ProjectSecrets, SessionError> {
        let is_new = !path.exists();
        let (secrets, _) = store::open_member(path, cluster, nodes)?;
        if is_new {
            self.cx().progress.message(&format!(
                "created the passwords of the nodes: {}\n  keep this file, and keep it private: a node that is flashed again \
                 is let in only with it",
                path.display()
            ));
        }
        Ok(ProjectSecrets::Member(secrets))
    }

    /// Builds all images, board by board, and then gives all of them their names.
    fn make(&self, project: &Project, batches: Vec<Batch<'_>>) -> Result<Vec<BuiltNode>, SessionError> {
        let mut ready = Vec::new();
        for Batch { inputs, targets, .. } in batches {
            for image in pipeline::build(&self.cx(), &inputs.base, inputs.time, targets)? {
                ready.push((inputs, image));
            }
        }
        let mut built = Vec::new();
        for (inputs, image) in ready {
            let (system, k3s) = (inputs.base.facts().system.clone(), inputs.k3s.version.clone());
            built.push(BuiltNode { image: image.publish()?, system, k3s });
        }
        built.sort_by_key(|node| project.cluster.nodes.iter().position(|of| of.name == node.image.node));
        Ok(built)
    }
}

/// The images of one board.
struct Batch<'a> {
    inputs: &'a BoardInputs,
    /// What the base has of packages.
    packages: Vec<Part>,
    targets: Vec<Target>,
}

impl Prepared<'_> {
    /// Everything is planned before anything is written. `outputs` are in the order of the nodes.
    fn batches(
        &self,
        outputs: Vec<Output>,
        secrets: Option<&ProjectSecrets>,
    ) -> Result<Vec<Batch<'_>>, SessionError> {
        let mut batches: BTreeMap<&str, Batch<'_>> = BTreeMap::new();
        for (node, output) in self.project.cluster.nodes.iter().zip(outputs) {
            let PlannedNode { inputs, plan, .. } = self.plan(node, secrets)?;
            let batch = match batches.entry(&node.board) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    new.insert(Batch { inputs, packages: packages(inputs)?, targets: Vec::new() })
                }
            };
            let (name, board) = (node.name.clone(), node.board.clone());
            let bill = bill(inputs, &batch.packages, &self.charts, &self.project.cluster, node);
            batch.targets.push(Target { node: name, board, plan, output, bill });
        }
        Ok(batches.into_values().collect())
    }
}

impl Destination {
    /// Where each node's image goes, in the order of the nodes; checked before any work, so that nothing is in the way
    /// at the end.
    fn outputs(&self, project: &Project, base: Option<&Path>) -> Result<Vec<Output>, OutputError> {
        if project.makes_kubeconfig() {
            Output { path: self.kubeconfig(), overwrite: self.overwrite }.check_name(&self.kubeconfig())?;
        }
        let mut outputs = Vec::new();
        for node in project.cluster.nodes.iter() {
            let path = match (&project.file, &self.path) {
                (Some(_), _) => self.node_image(&node.name),
                (None, Some(path)) => path.clone(),
                (None, None) => PathBuf::from(format!("{}-{}.img", node.name, node.board)),
            };
            let output = Output { path, overwrite: self.overwrite };
            output.check(base)?;
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// The image of a node of a cluster file.
    pub fn node_image(&self, node: &Hostname) -> PathBuf {
        self.dir().join(format!("{node}.img"))
    }

    /// The directory of a cluster's images.
    pub fn dir(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(DIR))
    }

    /// The kubeconfig of a cluster.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir().join(KUBECONFIG)
    }

    fn write_kubeconfig(&self, project: &Project, secrets: &Secrets) -> Result<PathBuf, SessionError> {
        let path = self.kubeconfig();
        store::write_private(&path, &secrets.kubeconfig(&project.cluster.api_url()))?;
        Ok(path)
    }
}
