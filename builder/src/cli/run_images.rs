//! Which images `hcimage run` boots.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::board::Boards;
use crate::cluster::Node;
use crate::flash::shell_word;
use crate::run::{NodeImage, check_uefi};
use crate::session::{Destination, Project};

use super::build_args::{CLUSTER_FILE, library};
use super::build_first::Images;
use super::output::Usage;
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
        self.check_console(&[node.name()])?;
        self.until.get_or_insert(Until::Ready);
        self.console.get_or_insert_with(|| node.name().to_owned());
        Ok(Wanted { name: node.name().to_owned(), nodes: vec![node], kubeconfig: None })
    }

    /// All nodes of a cluster file. Their images are built first where they are missing or out of date.
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
        let images = Images { file: &file, dir: self.images_dir(&file) };
        let nodes = &project.cluster.nodes;
        if self.uefi {
            for node in nodes.iter() {
                check_uefi(boards.get(&node.board)?)?;
            }
        }
        self.check_console(&nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>())?;
        self.build_first.make_current(&project, &images, nodes.iter().map(|node| &node.name))?;
        let images = images.destination();
        let read = |node: &Node| {
            let image = images.node_image(&node.name);
            let read = NodeImage::read(&image, boards.get(&node.board)?);
            let read = read.with_context(|| format!("reading {}", image.display()))?;
            if read.name() != node.name.as_str() {
                bail!("{} is the image of node {}, not of {}", image.display(), read.name(), node.name);
            }
            Ok(read)
        };
        let nodes = nodes.iter().map(read).collect::<anyhow::Result<_>>()?;
        self.until.get_or_insert(Until::Stopped);
        let kubeconfig = images.kubeconfig();
        let kubeconfig = kubeconfig.exists().then_some(kubeconfig);
        Ok(Wanted { name: project.cluster.name.to_string(), nodes, kubeconfig })
    }

    /// None for the usual one.
    fn images_dir(&self, file: &Path) -> Option<PathBuf> {
        let here = Destination::default().dir().to_owned();
        let beside = file.with_file_name(&here);
        self.images.clone().or_else(|| (!here.exists() && beside.exists()).then_some(beside))
    }
}
