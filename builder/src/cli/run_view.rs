//! What `hcimage run` shows: a live table on a terminal, lines of changes elsewhere, and a console where it is wanted.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use crate::flash::shell_word;
use crate::run::{Cluster, RunningNode, Service, Status};
use crate::watch::{Row, RowStatus, lines};

use super::output;

/// So many lines of its console are shown of a node that is not Ready; the JUnit file has more.
const LAST_LINES: usize = 10;

/// What a person sees of a run.
pub(super) struct View {
    /// The node whose console is shown.
    console: Option<String>,
    table: Option<ProgressBar>,
}

impl View {
    /// A table where stderr is a terminal; beside a console there is none.
    pub(super) fn new(console: Option<String>) -> Self {
        let table = (io::stderr().is_terminal() && console.is_none()).then(|| {
            let style =
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new_spinner().with_style(style)
        });
        Self { console, table }
    }

    /// Where everything is.
    pub(super) fn introduce(&self, cluster: &Cluster, kubeconfig: Option<&Path>) -> io::Result<()> {
        let mut out = output::stderr();
        let router = &cluster.router;
        writeln!(out, "network {}, router {}", router.subnet, router.gateway)?;
        for (arch, (accelerator, why)) in &cluster.accelerators {
            writeln!(out, "{arch} by {accelerator:?} ({why})")?;
        }
        for node in &cluster.nodes {
            let name = node.image.name();
            writeln!(out, "{name}  {}  console in {}", address(node), node.console.display())?;
        }
        if let (Some(kubeconfig), Some(_)) = (kubeconfig, cluster.port(Service::Api)) {
            writeln!(out, "kubectl --kubeconfig {} get nodes", shell_word(kubeconfig))?;
        }
        self.tell_ports(cluster)
    }

    fn tell_ports(&self, cluster: &Cluster) -> io::Result<()> {
        for node in &cluster.nodes {
            for (service, port) in &node.ports {
                let line = match service {
                    Service::Ssh => format!("ssh -p {port} USER@127.0.0.1"),
                    Service::Api => format!("API https://127.0.0.1:{port}"),
                    Service::Http => format!("HTTP http://127.0.0.1:{port}"),
                    Service::Https => format!("HTTPS https://127.0.0.1:{port}"),
                };
                writeln!(output::stderr(), "{}  {line}", node.image.name())?;
            }
        }
        Ok(())
    }

    /// Takes what has happened, and shows it.
    pub(super) fn show(&mut self, cluster: &mut Cluster) -> anyhow::Result<()> {
        let known = |cluster: &Cluster| cluster.nodes.iter().map(|node| node.ports.len()).sum::<usize>();
        let ports = known(cluster);
        let mut out = output::stderr();
        let changed = cluster.poll(|node, line| {
            if self.console.as_deref() == Some(node) {
                // Without stderr nobody looks.
                let _ = writeln!(out, "{line}");
            }
        })?;
        let now = cluster.seconds();
        if known(cluster) > ports {
            self.suspended(|| self.tell_ports(cluster))?;
        }
        if let Some(table) = &self.table {
            let rows: Vec<Row> = cluster.nodes.iter().map(|node| row(node, now)).collect();
            let text = lines(&rows, width()).join("\n");
            // Each time is a flicker.
            if table.message() != text {
                table.set_message(text);
                table.tick();
            }
            return Ok(());
        }
        for node in changed.into_iter().filter_map(|number| cluster.nodes.get(number)) {
            let is_shown = self.console.as_deref() == Some(node.image.name());
            if !is_shown {
                writeln!(out, "{now:>5} s  {}", in_a_line(node))?;
            }
        }
        Ok(())
    }

    /// A line above the table.
    pub(super) fn say(&self, line: &str) {
        // Without stderr nobody looks.
        let _ = self.suspended(|| writeln!(output::stderr(), "{line}"));
    }

    fn suspended<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.table {
            Some(table) => table.suspend(work),
            None => work(),
        }
    }

    /// The nodes that are not Ready, with the end of their consoles.
    pub(super) fn failures(&self, cluster: &Cluster) -> String {
        let of = |case: crate::run::junit::Case| {
            let (why, console) = case.failure?;
            let is_shown = self.console.as_deref() == Some(&case.node);
            let shown = if is_shown { 0 } else { LAST_LINES };
            let lines: Vec<&str> = console.lines().collect();
            let tail = lines.iter().skip(lines.len().saturating_sub(shown)).map(|line| format!("\n  {line}"));
            Some(format!("node {}: {why}{}", case.node, tail.collect::<String>()))
        };
        cluster.cases().into_iter().filter_map(of).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(table) = &self.table {
            // It stays as it was last.
            table.abandon();
        }
    }
}

fn address(node: &RunningNode) -> String {
    node.address.map_or_else(|| "DHCP".to_owned(), |address| address.to_string())
}

fn row(node: &RunningNode, now: u64) -> Row {
    let boot = &node.boot;
    let status = match boot.status {
        Status::Booting => RowStatus::NotBegun,
        Status::Running => RowStatus::Running,
        Status::Ready => RowStatus::Ready,
        Status::Failed => RowStatus::Failed,
        Status::Off => RowStatus::Unreachable,
    };
    let since = boot.phase.as_ref().map_or(0, |phase| phase.since);
    Row {
        node: node.image.name().to_owned(),
        address: node.address.map(|address| address.to_string()),
        status,
        phase: boot.phase.as_ref().map(|phase| phase.name.clone()),
        seconds: Some(boot.ended.unwrap_or_else(|| now.saturating_sub(since))),
        reason: boot.reason.clone(),
    }
}

fn in_a_line(node: &RunningNode) -> String {
    let (name, boot) = (node.image.name(), &node.boot);
    let phase = boot.phase.as_ref().map(|phase| format!(" {} {}", phase.place, phase.name));
    let phase = phase.unwrap_or_default();
    match boot.status {
        Status::Booting | Status::Running => format!("{name}{phase}"),
        Status::Ready => format!("{name} Ready"),
        Status::Failed => format!("{name} FAILED{phase}: {}", boot.reason),
        Status::Off => format!("{name} off"),
    }
}

/// Of the terminal; that of paper where nobody knows.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 20).unwrap_or(80)
}
