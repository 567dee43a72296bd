//! `hcimage flash`.

#[cfg(target_os = "linux")]
mod disk;
mod image;

use std::path::PathBuf;

use super::build_args::{CLUSTER_FILE, SourceArgs};

/// Write an image to a card or disk, and read it back
///
/// The image is a file, or the name of a node of the cluster file: then its image is built first where there is none yet, or
/// where the cluster file is newer.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The image, or the name of a node; without one, the disks are listed
    #[arg(value_name = "IMAGE|NODE")]
    what: Option<PathBuf>,
    /// The card or disk: a path in /dev
    #[arg(requires = "what")]
    disk: Option<PathBuf>,
    /// Do not ask: the disk has this serial number (or, where it has none, this path)
    #[arg(long, value_name = "SERIAL")]
    yes: Option<String>,
    /// Write only what differs from what is on the disk
    ///
    /// After a write that was interrupted, or for a node that was changed.
    #[arg(long)]
    delta: bool,
    /// Allow disks that are built into this machine
    #[arg(long)]
    fixed: bool,
    #[command(flatten, next_help_heading = "For the name of a node")]
    node: NodeArgs,
}

/// Where a node's image is, or is made.
#[derive(Debug, clap::Args)]
struct NodeArgs {
    /// The cluster file
    #[arg(long, value_name = "FILE", default_value = CLUSTER_FILE)]
    cluster: PathBuf,
    /// The directory of the cluster's images [default: out]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Build from the cache alone: use no network
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    sources: SourceArgs,
}

const EXAMPLES: &str = "Examples:
  hcimage flash                              which cards and disks there are
  sudo hcimage flash out/pi-1.img /dev/sdb
  hcimage flash pi-1 /dev/sdb                a node; a desktop asks for the password
  sudo hcimage flash out/pi-1.img /dev/sdb --delta --yes 4C530001";

impl Args {
    #[cfg(target_os = "linux")]
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (Some(what), Some(path)) = (&self.what, &self.disk) else { return self.incomplete() };
        let image = self.node.image(what)?;
        self.to_disk(&image, path)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn run(self) -> anyhow::Result<()> {
        anyhow::bail!(
            "writing to disks is not done on this system yet: bmaptool, or Raspberry Pi Imager, writes the image"
        )
    }
}
