//! Which images `hcimage run` boots.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::board::Boards;
use crate::flash::shell_word;
use crate::local_file;
use crate::run::{NodeImage, check_uefi};
use crate::session::{Destination, Project};

use super::build_args::{CLUSTER_FILE, library};
use super::output::{self, Usage};
use super::run::{Args, Until};

/// What is to be run.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) nodes: Vec<NodeImage>,
    /// That of the build.
    pub(super) kubeconfig: Option<PathBuf>,
}

impl Args {
    /// One image. Ends with its report, and shows its console meanwhile, unless something else is asked for.
    pub(super) fn one(&mut self, board: &str) -> anyhow::Result<Wanted> {
        let image = self.what.take().unwrap_or_default();
        let boards = Boards::load(self.profiles.as_deref())?;
        let board = boards.get(board)?;
        if self.uefi {
            check_uefi(board)?;
        }
        if let Some(disk) = &self.data_disk {
            fs::metadata(disk).with_context(|| format!("looking at {}", disk.display()))?;
        }
        let read = NodeImage::read(&image, board);
        let node = read.with_context(|| format!("booting {}", image.display()))?;
        self.until.get_or_insert(Until::Ready);
        self.console.get_or_insert_with(|| node.name().to_owned());
        Ok(Wanted { name: node.name().to_owned(), nodes: vec![node], kubeconfig: None })
    }

    /// All nodes of a cluster file, as they were built.
    pub(super) fn cluster(&mut self) -> anyhow::Result<Wanted> {
        let file = self.what.take().unwrap_or_else(|| CLUSTER_FILE.into());
        if !file.exists() {
            return Err(Usage(format!(
                "there is no {}: `hcimage init` writes a cluster file",
                file.display()
            ))
            .into());
        }
        if file.extension().is_some_and(|ending| ending == "img") {
            let how = format!("hcimage run --board BOARD {}", shell_word(&file));
            return Err(Usage(format!("{} is an image: `{how}`", file.display())).into());
        }
        let boards = Boards::load(self.profiles.as_deref())?;
        let (project, _) = Project::load(&file, &boards, &library(&file, self.overlays.clone()))?;
        let images = Destination { path: Some(self.images_dir(&file)), ..Destination::default() };
        let mut nodes = Vec::new();
        for node in project.cluster.nodes.iter() {
            let image = images.node_image(&node.name);
            let board = boards.get(&node.board)?;
            if self.uefi {
                check_uefi(board)?;
            }
            if !image.exists() {
                return Err(Usage(format!(
                    "there is no {}: `{}` makes it",
                    image.display(),
                    self.build(&file)
                ))
                .into());
            }
            let read = NodeImage::read(&image, board);
            let read = read.with_context(|| format!("reading {}", image.display()))?;
            if read.name() != node.name.as_str() {
                bail!("{} is the image of node {}, not of {}", image.display(), read.name(), node.name);
            }
            if local_file::is_older(&image, &file) {
                let again = format!("{} --overwrite", self.build(&file));
                let image = image.display();
                writeln!(output::stderr(), "note: {image} is older than {}: `{again}`", file.display())?;
            }
            nodes.push(read);
        }
        self.until.get_or_insert(Until::Stopped);
        let kubeconfig = images.kubeconfig();
        let kubeconfig = kubeconfig.exists().then_some(kubeconfig);
        Ok(Wanted { name: project.cluster.name.to_string(), nodes, kubeconfig })
    }

    /// The command that makes the images.
    fn build(&self, file: &Path) -> String {
        let mut command = "hcimage build".to_owned();
        if file != Path::new(CLUSTER_FILE) {
            command.push_str(&format!(" {}", shell_word(file)));
        }
        if let Some(dir) = &self.images {
            command.push_str(&format!(" --output {}", shell_word(dir)));
        }
        command
    }

    fn images_dir(&self, file: &Path) -> PathBuf {
        let here = Destination::default().dir().to_owned();
        let beside = file.with_file_name(&here);
        self.images.clone().unwrap_or(if here.exists() || !beside.exists() { here } else { beside })
    }
}
