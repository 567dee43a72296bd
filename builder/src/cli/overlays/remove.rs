//! `hcimage overlays remove`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use hc_common::text::printable::printable;

use crate::live::{self, Removal};
use crate::value::DnsLabel;

use super::super::output::{self, Usage};
use super::cluster::{ClusterArgs, say};

/// Take an overlay away from a cluster that runs
///
/// What goes, what data goes with it, and what stays is listed first, and you are asked for the overlay's name. Where
/// k3s would bring it back from files on a server, you are told the command to run there.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The overlay
    name: DnsLabel,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// List what would go, and change nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask: the overlay's name once more
    #[arg(long, value_name = "OVERLAY")]
    yes: Option<String>,
    /// The server has no files of the overlay any more, as after it was flashed without it
    #[arg(long)]
    files_are_gone: bool,
}

const EXAMPLES: &str = "Examples:
  hcimage overlays remove vaultwarden --dry-run
  hcimage overlays remove vaultwarden
  hcimage overlays remove vaultwarden --yes vaultwarden

Exit codes:
  0 it is gone   1 it is not, or the cluster refuses
  2 wrong usage, an unknown overlay, or the kubeconfig of another cluster";

impl Args {
    pub(super) fn run(self, dir: Option<PathBuf>) -> anyhow::Result<()> {
        let cluster = self.cluster.open(dir)?;
        let name = &self.name;
        let active = cluster.project.cluster.overlays.iter().find(|active| active.name() == name);
        let needed_by = |other: &&crate::overlays::ActiveOverlay| other.overlay.needs.contains(name);
        if let Some(other) = cluster.project.cluster.overlays.iter().find(needed_by) {
            let problem = format!(
                "the overlay {} of the cluster file needs {name}: remove it first, or its table",
                other.name()
            );
            return Err(Usage(problem).into());
        }
        // The kubeconfig is checked in any case.
        let only = active.map(|_| name.clone());
        let overlays = match only {
            Some(only) => cluster.overlays(&[only], false)?,
            None => {
                cluster.check_authority()?;
                Vec::new()
            }
        };
        let running = cluster.running()?;
        let removal = live::removal(&cluster.api, &running, name, overlays.first())?;
        let server =
            cluster.project.cluster.nodes.init_server().map(|node| node.name.to_string()).unwrap_or_default();
        let mut out = output::stdout();
        list(&mut out, &removal, &server, self.files_are_gone)?;
        if active.is_some() {
            writeln!(
                out,
                "the cluster file still has [overlays.{name}]: remove that table, or the next build or `apply` brings it back"
            )?;
        }
        out.flush()?;
        drop(out);
        if self.dry_run {
            return Ok(());
        }
        self.ask()?;
        live::remove(&cluster.api, &removal, self.files_are_gone, self.cluster.timeout, &mut |line| {
            say(line)
        })?;
        let mut out = output::stdout();
        writeln!(out, "the overlay {name} is gone")?;
        Ok(out.flush()?)
    }

    fn ask(&self) -> anyhow::Result<()> {
        let name = self.name.as_str();
        if let Some(given) = &self.yes {
            return match given == name {
                true => Ok(()),
                false => Err(Usage(format!("expected --yes {name}, found --yes {given}")).into()),
            };
        }
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err(Usage(format!("nobody is there to ask: add --yes {name}")).into());
        }
        let mut out = output::stderr();
        write!(out, "type the overlay's name to remove it: ")?;
        out.flush()?;
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer)?;
        match answer.trim() == name {
            true => Ok(()),
            false => anyhow::bail!("nothing was changed"),
        }
    }
}

fn list(out: &mut impl Write, removal: &Removal, server: &str, files_are_gone: bool) -> anyhow::Result<()> {
    writeln!(out, "{}:", removal.overlay)?;
    for object in &removal.objects {
        writeln!(out, "  - {}", printable(&object.to_string()))?;
    }
    if removal.objects.is_empty() {
        writeln!(out, "  no objects are left")?;
    }
    for (head, lines) in [("what is lost:", &removal.lost), ("what stays:", &removal.stays)] {
        if !lines.is_empty() {
            writeln!(out, "{head}")?;
        }
        for line in lines {
            writeln!(out, "  {}", printable(line))?;
        }
    }
    if !removal.files.is_empty() && !files_are_gone {
        writeln!(
            out,
            "k3s applies it from files on {server} at each of its starts; you will be told the command to run there:"
        )?;
        for file in &removal.files {
            writeln!(out, "  {}", printable(file))?;
        }
    }
    Ok(())
}
