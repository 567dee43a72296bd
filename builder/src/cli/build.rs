//! `hcimage build`.

use std::io::Write;
use std::path::{Path, PathBuf};

use hc_common::text::printable::printable;
use serde_json::{Value, json};

use crate::board::Board;
use crate::cluster::Node;
use crate::flash;
use crate::session::{BuiltNode, Destination, Outcome, Project, Served};
use crate::source::url::SourceUrl;

use super::build_args::BuildArgs;
use super::output;

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
    /// Write SHA256SUMS beside the images, or <image>.sha256; reads every image once more
    #[arg(long)]
    checksums: bool,
    /// Write a list for Raspberry Pi Imager, whose users then write a node by a click; reads every image once more
    ///
    /// CLUSTER.rpi-imager-manifest is beside the images, and opens with Imager. URL is where the images will be served from;
    /// without it they are files of this machine.
    #[arg(long, value_name = "URL", conflicts_with = "board")]
    imager: Option<Option<SourceUrl>>,
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

/// The format of the JSON output.
const SCHEMA: u32 = 1;

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (project, sources) = (self.build_args.project()?, self.build_args.sources()?);
        let imager = self.imager.map(|url| url.map_or(Served::Here, Served::At));
        let destination =
            Destination { path: self.output, overwrite: self.overwrite, sums: self.checksums, imager };
        let outcome = self.build_args.session()?.build(&project, &sources, &destination)?;
        let report = Report { project: &project, outcome: &outcome };
        if self.json { report.json() } else { report.text() }
    }
}

/// What was made, for a person or a program.
struct Report<'a> {
    project: &'a Project,
    outcome: &'a Outcome,
}

impl Report<'_> {
    fn nodes(&self) -> impl Iterator<Item = (&Node, &BuiltNode)> {
        let nodes = &self.project.cluster.nodes;
        self.outcome.nodes.iter().filter_map(|built| Some((nodes.get(built.image.node.as_str())?, built)))
    }

    fn json(&self) -> anyhow::Result<()> {
        let nodes: Vec<Value> = self.nodes().map(|(node, built)| node_as_json(node, built)).collect();
        let cluster = &self.project.cluster;
        let mut summary = json!({ "schema": SCHEMA, "cluster": cluster.name.as_str(), "nodes": nodes });
        if let (Some(path), Some(members)) = (&self.outcome.kubeconfig, summary.as_object_mut()) {
            members.insert("kubeconfig".to_owned(), json!(path));
            members.insert("api".to_owned(), json!(cluster.api_url()));
        }
        if let (Some(path), Some(members)) = (&self.outcome.checksums, summary.as_object_mut()) {
            members.insert("checksums".to_owned(), json!(path));
        }
        if let (Some(path), Some(members)) = (&self.outcome.imager_list, summary.as_object_mut()) {
            members.insert("imager_list".to_owned(), json!(path));
        }
        if let (Some(existing), Some(members)) = (&cluster.join, summary.as_object_mut()) {
            members.insert("joins".to_owned(), json!(existing.server.to_string()));
        }
        output::print_json(&summary)
    }

    fn text(&self) -> anyhow::Result<()> {
        let mut out = output::stdout();
        for (node, built) in self.nodes() {
            print_node(&mut out, node, built)?;
        }
        for path in self.outcome.checksums.iter().chain(&self.outcome.imager_list) {
            writeln!(out, "{}", printable(&path.display().to_string()))?;
        }
        let images: Vec<_> = self.outcome.nodes.iter().map(|built| &built.image).collect();
        for line in flash::instructions(&images, self.boards()) {
            writeln!(out, "{}", printable(&line))?;
        }
        if let Some(kubeconfig) = &self.outcome.kubeconfig {
            // The shells of Windows share no other quotes.
            let path = match cfg!(windows) {
                true => format!("\"{}\"", printable(&kubeconfig.display().to_string())),
                false => flash::shell_word(kubeconfig),
            };
            let api = self.project.cluster.api_url();
            writeln!(out, "then: kubectl --kubeconfig {path} get nodes   ({api})")?;
        }
        if let Some(existing) = &self.project.cluster.join {
            writeln!(out, "then: the nodes join {}; use the kubeconfig of that cluster", existing.server)?;
        }
        Ok(out.flush()?)
    }

    fn boards(&self) -> impl Iterator<Item = &Board> {
        self.project.cluster.boards.values().map(|choice| &choice.profile)
    }
}

fn print_node(out: &mut impl Write, node: &Node, built: &BuiltNode) -> std::io::Result<()> {
    let BuiltNode { image, system, k3s } = built;
    let address = node.network.static_address();
    let address = address.map_or_else(|| "DHCP".to_owned(), |address| address.to_string());
    let (name, role, board) = (&node.name, node.bootstrap_role.role(), &node.board);
    writeln!(out, "{}  {}", printable(&image.path.display().to_string()), image.size)?;
    writeln!(out, "  node {name}, {role}, {address}, for {board}")?;
    writeln!(out, "  from {}, k3s {k3s}", printable(&system.to_string()))?;
    if let Some(change) = &image.partition_table {
        writeln!(out, "  {change}")?;
    }
    let shown = |path: &Path| printable(&path.display().to_string()).to_string();
    writeln!(out, "  {} changes, each listed in {}", image.changes.len(), shown(&image.manifest))?;
    writeln!(out, "  all that is in it: {}", shown(&image.sbom))
}

fn node_as_json(node: &Node, built: &BuiltNode) -> Value {
    let BuiltNode { image, k3s, .. } = built;
    json!({
        "hostname": node.name.as_str(),
        "role": node.bootstrap_role.role().to_string(),
        "board": node.board,
        "address": node.network.static_address(),
        "image": image.path,
        "manifest": image.manifest,
        "sbom": image.sbom,
        "bmap": image.bmap,
        "size": image.size.0,
        "grown": image.grown.0,
        "partition_table": image.partition_table,
        "changes": image.changes.len(),
        "k3s": k3s.to_string(),
    })
}
