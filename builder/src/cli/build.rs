//! `hcimage build`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use crate::output::{Output, OutputError};
use crate::pipeline::{self, Built, Ready, Target};
use crate::secrets::{Secrets, store};
use crate::source::SourceContext;

use super::output;
use super::project::{BoardInputs, BuildArgs, Project, Session, clock, earliest};

/// Make the images of a cluster's nodes, or of one node alone
///
/// With a cluster file there is an image for each node in the output directory, and a kubeconfig. With --board it is one
/// image. What the cluster file and --base do not name is downloaded; all is verified, and what was found is kept in
/// hcimage.lock, so that the next build takes the same. The base image is never written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    build_args: BuildArgs,
    /// Where the images go: a directory, or with --board the image itself
    /// [default: out, or <hostname>-<board>.img]
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Replace the output if it exists
    #[arg(long)]
    overwrite: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hcimage build
  hcimage build lab.toml --output lab
  hcimage build --board cm4
  hcimage build --board cm4 --base raspios.img.xz --hostname pi-1 \\
      --address 192.168.1.10/24 --gateway 192.168.1.1 --dns 192.168.1.1
  hcimage build --board pc --base debian-12.img --k3s ./v1.36.2+k3s1 \\
      --manifest shop.yaml --data-disk k8s-data";

/// Where a cluster's images go where nobody says.
const DIR: &str = "out";

/// What is made beside the images of a cluster.
const KUBECONFIG: &str = "kubeconfig";

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let project = self.build_args.project()?;
        if project.file.is_none() {
            return self.build(&project);
        }
        let dir = self.dir();
        let is_new = !dir.exists();
        std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        self.build(&project).inspect_err(|_| {
            if is_new {
                // Fails where something is in it, and then it stays.
                let _ = std::fs::remove_dir(&dir);
            }
        })
    }

    fn build(&self, project: &Project) -> anyhow::Result<()> {
        let outputs = self.outputs(project)?;
        let session = Session::of_user()?;
        let cx = session.cx();
        let inputs = self.build_args.obtain(project, &cx)?;
        // A cluster that cannot be built gets no secrets either.
        let throw_away = project.secrets_or_ephemeral(&inputs)?;
        for node in project.cluster.nodes.iter() {
            project.plan(node, &inputs, throw_away.as_ref())?;
        }
        let secrets = open_secrets(project, &inputs)?;
        let ready = build(project, &inputs, secrets.as_ref(), outputs, &cx)?;

        let mut built = BTreeMap::new();
        for (name, ready) in ready {
            built.insert(name, ready.publish()?);
        }
        let kubeconfig = match &secrets {
            Some(secrets) => Some(self.write_kubeconfig(project, secrets)?),
            None => None,
        };
        let report = Report { project, inputs: &inputs, built: &built, kubeconfig };
        if self.json { report.json() } else { report.text() }
    }

    /// Where each node's image goes, by the node's name; refused before any work where it could not go there.
    fn outputs(&self, project: &Project) -> anyhow::Result<BTreeMap<String, Output>> {
        let mut outputs = BTreeMap::new();
        if project.file.is_some() {
            let kubeconfig = self.dir().join(KUBECONFIG);
            if !self.overwrite && kubeconfig.exists() {
                return Err(OutputError::Exists { path: kubeconfig }.into());
            }
        }
        for node in project.cluster.nodes.iter() {
            let path = match (&project.file, &self.output) {
                (Some(_), _) => self.dir().join(format!("{}.img", node.name)),
                (None, Some(path)) => path.clone(),
                (None, None) => PathBuf::from(format!("{}-{}.img", node.name, node.board)),
            };
            let output = Output { path, overwrite: self.overwrite };
            output.check(self.build_args.given_base())?;
            outputs.insert(node.name.to_string(), output);
        }
        Ok(outputs)
    }

    fn dir(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| DIR.into())
    }

    fn write_kubeconfig(&self, project: &Project, secrets: &Secrets) -> anyhow::Result<PathBuf> {
        let path = self.dir().join(KUBECONFIG);
        store::write_private(&path, &secrets.kubeconfig(&project.cluster.api_url()))?;
        Ok(path)
    }
}

/// The cluster's secrets, made now where there are none; none for one node alone.
fn open_secrets(
    project: &Project,
    inputs: &BTreeMap<String, BoardInputs>,
) -> anyhow::Result<Option<Secrets>> {
    let Some(path) = project.secrets_file() else { return Ok(None) };
    let clock = clock(earliest(inputs))?;
    let opened = store::open(&path, project.cluster.name.as_str(), &project.names(), clock)?;
    let mut err = io::stderr().lock();
    for warning in &opened.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    if opened.created {
        writeln!(
            err,
            "made the secrets of the cluster {}: {}\n  keep this file, and keep it to yourself: with it a node can be \
             built again and joins; without it no node can",
            project.cluster.name,
            path.display()
        )?;
    }
    Ok(Some(opened.secrets))
}

/// Builds all images, board by board. None has its name yet.
fn build(
    project: &Project,
    inputs: &BTreeMap<String, BoardInputs>,
    secrets: Option<&Secrets>,
    mut outputs: BTreeMap<String, Output>,
    cx: &SourceContext<'_>,
) -> anyhow::Result<Vec<(String, Ready)>> {
    // Everything is planned before anything is written.
    let mut batches: BTreeMap<&str, (&BoardInputs, Vec<String>, Vec<Target>)> = BTreeMap::new();
    for node in project.cluster.nodes.iter() {
        let (made_from, plan) = project.plan(node, inputs, secrets)?;
        let name = node.name.to_string();
        let output = outputs.remove(&name).with_context(|| format!("{name} has no output"))?;
        let batch = batches.entry(&node.board).or_insert_with(|| (made_from, Vec::new(), Vec::new()));
        batch.1.push(name);
        batch.2.push(Target { plan, output });
    }
    let mut all = Vec::new();
    for (made_from, names, targets) in batches.into_values() {
        let ready = pipeline::build(cx, &made_from.base, made_from.time, targets)?;
        all.extend(names.into_iter().zip(ready));
    }
    Ok(all)
}

/// What was made, for a person or a program.
struct Report<'a> {
    project: &'a Project,
    inputs: &'a BTreeMap<String, BoardInputs>,
    built: &'a BTreeMap<String, Built>,
    kubeconfig: Option<PathBuf>,
}

impl Report<'_> {
    fn nodes(&self) -> impl Iterator<Item = (&crate::cluster::Node, &BoardInputs, &Built)> {
        self.project.cluster.nodes.iter().filter_map(|node| {
            let built = self.built.get(node.name.as_str())?;
            Some((node, self.inputs.get(&node.board)?, built))
        })
    }

    fn json(&self) -> anyhow::Result<()> {
        let nodes: Vec<Value> = self
            .nodes()
            .map(|(node, made_from, built)| {
                json!({
                    "hostname": node.name.as_str(),
                    "role": node.bootstrap_role.role().to_string(),
                    "board": node.board,
                    "address": node.network.static_address(),
                    "image": built.image,
                    "manifest": built.manifest,
                    "size": built.size.0,
                    "grown": built.grown.0,
                    "partition_table": built.partition_table,
                    "changes": built.changes.len(),
                    "k3s": made_from.k3s.version.to_string(),
                })
            })
            .collect();
        let mut summary = json!({ "cluster": self.project.cluster.name.as_str(), "nodes": nodes });
        if let (Some(path), Some(members)) = (&self.kubeconfig, summary.as_object_mut()) {
            members.insert("kubeconfig".to_owned(), json!(path));
            members.insert("api".to_owned(), json!(self.project.cluster.api_url()));
        }
        output::print_json(&summary)
    }

    fn text(&self) -> anyhow::Result<()> {
        let mut out = output::stdout();
        for (node, made_from, built) in self.nodes() {
            let facts = made_from.base.facts();
            let version = &made_from.k3s.version;
            let address = node.network.static_address();
            let address = address.map_or_else(|| "by DHCP".to_owned(), |address| address.to_string());
            writeln!(out, "{}  {}", built.image.display(), built.size)?;
            writeln!(
                out,
                "  node {}, {}, {address}, for {}",
                node.name,
                node.bootstrap_role.role(),
                node.board
            )?;
            writeln!(out, "  from {}, k3s {version}", facts.system)?;
            if let Some(change) = built.partition_table {
                writeln!(out, "  {change}")?;
            }
            writeln!(out, "  {} changes, each listed in {}", built.changes.len(), built.manifest.display())?;
        }
        for choice in self.project.cluster.boards.values() {
            if let Some(flash) = &choice.profile.flash {
                writeln!(out, "{}: {}", choice.profile.name, flash.notes)?;
            }
        }
        let image = match self.nodes().next() {
            Some((_, _, only)) if self.built.len() == 1 => shell_word(&only.image),
            _ => "IMAGE".to_owned(),
        };
        writeln!(out, "flash it: sudo dd if={image} of=/dev/sdX bs=4M conv=fsync status=progress")?;
        if let Some(kubeconfig) = &self.kubeconfig {
            let path = shell_word(kubeconfig);
            writeln!(
                out,
                "then: kubectl --kubeconfig {path} get nodes   ({})",
                self.project.cluster.api_url()
            )?;
        }
        Ok(out.flush()?)
    }
}

/// A path as a shell reads it back.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
