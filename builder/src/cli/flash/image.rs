//! What is written: an image, or that of a node, which is built where need be.

use std::path::{Path, PathBuf};

use anyhow::bail;
use hc_common::text::printable::printable;

use crate::board::Boards;
use crate::flash::shell_word;
use crate::local_file;
use crate::session::{Destination, Project};
use crate::value::Hostname;

use super::super::build_args::library;
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
        let destination =
            Destination { path: self.output.clone(), overwrite: true, ..Destination::default() };
        let path = destination.node_image(&name);
        if let Some(why) = self.must_build(&path) {
            self.build(&project, &destination, &why)?;
        }
        Ok(Chosen { path, board })
    }

    /// Why the image is not the one that a build would make now, as far as the times of files tell.
    fn must_build(&self, image: &Path) -> Option<String> {
        if !image.exists() {
            return Some(format!("there is no {} yet", image.display()));
        }
        // The build itself writes the lock before the image.
        let inputs = [self.cluster.as_path(), self.sources.lock()];
        let newer = inputs.into_iter().find(|input| local_file::is_older(image, input));
        newer.map(|input| format!("{} is newer than {}", input.display(), image.display()))
    }

    fn build(&self, project: &Project, destination: &Destination, why: &str) -> anyhow::Result<()> {
        let why = printable(why).into_owned();
        if std::env::var_os("SUDO_UID").is_some() {
            let file = shell_word(&self.cluster);
            bail!(
                "{why}: first run `hcimage build {file} --overwrite` as yourself; what is built with sudo would belong to root"
            );
        }
        let session = super::super::session()?.offline(self.offline);
        session.cx().progress.message(&format!("building the cluster's images: {why}"));
        session.build(project, &self.sources.sources()?, destination)?;
        Ok(())
    }
}
