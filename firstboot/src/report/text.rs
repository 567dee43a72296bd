//! The report as a person reads it in one look.

use std::fmt::Write;
use std::time::Duration;

use super::date;
use hc_common::value::Hostname;

use crate::phase_error::Failure;
use crate::seed::{Role, Seed};
use crate::state::{Outcome, PhaseName, Record, STATE_PATH, State, Status};

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

/// The report, without the sentinel. The node is unknown where the seed cannot be read.
pub fn render(state: &State, seed: Option<&Seed>, now: Duration) -> String {
    let mut text = String::from("hcimage first boot\n\n");
    let named = seed.map(|seed| seed.node.hostname.as_str());
    let node = state.overrides.hostname.as_ref().map(Hostname::as_str).or(named).unwrap_or("unknown");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "Node:    {node}");
    if let Some(seed) = seed {
        let _ = writeln!(text, "Cluster: {}", cluster(seed));
    }
    let _ = writeln!(text, "Time:    {}\nResult:  {}", date(now), result(state, node));
    for note in &state.notes {
        let _ = writeln!(text, "Note:    {note}");
    }
    text.push_str(&table(&state.phases));
    if let Outcome::Failed(failure) = &state.outcome {
        text.push_str(&explain(failure));
    }
    let _ = writeln!(text, "\nMore on the node: journalctl -u hc-firstboot; {STATE_PATH}");
    text
}

/// `home, as first server; API at https://k3s.example:6443`
fn cluster(seed: &Seed) -> String {
    let role = match &seed.role {
        Role::InitServer(_) => "first server",
        Role::Server(_) => "further server",
        Role::Agent(_) => "agent",
    };
    let api = seed.cluster.api.as_ref().map(|api| format!("; API at https://{api}")).unwrap_or_default();
    format!("{}, as {role}{api}", seed.cluster.name)
}

fn result(state: &State, node: &str) -> String {
    match &state.outcome {
        Outcome::Running => "under way".to_owned(),
        Outcome::Ready => format!("node {node} Ready"),
        Outcome::Failed(failure) => format!("failed: {}", failure.what),
    }
}

fn table(phases: &[Record]) -> String {
    // The report is what the last phase makes: in its own table it would always be unfinished.
    let rows: Vec<_> = phases.iter().filter(|record| record.name != PhaseName::Finish).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nPhase      Result   Seconds  Notes\n");
    for record in rows {
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
    if !failure.log.is_empty() {
        text.push_str("\nLast lines of the log:\n");
        failure.log.iter().for_each(|line| {
            let _ = writeln!(text, "  {line}");
        });
    }
    text
}
