//! `hcimage plan`.

use std::io::Write;

use anyhow::Context;
use serde_json::json;

use crate::difference::differences;
use crate::interrupt::Interrupt;
use crate::progress;
use crate::source::Tools;
use crate::source::cache::Cache;
use crate::source::fetch::{Fetcher, Patience};
use crate::value::Hostname;

use super::output::{self, Usage};
use super::project::Inputs;

/// Show what a build would change, without writing an image
///
/// Text is shown as a unified diff against the base image, everything else as a line. Secrets are not shown, and none
/// are made. What has to be downloaded for a build is downloaded for this too.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    inputs: Inputs,
    /// Only this node of the cluster
    #[arg(long, value_name = "NAME", conflicts_with = "board")]
    only: Option<Hostname>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hcimage plan
  hcimage plan lab.toml --only lab-2
  hcimage plan --board cm4 --base raspios.img.xz | less -R";

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let project = self.inputs.project()?;
        if let Some(name) =
            self.only.as_ref().filter(|name| project.cluster.nodes.get(name.as_str()).is_none())
        {
            let known = project.names().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Usage(format!("--only {name}: there is no such node; there are {known}")).into());
        }
        let interrupt = Interrupt::install().context("catching Ctrl-C")?;
        let progress = progress::on_stderr();
        let (fetcher, cache) = (Fetcher::new(Patience::default()), Cache::of_user()?);
        let tools =
            Tools { fetcher: &fetcher, cache: &cache, progress: progress.as_ref(), interrupt: &interrupt };
        let ingredients = self.inputs.obtain(&project, &tools)?;
        let secrets = project.peek_at_secrets(&ingredients)?;

        let mut nodes = Vec::new();
        for node in project.cluster.nodes.iter() {
            if self.only.as_ref().is_some_and(|only| *only != node.name) {
                continue;
            }
            let (made_from, plan) = project.plan(node, &ingredients, secrets.as_ref())?;
            let (plan, tree) = made_from.base.preview(&plan)?;
            nodes.push((node, differences(&tree, &plan).context("comparing with the base image")?));
        }

        let mut out = output::stdout();
        if self.json {
            let nodes: Vec<_> = nodes
                .iter()
                .map(|(node, changes)| json!({ "hostname": node.name.as_str(), "changes": changes }))
                .collect();
            serde_json::to_writer_pretty(&mut out, &json!({ "schema": 1, "nodes": nodes }))?;
            writeln!(out)?;
            return Ok(out.flush()?);
        }
        let colour = output::coloured();
        for (node, changes) in &nodes {
            writeln!(
                out,
                "node {}, {}, for {}: {} changes",
                node.name,
                node.seat.role(),
                node.board,
                changes.len()
            )?;
            for change in changes {
                write!(out, "{}", change.shown(colour))?;
            }
        }
        Ok(out.flush()?)
    }
}
