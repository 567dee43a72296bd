//! `hcimage plan`.

use std::io::Write;

use hc_common::text::printable::printable_lines;
use serde_json::json;

use crate::session::Preview;
use crate::value::Hostname;

use super::build_args::BuildArgs;
use super::output;
use super::overlays;

/// Show what a build would change, without writing an image
///
/// Text is shown as a unified diff against the base image, everything else as a line. Secrets are not shown, and none
/// are made. What has to be downloaded for a build is downloaded for this too.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    build_args: BuildArgs,
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
        let (project, sources) = (self.build_args.project()?, self.build_args.sources()?);
        let nodes = self.build_args.session()?.preview(&project, &sources, self.only.as_ref())?;
        if self.json {
            let nodes: Vec<_> = nodes
                .iter()
                .map(
                    |Preview { node, changes, warnings }| json!({ "hostname": node.name.as_str(), "changes": changes, "warnings": warnings }),
                )
                .collect();
            return output::print_json(&json!({ "schema": 1, "nodes": nodes }));
        }
        let colour = output::coloured();
        let mut out = if colour { output::coloured_stdout() } else { output::stdout() };
        write!(out, "{}", printable_lines(&overlays::head(&project.cluster.overlays, "")))?;
        for Preview { node, changes, .. } in &nodes {
            let (name, role, board) = (&node.name, node.bootstrap_role.role(), &node.board);
            writeln!(out, "node {name}, {role}, for {board}: {} changes", changes.len())?;
            for change in changes {
                write!(out, "{}", change.shown(colour))?;
            }
        }
        Ok(out.flush()?)
    }
}
