//! `hcimage rotate`.

use std::io::Write;
use std::path::PathBuf;

use crate::board::Boards;
use crate::secrets::Item;
use crate::session::{Project, Rotated};

use super::build_args::{CLUSTER_FILE, library};
use super::output;

/// Renew a secret of a cluster, and say what to do on its nodes
///
/// What cannot be renewed from here is explained, with the way that k3s has for it. Only the secrets file is changed,
/// and for admin-certificate the kubeconfig.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// admin-certificate, agent-token, server-token, node-password:NODE,
    /// authorities or service-key
    #[arg(value_name = "WHAT")]
    item: Item,
    /// The cluster file
    #[arg(value_name = "CLUSTER_FILE", default_value = CLUSTER_FILE)]
    cluster: PathBuf,
    /// Where the new kubeconfig goes, for admin-certificate
    #[arg(long, value_name = "FILE", default_value = "out/kubeconfig")]
    kubeconfig: PathBuf,
    /// A directory with board profiles of your own
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// A directory with overlays of your own; those in `overlays` beside the cluster file are found without it
    #[arg(long, value_name = "DIR")]
    overlays: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  hcimage rotate admin-certificate
  hcimage rotate agent-token lab.toml
  hcimage rotate node-password:lab-3";

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let boards = Boards::load(self.profiles.as_deref())?;
        let (project, _) =
            Project::load(&self.cluster, &boards, &library(&self.cluster, self.overlays.clone()))?;
        let rotated = project.rotate(&self.item, &self.kubeconfig)?;
        let mut out = output::stdout();
        match rotated {
            Rotated::Renewed { secrets_file, kubeconfig, steps } => {
                writeln!(out, "renewed in {}", secrets_file.display())?;
                if let Some(file) = kubeconfig {
                    writeln!(out, "written into {}", file.display())?;
                }
                print_steps(&mut out, &steps)?;
            }
            Rotated::NotRenewable { why, instead } => {
                writeln!(out, "not renewed: {why}\ninstead:")?;
                print_steps(&mut out, &instead)?;
            }
        }
        Ok(out.flush()?)
    }
}

fn print_steps(out: &mut impl Write, steps: &[String]) -> std::io::Result<()> {
    for (number, step) in (1..).zip(steps) {
        writeln!(out, "  {number}. {step}")?;
    }
    Ok(())
}
