//! `hcimage watch`.

use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use hc_common::text::printable::printable;
use hc_firstboot::STATUS_PORT;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::board::Boards;
use crate::interrupt::Interrupt;
use crate::session::Project;
use crate::value::Hostname;
use crate::watch::{Row, RowStatus, Target, lines, watch};

use super::build_args::{CLUSTER_FILE, library};
use super::output::{self, Usage};

/// Watch the nodes of a cluster until all are Ready
///
/// Asks each node that was flashed and powered on how its first boot stands, until all are Ready or the time is over. A
/// node is found by its address in the cluster file, or by DNS-SD on this network. What a node says is not
/// authenticated: it is for your eyes. The page that is asked goes off an hour after a node is Ready, unless the
/// cluster file says otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The cluster file [default: cluster.toml]
    #[arg(value_name = "CLUSTER_FILE")]
    cluster: Option<PathBuf>,
    /// Where a node is: for one that has its address by DHCP, where DNS-SD does not find it; may be given several times
    #[arg(long, value_name = "NAME=IP")]
    address: Vec<NodeAddress>,
    /// How long to wait until all are Ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
    /// Print a line of JSON for each change
    #[arg(long)]
    json: bool,
    /// Another port than that of nodes, for tests
    #[arg(long, value_name = "PORT", default_value_t = STATUS_PORT, hide = true)]
    port: u16,
    /// A directory with board profiles of your own
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// A directory with overlays of your own
    #[arg(long, value_name = "DIR")]
    overlays: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  hcimage watch
  hcimage watch lab.toml --timeout 1800
  hcimage watch --address pi-3=192.168.1.57
  hcimage watch --json | jq -r 'select(.status == \"failed\") | .reason'

Exit codes: 0 all nodes are Ready, 1 they are not when the time is over";

#[derive(Debug, Clone)]
struct NodeAddress {
    name: Hostname,
    address: IpAddr,
}

impl FromStr for NodeAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once('=').ok_or("expected NAME=IP, such as pi-3=192.168.1.57")?;
        let address = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
        Ok(Self { name: name.parse().map_err(|bad| format!("{bad}"))?, address })
    }
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let targets = self.targets()?;
        let interrupt = Interrupt::install().context("catching Ctrl-C")?;
        let timeout = Duration::from_secs(self.timeout);
        let mut failed = None;
        let is_live = io::stdout().is_terminal() && !self.json;
        let mut live = is_live.then(Live::new).transpose()?;
        let mut last: Vec<Option<Change>> = targets.iter().map(|_| None).collect();
        let result = watch(&targets, self.port, timeout, &interrupt, &mut |rows| match &mut live {
            Some(live) => live.draw(rows),
            None if failed.is_none() => {
                if let Err(error) = print_changes(rows, &mut last, self.json) {
                    // Nobody reads any more.
                    interrupt.raise();
                    failed = Some(error);
                }
            }
            None => {}
        });
        if let Some(live) = live {
            live.end();
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(result?),
        }
    }

    fn targets(&self) -> anyhow::Result<Vec<Target>> {
        let file = self.cluster.clone().unwrap_or_else(|| CLUSTER_FILE.into());
        if self.cluster.is_none() && !file.exists() {
            return Err(Usage(format!("there is no {CLUSTER_FILE} here: name the cluster file")).into());
        }
        let boards = Boards::load(self.profiles.as_deref())?;
        // Its warnings are for a build.
        let (project, _warnings) = Project::load(&file, &boards, &library(&file, self.overlays.clone()))?;
        let given = |name: &Hostname| self.address.iter().find(|given| given.name == *name);
        if let Some(stray) = self.address.iter().find(|given| !project.node_names().contains(&given.name)) {
            return Err(
                Usage(format!("--address {}: {} has no such node", stray.name, file.display())).into()
            );
        }
        let target = |node: &crate::cluster::Node| Target {
            name: node.name.to_string(),
            address: given(&node.name).map(|given| given.address).or_else(|| node.network.static_address()),
        };
        Ok(project.cluster.nodes.iter().map(target).collect())
    }
}

/// A table that is drawn over itself.
struct Live(ProgressBar);

impl Live {
    fn new() -> anyhow::Result<Self> {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        Ok(Self(bar.with_style(ProgressStyle::with_template("{msg}").context("drawing a table")?)))
    }

    fn draw(&mut self, rows: &[Row]) {
        // One column stays free: a line that ends at the edge wraps on some terminals.
        let width = usize::from(output::terminal_width()).saturating_sub(1);
        self.0.set_message(lines(rows, width).join("\n"));
        self.0.tick();
    }

    /// The last table stays.
    fn end(self) {
        self.0.abandon();
    }
}

/// What makes a line: not the seconds, which always change.
#[derive(Debug, PartialEq, Eq)]
struct Change(Option<String>, RowStatus, Option<String>, String);

fn print_changes(rows: &[Row], last: &mut [Option<Change>], as_json: bool) -> anyhow::Result<()> {
    let mut out = output::stdout();
    for (row, last) in rows.iter().zip(last) {
        let change = Change(row.address.clone(), row.status, row.phase.clone(), row.reason.clone());
        if row.status == RowStatus::Unasked || last.as_ref() == Some(&change) {
            continue;
        }
        if as_json {
            let line = json!({
                "node": row.node, "address": row.address, "status": word(row.status), "phase": row.phase,
                "seconds": row.seconds, "reason": row.reason,
            });
            writeln!(out, "{}", output::json_line(&line)?)?;
        } else {
            writeln!(out, "{}", line(row))?;
        }
        *last = Some(change);
    }
    Ok(out.flush()?)
}

/// `pi-1 (10.0.0.1): running network: waiting: no carrier on eth0`
fn line(row: &Row) -> String {
    let address = row.address.as_ref().map(|address| format!(" ({address})")).unwrap_or_default();
    let phase = row.phase.as_ref().map(|phase| format!(" {phase}")).unwrap_or_default();
    let reason = if row.reason.is_empty() { String::new() } else { format!(": {}", row.reason) };
    printable(&format!("{}{address}: {}{phase}{reason}", row.node, row.status.text())).into_owned()
}

/// The word for programs.
fn word(status: RowStatus) -> &'static str {
    match status {
        RowStatus::Unasked => "asking",
        RowStatus::NotFound => "not-found",
        RowStatus::Unreachable => "unreachable",
        RowStatus::NotBegun => "not-begun",
        RowStatus::Running => "running",
        RowStatus::Ready => "ready",
        RowStatus::Failed => "failed",
    }
}
