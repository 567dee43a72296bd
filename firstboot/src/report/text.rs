//! The report as a person reads it in one look.

use std::fmt::Write;
use std::time::Duration;

use hc_common::text::printable::printable_lines;

use super::date;
use super::view::{ClusterView, RoleName, RunStatus, View};
use crate::phase_error::Failure;
use crate::state::{Record, STATE_PATH, Status};

/// How the run ended; its text is the last line of every report, which programs wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportStatus {
    /// The node is Ready.
    Ready,
    /// The run stopped.
    Failed,
}

impl ReportStatus {
    /// The last line of the report.
    pub fn sentinel(self) -> &'static str {
        match self {
            Self::Ready => "HCIMAGE-REPORT-END ready",
            Self::Failed => "HCIMAGE-REPORT-END failed",
        }
    }
}

/// The report, without the sentinel.
pub fn render(view: &View) -> String {
    let mut text = String::from("hcimage first boot\n\n");
    let node = view.node.as_deref().unwrap_or("unknown");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "Node:    {node}");
    if let Some(cluster) = &view.cluster {
        let _ = writeln!(text, "Cluster: {}", cluster_line(cluster));
    }
    let time = date(Duration::from_secs(view.time));
    let _ = writeln!(text, "Time:    {time}\nResult:  {}", result(view, node));
    for note in &view.notes {
        let _ = writeln!(text, "Note:    {note}");
    }
    text.push_str(&table(&view.phases));
    if let Some(failure) = &view.failure {
        text.push_str(&explain(failure));
    }
    let _ = writeln!(text, "\nMore on the node: journalctl -u hc-firstboot; {STATE_PATH}");
    // Reasons come from servers, logs and files of strangers.
    printable_lines(&text).into_owned()
}

/// `home, as first server; API at https://k3s.example:6443`
fn cluster_line(ClusterView { name, role, api }: &ClusterView) -> String {
    let role = match role {
        RoleName::InitServer => "first server",
        RoleName::JoinServer => "further server",
        RoleName::Agent => "agent",
    };
    let api = api.as_ref().map(|api| format!("; API at https://{api}")).unwrap_or_default();
    format!("{name}, as {role}{api}")
}

fn result(view: &View, node: &str) -> String {
    match (view.status, &view.failure) {
        (_, Some(failure)) => format!("failed: {}", failure.what),
        (RunStatus::NotBegun, _) => "not begun".to_owned(),
        (RunStatus::Running, _) => "under way".to_owned(),
        (RunStatus::Ready, _) => format!("node {node} Ready"),
        (RunStatus::Failed, None) => "failed".to_owned(),
    }
}

fn table(phases: &[Record]) -> String {
    if phases.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nPhase      Result   Seconds  Notes\n");
    for record in phases {
        let (name, status, notes) = (record.name.text(), status(record.status), notes(record));
        let line = format!("{name:<10} {status:<8} {:>7}  {notes}", record.seconds);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Done => "done",
        Status::Failed => "FAILED",
    }
}

/// The notes of a phase that is over, what it waits for else.
fn notes(record: &Record) -> String {
    match (record.status, &record.progress) {
        (Status::Running, Some(progress)) => progress.clone(),
        _ => record.notes.join("; "),
    }
}

fn explain(failure: &Failure) -> String {
    let mut text = format!("\nWhat is wrong:  {}\nWhat to do:     {}\n", failure.what, failure.advice);
    if failure.again {
        // The pause is that of the unit.
        text.push_str("What is next:   the node tries again every ten minutes, and at each boot\n");
    }
    if !failure.log.is_empty() {
        text.push_str("\nLast lines of the log:\n");
        failure.log.iter().for_each(|line| {
            let _ = writeln!(text, "  {line}");
        });
    }
    text
}
