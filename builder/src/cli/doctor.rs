//! `hcimage doctor`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use hc_common::text::printable::printable;
use hc_firstboot::state::Status;
use serde_json::json;

use crate::disk::ByteSize;
use crate::doctor::{Card, Facts, Finding, Origin, Severity, collect, findings};
use crate::exit_class::{Classified, ExitClass};

use super::output;
use super::unpacked;

/// Say what is wrong with a card, an image of one, or a mounted boot partition
///
/// Nothing is written to it, and no journal is replayed on it. A whole card is
/// read through its device, which needs the right to read it: `sudo`, or the
/// group `disk`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo hcimage doctor /dev/sdb            a card in a reader
  hcimage doctor card.img                 an image of one
  hcimage doctor /media/me/bootfs         only its boot partition, as mounted
  sudo hcimage doctor /dev/sdb --collect bug.tar

Exit codes: 0 nothing is wrong   1 something is   3 not built by hcimage
  4 the card or its files are damaged")]
pub(super) struct Args {
    /// An image, a card's device, or the folder where its boot partition is mounted
    #[arg(value_name = "IMAGE|DEVICE|FOLDER")]
    place: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Also write an archive for a report of a bug: logs, settings and lists of files, with secrets masked
    #[arg(long, value_name = "FILE.tar")]
    collect: Option<PathBuf>,
}

/// The answer is that something is wrong; what it is was printed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Unwell {
    what: String,
    class: ExitClass,
}

impl Classified for Unwell {
    fn class(&self) -> Option<ExitClass> {
        Some(self.class)
    }
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let context = || format!("looking at {}", self.place.display());
        let origin = Origin::of(&self.place).with_context(context)?;
        let (origin, _unpacked) = match origin {
            Origin::Image(path) => {
                let image = unpacked(&path).with_context(context)?;
                (Origin::Image(image.path.clone()), Some(image))
            }
            other => (other, None),
        };
        let card = Card::read(&origin).map_err(explain).with_context(context)?;
        let found = masked(findings(&card.facts), &card);
        let text = text(&card.facts, &found);
        if self.json {
            output::print_json(&as_json(&card.facts, &found))?;
        } else {
            let mut out = output::stdout();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
        if let Some(to) = &self.collect {
            collect(&card, &text, to)?;
            writeln!(output::stderr(), "{} is written: look at it before you publish it", to.display())?;
        }
        let worst = found.into_iter().find(|finding| finding.severity == Severity::Problem);
        worst.map_or(Ok(()), |Finding { what, class, .. }| Err(Unwell { what, class }.into()))
    }
}

fn explain(error: io::Error) -> anyhow::Error {
    let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
    let error = anyhow::Error::new(error);
    if is_denied {
        error.context("only root and the group `disk` may read a disk: run it with sudo")
    } else {
        error
    }
}

fn masked(found: Vec<Finding>, card: &Card) -> Vec<Finding> {
    let mask = |Finding { what, advice, severity, class }: Finding| Finding {
        what: card.mask.text(&what),
        advice: card.mask.text(&advice),
        severity,
        class,
    };
    found.into_iter().map(mask).collect()
}

/// The verdict first, then the facts.
fn text(facts: &Facts, found: &[Finding]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    if found.iter().all(|finding| finding.severity != Severity::Problem) {
        let _ = writeln!(text, "Nothing is wrong: {}.", standing(facts, found));
    }
    for finding in found {
        let name = match finding.severity {
            Severity::Problem => "PROBLEM",
            Severity::Warning => "Warning",
            Severity::Note => "Note",
        };
        let _ = writeln!(text, "{name:8} {}", printable(&finding.what));
        if finding.advice != "nothing" {
            let _ = writeln!(text, "  to do: {}", printable(&finding.advice));
        }
    }
    text.push('\n');
    for (name, value) in rows(facts) {
        let _ = writeln!(text, "{name:13} {}", printable(&value));
    }
    let failure = facts.state.present().and_then(|state| match &state.outcome {
        hc_firstboot::state::Outcome::Failed(failure) if !failure.log.is_empty() => Some(&failure.log),
        _ => None,
    });
    if let Some(log) = failure {
        text.push_str("\nLast lines of the log:\n");
        log.iter().for_each(|line| {
            let _ = writeln!(text, "  {}", printable(line));
        });
    }
    text
}

fn standing(facts: &Facts, found: &[Finding]) -> String {
    let ready = facts.finished || facts.report.as_ref().is_some_and(|report| report.ready == Some(true));
    match (ready, found.iter().any(|finding| finding.what == "not booted yet")) {
        (true, _) => "the first boot is over, and the node was Ready".to_owned(),
        (false, true) => "the image is whole, and was not booted yet".to_owned(),
        _ => "nothing was found".to_owned(),
    }
}

fn rows(facts: &Facts) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let (Some(size), Some(Ok(table))) = (facts.size, &facts.table) {
        rows.push(("disk", format!("{}, {}", ByteSize(size), table.kind)));
    }
    for fs in &facts.file_systems {
        let free = fs.free.map(|free| format!(", {} free", ByteSize(free.bytes)));
        let role = if fs.is_root { ", root" } else { "" };
        let size = ByteSize(fs.size);
        rows.push((
            "partition",
            format!("{}: {}{role}, {size}{}", fs.partition, fs.kind, free.unwrap_or_default()),
        ));
    }
    if let Some(seed) = facts.seed.present() {
        rows.push(("node", format!("{} of {}", seed.node.hostname, seed.cluster.name)));
    } else if let Some(node) = facts.report.as_ref().and_then(|report| report.node.clone()) {
        rows.push(("node", node));
    }
    if let Some(state) = facts.state.present() {
        let done: Vec<&str> = state
            .phases
            .iter()
            .filter(|record| record.status == Status::Done)
            .map(|record| record.name.text())
            .collect();
        rows.push(("phases done", done.join(", ")));
        if let Some(last) = state.phases.iter().find(|record| record.status != Status::Done) {
            rows.push(("stopped in", last.name.text().to_owned()));
        }
    }
    if let Some(result) = facts.report.as_ref().and_then(|report| report.result.clone()) {
        rows.push(("report", result));
    }
    if let Some(bundle) = &facts.bundle {
        let count = bundle.good.saturating_add(bundle.bad.len());
        rows.push(("bundle", format!("{} of {count} files have the digests of the build", bundle.good)));
    }
    if let Some(wear) = facts.wear {
        rows.push(("eMMC", wear.to_string()));
    }
    rows.extend(facts.logs.iter().map(|log| ("log", format!("{}: {} lines", log.name, log.lines.len()))));
    if facts.is_folder {
        rows.push(("looked at", "the boot partition alone; a whole card tells more".to_owned()));
    }
    rows
}

fn as_json(facts: &Facts, found: &[Finding]) -> serde_json::Value {
    let table = facts.table.as_ref().and_then(|table| table.as_ref().ok());
    json!({
        "schema": 1,
        "findings": found,
        "size": facts.size,
        "table": table,
        "file_systems": facts.file_systems,
        "node": facts.seed.present().map(|seed| seed.node.hostname.to_string()),
        "state": facts.state.present(),
        "finished": facts.finished,
        "report": facts.report,
        "bundle": facts.bundle,
        "wear": facts.wear,
    })
}
