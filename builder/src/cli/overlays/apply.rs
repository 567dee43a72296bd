//! `hcimage overlays apply`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use hc_common::text::printable::printable;

use crate::live::{self, LiveError, LiveOverlay, MANIFESTS, Preview, Running, Standing, Step};
use crate::overlays::record::RecordedObject;
use crate::value::DnsLabel;

use super::super::output::{self, Usage};
use super::cluster::{Cluster, ClusterArgs, say};

/// Add the overlays of the cluster file to a cluster that runs, or change them
///
/// What would change is listed first, by a trial on the cluster, and you are asked once. Then all that the overlays
/// promise is waited for. What only a node's image can have, such as packages, is a refusal before anything changes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only these overlays, and not all of the cluster file
    #[arg(value_name = "OVERLAY")]
    only: Vec<DnsLabel>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// List what would change, and change nothing
    #[arg(long, conflicts_with_all = ["yes", "write"])]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Take fields that somebody else has set to something else
    #[arg(long)]
    force_conflicts: bool,
    /// Only write the files of the overlays, with their secrets, for a server whose k3s applies them
    #[arg(long, value_name = "DIR", conflicts_with = "yes")]
    write: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  hcimage overlays apply
  hcimage overlays apply vaultwarden --dry-run
  hcimage overlays apply --kubeconfig ~/.kube/home --yes

Exit codes:
  0 all that the overlays promise is there   1 it is not, or the cluster refuses
  2 wrong usage, or the kubeconfig of another cluster
  3 the overlays need what the nodes' images lack";

impl Args {
    pub(super) fn run(self, dir: Option<PathBuf>) -> anyhow::Result<()> {
        let cluster = self.cluster.open(dir)?;
        let known: Vec<&DnsLabel> =
            cluster.project.cluster.overlays.iter().map(|active| active.name()).collect();
        if let Some(stray) = self.only.iter().find(|name| !known.contains(name)) {
            let problem =
                format!("the cluster file switches on no overlay {stray}; begin with [overlays.{stray}]");
            return Err(Usage(problem).into());
        }
        let trial = cluster.overlays(&self.only, false)?;
        if let Some(dir) = &self.write {
            return self.write_files(&cluster, dir);
        }
        let running = cluster.running()?;
        let previews = self.previews(&cluster, &running, &trial)?;
        strays(&running, &known);
        let mut out = output::stdout();
        for (preview, overlay) in previews.iter().zip(&trial) {
            list(&mut out, preview, overlay)?;
        }
        if previews.is_empty() {
            writeln!(out, "the cluster file switches on no overlays")?;
        }
        told_of_images(&mut out, &previews, cluster.project.cluster.online)?;
        out.flush()?;
        drop(out);
        check(&previews, &trial)?;
        if self.dry_run || previews.is_empty() {
            return Ok(());
        }
        // From here on with the passwords that stay.
        let overlays = match previews.iter().all(Preview::is_same) {
            true => trial,
            false => {
                self.ask()?;
                cluster.overlays(&self.only, true)?
            }
        };
        let timeout = self.cluster.timeout;
        let mut tell = |line: &str| say(line);
        let changed: Vec<(&LiveOverlay, &Preview)> =
            overlays.iter().zip(&previews).filter(|(_, preview)| !preview.is_same()).collect();
        live::apply(&cluster.api, &changed, self.force_conflicts, timeout, &mut tell)?;
        let all: Vec<&LiveOverlay> = overlays.iter().collect();
        let charts_changed = changed.iter().any(|(overlay, _)| !overlay.charts.is_empty());
        live::wait(&cluster.api, &all, charts_changed, timeout, &mut tell)?;
        let mut out = output::stdout();
        let names: Vec<&str> = overlays.iter().map(|overlay| overlay.name.as_str()).collect();
        writeln!(out, "all that these overlays promise is there: {}", names.join(", "))?;
        Ok(out.flush()?)
    }

    fn previews(
        &self,
        cluster: &Cluster,
        running: &Running,
        overlays: &[LiveOverlay],
    ) -> Result<Vec<Preview>, LiveError> {
        let of = |overlay| live::preview(&cluster.api, running, overlay, self.force_conflicts);
        overlays.iter().map(of).collect()
    }

    fn ask(&self) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err(Usage("nobody is there to ask: add --yes".to_owned()).into());
        }
        let mut out = output::stderr();
        write!(out, "change the cluster? [y/N] ")?;
        out.flush()?;
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => anyhow::bail!("nothing was changed"),
        }
    }

    fn write_files(&self, cluster: &Cluster, dir: &Path) -> anyhow::Result<()> {
        let overlays = cluster.overlays(&self.only, true)?;
        let names = live::write_files(&overlays.iter().collect::<Vec<_>>(), dir)?;
        let mut out = output::stdout();
        writeln!(out, "written into {}; only you can read them, and they hold secrets:", dir.display())?;
        for name in names {
            writeln!(out, "  {}", printable(&name))?;
        }
        let server = cluster.project.cluster.nodes.init_server().map(|node| node.name.to_string());
        let server = server.unwrap_or_default();
        writeln!(
            out,
            "k3s applies what lies in {MANIFESTS} of {server}, and prunes what it had applied from a file before"
        )?;
        writeln!(
            out,
            "a chart must lie in /var/lib/rancher/k3s/server/static/charts of each server, as its file says"
        )?;
        Ok(out.flush()?)
    }
}

/// Overlays that the cluster has, and the cluster file no longer.
fn strays(running: &Running, known: &[&DnsLabel]) {
    for name in running.records.keys().filter(|name| !known.contains(name)) {
        say(&format!(
            "the cluster has the overlay {name}, and the cluster file does not: `hcimage overlays remove {name}`"
        ));
    }
}

fn list(out: &mut impl Write, preview: &Preview, overlay: &LiveOverlay) -> anyhow::Result<()> {
    match &preview.standing {
        Standing::Files => writeln!(out, "{}: unchanged; k3s applies it from files", preview.overlay)?,
        Standing::OtherFiles(paths) => {
            writeln!(out, "{}: k3s applies it from files, which would be others:", preview.overlay)?;
            for path in paths {
                writeln!(out, "  ~ {}", printable(path))?;
            }
        }
        Standing::Api(_) if preview.is_same() => writeln!(out, "{}: unchanged", preview.overlay)?,
        Standing::Api(steps) => {
            let same = steps.iter().filter(|(_, step)| *step == Step::Same).count();
            let rest = if same == 0 { String::new() } else { format!(" ({same} unchanged)") };
            writeln!(out, "{}:{rest}", preview.overlay)?;
            for (object, step) in steps {
                list_step(out, object, step)?;
            }
            for line in &overlay.chart_sources {
                writeln!(out, "    {}", printable(line))?;
            }
        }
    }
    Ok(())
}

fn list_step(out: &mut impl Write, object: &RecordedObject, step: &Step) -> anyhow::Result<()> {
    let shown = object.to_string();
    let shown = printable(&shown);
    let owner = if object.was_there { "; it was there before, and stays when the overlay goes" } else { "" };
    match step {
        Step::Same => {}
        Step::New => writeln!(out, "  + {shown}")?,
        Step::Later => {
            writeln!(out, "  + {shown}, once the cluster knows {}", printable(&object.api_version))?
        }
        Step::Gone => writeln!(out, "  - {shown}")?,
        Step::Conflict(why) => writeln!(out, "  ! {shown}: {}", printable(why))?,
        Step::Changed(lines) => {
            writeln!(out, "  ~ {shown}{owner}")?;
            for line in lines {
                writeln!(out, "      {}", printable(line))?;
            }
        }
    }
    Ok(())
}

/// Nodes pull what their images do not have: nobody can put it onto them from here.
fn told_of_images(out: &mut impl Write, previews: &[Preview], may_pull: bool) -> anyhow::Result<()> {
    let pulled: Vec<&String> = previews.iter().flat_map(|preview| &preview.pulled).collect();
    if pulled.is_empty() {
        return Ok(());
    }
    writeln!(out, "container images that nodes pull where they do not have them:")?;
    for name in pulled {
        writeln!(out, "  {}", printable(name))?;
    }
    if !may_pull {
        writeln!(
            out,
            "the cluster file has no `online = true`: without a way to these registries, pods do not start; then flash the \
             nodes anew, with images that have them"
        )?;
    }
    Ok(())
}

/// What is refused, before anything changes.
fn check(previews: &[Preview], overlays: &[LiveOverlay]) -> Result<(), LiveError> {
    let missing: Vec<String> = previews
        .iter()
        .flat_map(|preview| preview.lacking.iter().map(move |line| format!("{}: {line}", preview.overlay)))
        .collect();
    if !missing.is_empty() {
        return Err(LiveError::HostNeeds { missing });
    }
    let files: Vec<String> = previews
        .iter()
        .filter_map(|preview| match &preview.standing {
            Standing::OtherFiles(paths) => Some(paths.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    if !files.is_empty() {
        let names: Vec<String> = previews
            .iter()
            .filter(|preview| matches!(preview.standing, Standing::OtherFiles(_)))
            .map(|preview| preview.overlay.to_string())
            .collect();
        let has_charts = overlays
            .iter()
            .any(|overlay| names.contains(&overlay.name.to_string()) && !overlay.charts.is_empty());
        let charts = if has_charts { " (and packed charts, where their versions change)" } else { "" };
        return Err(LiveError::OnDisk {
            problem: format!(
                "k3s applies {} from files on the first server, at each of its starts, and would undo what the API is told: write \
                 them with `hcimage overlays apply {} --write DIR`, put them there{charts}, and run this again; or flash the server \
                 anew",
                names.join(", "),
                names.join(" ")
            ),
            files,
        });
    }
    let all: Vec<String> = previews.iter().flat_map(Preview::conflicts).collect();
    if all.is_empty() { Ok(()) } else { Err(LiveError::Conflicts { all }) }
}
