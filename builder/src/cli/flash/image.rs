//! What is written: an image, or that of a node, which is built where need be.

use std::path::{Path, PathBuf};

use hc_common::text::printable::printable;

use crate::board::Boards;
use crate::session::Project;
use crate::value::Hostname;

use super::super::build_args::library;
use super::super::build_first::Images;
use super::super::output::Usage;
use super::NodeArgs;

/// An image to be written.
pub(super) struct Chosen {
    /// Where it is.
    pub(super) path: PathBuf,
    /// The board that it is for, where the cluster file says it.
    pub(super) board: Option<String>,
}

impl NodeArgs {
    /// The image that `what` names. A file comes before a node of the same name.
    pub(super) fn image(&self, what: &Path) -> anyhow::Result<Chosen> {
        if what.exists() {
            return Ok(Chosen { path: what.to_owned(), board: None });
        }
        let shown = printable(&what.display().to_string()).into_owned();
        let cluster = printable(&self.cluster.display().to_string()).into_owned();
        let name = what.to_str().and_then(|name| name.parse::<Hostname>().ok());
        let (Some(name), true) = (name, self.cluster.exists()) else {
            return Err(Usage(format!(
                "there is no file {shown}, and no cluster file {cluster} that has a node of that name"
            ))
            .into());
        };
        let (project, _) = Project::load(&self.cluster, &Boards::load(None)?, &library(&self.cluster, None))?;
        let Some(node) = project.cluster.nodes.get(name.as_str()) else {
            let names: Vec<String> = project.node_names().iter().map(ToString::to_string).collect();
            return Err(
                Usage(format!("{cluster} has no node {name}; its nodes are {}", names.join(", "))).into()
            );
        };
        let board = Some(node.board.clone());
        let images = Images { file: &self.cluster, dir: self.output.clone() };
        self.build_first.make_current(&project, &images, [&name])?;
        Ok(Chosen { path: images.destination().node_image(&name), board })
    }
}
