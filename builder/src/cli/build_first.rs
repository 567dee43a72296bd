//! The images of a cluster file's nodes as a build would make them now: for the commands that use images.

use std::path::{Path, PathBuf};

use anyhow::bail;
use hc_common::text::printable::printable;

use crate::flash::shell_word;
use crate::local_file;
use crate::session::{Destination, Project};
use crate::value::Hostname;

use super::build_args::{CLUSTER_FILE, SourceArgs};

/// How images are built that are not there, or are older than what they are made from.
#[derive(Debug, clap::Args)]
pub(super) struct BuildFirstArgs {
    /// Build from the cache alone: use no network
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    sources: SourceArgs,
}

/// Where the images of a cluster file are.
pub(super) struct Images<'a> {
    /// The cluster file.
    pub(super) file: &'a Path,
    /// The directory, where it is not the usual one.
    pub(super) dir: Option<PathBuf>,
}

impl Images<'_> {
    pub(super) fn destination(&self) -> Destination {
        Destination { path: self.dir.clone(), overwrite: true, ..Destination::default() }
    }

    /// The command that makes them.
    fn command(&self) -> String {
        let mut command = "hcimage build".to_owned();
        if self.file != Path::new(CLUSTER_FILE) {
            command.push_str(&format!(" {}", shell_word(self.file)));
        }
        if let Some(dir) = &self.dir {
            command.push_str(&format!(" --output {}", shell_word(dir)));
        }
        format!("{command} --overwrite")
    }
}

impl BuildFirstArgs {
    /// Builds all images of the cluster where that of one of these nodes is missing, or older than what it is made from.
    pub(super) fn make_current<'a>(
        &self,
        project: &Project,
        images: &Images,
        nodes: impl IntoIterator<Item = &'a Hostname>,
    ) -> anyhow::Result<()> {
        let destination = images.destination();
        // The build itself writes the lock before the images.
        let lock = self.sources.lock().to_owned();
        let inputs: Vec<PathBuf> = project.inputs().into_iter().chain([lock]).collect();
        let mut images_of = nodes.into_iter().map(|node| destination.node_image(node));
        let why = images_of.find_map(|image| must_build(&inputs, &image));
        let why = why.map(|why| printable(&why).into_owned());
        let Some(why) = why else { return Ok(()) };
        if std::env::var_os("SUDO_UID").is_some() {
            let command = images.command();
            bail!("{why}: first run `{command}` as yourself; what is built with sudo would belong to root");
        }
        let session = super::session()?.offline(self.offline);
        session.cx().progress.message(&format!("building the cluster's images: {why}"));
        session.build(project, &self.sources.sources()?, &destination)?;
        Ok(())
    }
}

/// Why the image is not the one that a build would make of these now, as far as the times of files tell.
fn must_build(inputs: &[PathBuf], image: &Path) -> Option<String> {
    if !image.exists() {
        return Some(format!("there is no {} yet", image.display()));
    }
    let newer = inputs.iter().find(|input| local_file::is_older(image, input));
    newer.map(|input| format!("{} is newer than {}", input.display(), image.display()))
}
