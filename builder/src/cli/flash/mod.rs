//! `hcimage flash`.

#[cfg_attr(not(target_os = "linux"), path = "list_only.rs")]
mod disk;
mod image;
mod turing_pi;

use std::path::PathBuf;

use crate::turing_pi::{Host, Slot};

use super::build_args::CLUSTER_FILE;
use super::build_first::BuildFirstArgs;

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
    #[arg(requires = "what", conflicts_with = "turing_pi")]
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
    #[command(flatten, next_help_heading = "A module in a Turing Pi 2")]
    controller: ControllerArgs,
    #[command(flatten, next_help_heading = "For the name of a node")]
    node: NodeArgs,
}

/// A module that the controller of a Turing Pi 2 writes to.
#[derive(Debug, clap::Args)]
struct ControllerArgs {
    /// The controller: its name or address, such as turingpi.local
    #[arg(long, value_name = "HOST", requires_all = ["what", "slot"])]
    turing_pi: Option<Host>,
    /// The slot: 1 to 4
    #[arg(long, value_name = "N", requires = "turing_pi")]
    slot: Option<Slot>,
    /// The user of the controller
    #[arg(long, value_name = "NAME", default_value = "root", requires = "turing_pi")]
    user: String,
    /// A file with the user's password; without it, it is asked for
    #[arg(long, value_name = "FILE", requires = "turing_pi")]
    password_file: Option<PathBuf>,
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
    #[command(flatten)]
    build_first: BuildFirstArgs,
}

const EXAMPLES: &str = "Examples:
  hcimage flash                              which cards and disks there are
  sudo hcimage flash out/pi-1.img /dev/sdb
  hcimage flash pi-1 /dev/sdb                a node; a desktop asks for the password
  sudo hcimage flash out/pi-1.img /dev/sdb --delta --yes 4C530001
  hcimage flash pi-2 --turing-pi turingpi.local --slot 2";

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if let (Some(what), Some(host), Some(slot)) =
            (&self.what, &self.controller.turing_pi, self.controller.slot)
        {
            return self.to_turing_pi(what, host, slot);
        }
        self.to_disk()
    }
}
