//! `hcimage plan`.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use serde_json::json;

use crate::apply::pending_edits;
use crate::difference::differences;
use crate::value::Hostname;

use super::output::{self, Usage};
use super::project::{BuildArgs, Session};

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
        let project = self.build_args.project()?;
        if let Some(name) =
            self.only.as_ref().filter(|name| project.cluster.nodes.get(name.as_str()).is_none())
        {
            let known = project.names().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Usage(format!("--only {name}: there is no such node; there are {known}")).into());
        }
        let session = Session::of_user()?;
        let cx = session.cx();
        let inputs = self.build_args.obtain(&project, &cx)?;
        let secrets = project.secrets_or_ephemeral(&inputs)?;

        let mut trees = BTreeMap::new();
        for (board, made_from) in &inputs {
            trees.insert(board, made_from.base.tree()?);
        }
        let mut nodes = Vec::new();
        for node in project.cluster.nodes.iter() {
            if self.only.as_ref().is_some_and(|only| *only != node.name) {
                continue;
            }
            let (_, plan) = project.plan(node, &inputs, secrets.as_ref())?;
            let tree = trees.get(&node.board).with_context(|| format!("{} has no base", node.board))?;
            let plan = pending_edits(tree, &plan)?;
            nodes.push((node, differences(tree, &plan).context("comparing with the base image")?));
        }

        if self.json {
            let nodes: Vec<_> = nodes
                .iter()
                .map(|(node, changes)| json!({ "hostname": node.name.as_str(), "changes": changes }))
                .collect();
            return output::print_json(&json!({ "schema": 1, "nodes": nodes }));
        }
        let (mut out, colour) = (output::stdout(), output::coloured());
        for (node, changes) in &nodes {
            writeln!(
                out,
                "node {}, {}, for {}: {} changes",
                node.name,
                node.bootstrap_role.role(),
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
