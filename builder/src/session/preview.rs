//! What a build would change, without building.

use std::collections::BTreeMap;

use crate::apply::pending_edits;
use crate::cluster::Node;
use crate::difference::{Difference, differences, summed};
use crate::pipeline::BuildError;
use crate::value::Hostname;

use super::sources::PlannedNode;
use super::{Project, Session, SessionError, Sources};

/// What a build would change for one node.
#[derive(Debug)]
pub struct Preview<'a> {
    /// The node.
    pub node: &'a Node,
    /// The changes, in the order in which they would be made; the content of secrets is not shown.
    pub changes: Vec<Difference>,
    /// What the user should know of it, a line each.
    pub warnings: Vec<String>,
}

impl Session {
    /// Compares the plan of each node, or of `only` one, with its base image. No image and no secrets are written; what
    /// has to be downloaded for a build is downloaded.
    ///
    /// # Errors
    /// [`SessionError::NoNode`] when no node is called `only`; else as [`Session::build`].
    pub fn preview<'a>(
        &self,
        project: &'a Project,
        sources: &Sources,
        only: Option<&Hostname>,
    ) -> Result<Vec<Preview<'a>>, SessionError> {
        if let Some(name) = only {
            project.require_node(name)?;
        }
        let prepared = self.prepare(project, sources)?;
        prepared.check_images()?;
        let secrets = project.secrets_or_ephemeral(prepared.earliest())?;
        // Of a folder with thousands of files, names and sizes tell nobody anything.
        let folders: Vec<&str> = prepared.folders.iter().map(|folder| folder.path.as_str()).collect();
        let mut trees = BTreeMap::new();
        let mut previews = Vec::new();
        for node in project.cluster.nodes.iter().filter(|node| only.is_none_or(|only| *only == node.name)) {
            let PlannedNode { inputs, plan, warnings } = prepared.plan(node, secrets.as_ref())?;
            let tree = match trees.get(&node.board) {
                Some(tree) => tree,
                None => trees.entry(&node.board).or_insert(inputs.base.tree()?),
            };
            let plan = pending_edits(tree, &plan).map_err(BuildError::from)?;
            let changes = summed(differences(tree, &plan).map_err(SessionError::Compare)?, &folders);
            previews.push(Preview { node, changes, warnings });
        }
        self.warn(previews.iter().map(|preview| (&preview.node.name, preview.warnings.as_slice())));
        Ok(previews)
    }
}

impl Project {
    fn require_node(&self, name: &Hostname) -> Result<(), SessionError> {
        if self.cluster.nodes.get(name.as_str()).is_some() {
            return Ok(());
        }
        let known = self.node_names().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Err(SessionError::NoNode { name: name.clone(), known })
    }
}
