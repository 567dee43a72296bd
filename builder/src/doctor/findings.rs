//! What the facts mean: the worst first, each with what to do. Pure.

use std::time::Duration;

use hc_firstboot::k3s_diagnosis::diagnose;
use hc_firstboot::report::date;
use hc_firstboot::state::{Outcome, State, Status};

use super::facts::{Bundle, Facts, FileSystemFacts, Found, Speaker};
use super::signs;
use super::wear::Wear;
use crate::disk::ByteSize;
use crate::exit_class::ExitClass;
use crate::fs::ext4::JournalState;

/// A root with less free space is full: firstboot, journald and k3s each write files of this size.
const FULL: u64 = 16 << 20;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The node does not do its work, or the card cannot be relied on.
    Problem,
    /// It works, and will not for long or not as expected.
    Warning,
    /// Worth knowing.
    Note,
}

/// Something that the facts tell.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// What it means to a program that called.
    #[serde(skip)]
    pub class: ExitClass,
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        what: impl Into<String>,
        advice: impl Into<String>,
        class: ExitClass,
    ) -> Self {
        Self { severity, what: what.into(), advice: advice.into(), class }
    }
}

fn problem(what: impl Into<String>, advice: impl Into<String>, class: ExitClass) -> Finding {
    Finding::new(Severity::Problem, what, advice, class)
}

fn warning(what: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding::new(Severity::Warning, what, advice, ExitClass::Failed)
}

fn note(what: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding::new(Severity::Note, what, advice, ExitClass::Failed)
}

/// All findings, the worst first, and among equals those that explain others.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    if let Some(Err((what, class))) = &facts.table {
        let advice = "give a whole card or disk such as /dev/sdb, an image of one, or the folder where its boot partition is \
            mounted; if it is one, it was written only in part: flash it again";
        all.push(problem(what, advice, *class));
    }
    all.extend(facts.file_systems.iter().flat_map(|fs| of_file_system(fs, facts)));
    all.extend(facts.bundle.as_ref().and_then(|bundle| of_bundle(bundle, facts.finished)));
    all.extend(of_kernel(facts));
    all.extend(of_origin(facts));
    // What the card itself shows, such as a damaged bundle, is not said again.
    all.extend(
        of_first_boot(facts).filter(|finding| !all.iter().any(|one| finding.what.contains(&one.what))),
    );
    all.extend(of_last_report(facts, &all));
    all.extend(of_k3s(facts));
    all.extend(facts.wear.and_then(of_wear));
    if facts.is_mounted {
        all.push(note(
            "a file system of it is mounted on this machine",
            "what is read changes meanwhile: unmount it for a reliable answer",
        ));
    }
    all.extend(facts.notes.iter().map(|text| note(text, "nothing")));
    all.sort_by_key(|finding| finding.severity);
    all
}

fn of_file_system(fs: &FileSystemFacts, facts: &Facts) -> Vec<Finding> {
    let name = format!("partition {} ({})", fs.partition, fs.kind);
    let mut all = Vec::new();
    if let Some(why) = &fs.unreadable {
        let check = if fs.kind == "FAT" { "fsck.fat -a" } else { "e2fsck -fy" };
        let advice = format!(
            "save what you need, and flash the card again, another one if this happens twice; `{check}` on its partition may \
             make it readable"
        );
        all.push(problem(format!("{name} cannot be read: {why}"), advice, ExitClass::BadInput));
        return all;
    }
    if let Some(why) = &fs.damage {
        let advice = "boot it once, which repairs what was cut off, or check the card's partition (`e2fsck -f`, `fsck.fat -a`); \
            if it happens again, use another card";
        all.push(problem(format!("{name}: {why}"), advice, ExitClass::BadInput));
    }
    if fs.errors.count > 0 || fs.has_errors {
        let last = fs.errors.last.as_ref().map(|last| {
            let at = date(Duration::from_secs(last.time));
            format!(", the last {at} in {}, line {}, block {}", last.function, last.line, last.block)
        });
        let what = format!(
            "{name}: the kernel has noted {} errors of the file system{}",
            fs.errors.count,
            last.unwrap_or_default()
        );
        let advice = "run `e2fsck -f` on the card's partition; errors come back on a worn or counterfeit card or with a weak power \
            supply: then replace it";
        all.push(problem(what, advice, ExitClass::BadInput));
    }
    match &fs.journal {
        Some(JournalState::NotReplayed(why)) => {
            let advice = "boot it once; if it does not start, run `e2fsck -fy` on the card's partition";
            let what = format!("{name}: its journal cannot be replayed, so it is read without: {why}");
            all.push(problem(what, advice, ExitClass::BadInput));
        }
        _ if facts.is_mounted => {}
        Some(JournalState::Replayed) => all.push(warning(
            format!(
                "{name}: the power was cut while it was in use; its journal was replayed in memory to read it"
            ),
            "nothing: the next boot replays it; shut a node down before you pull its plug",
        )),
        _ if !fs.unmounted && fs.damage.is_none() => all.push(warning(
            format!("{name} was not unmounted"),
            "nothing: the next boot checks it; shut a node down before you pull its plug",
        )),
        _ => {}
    }
    // An image that was not booted is as small as it can be: it grows on its card.
    if let (true, Some(free), Some(_)) = (fs.is_root, fs.free, facts.state.present())
        && (free.bytes < FULL || free.inodes < 100)
    {
        let what = format!("{name} is full: {} and {} inodes are free", ByteSize(free.bytes), free.inodes);
        all.push(problem(what, "use a larger card, or delete what is not needed", ExitClass::Failed));
    }
    all
}

fn of_bundle(bundle: &Bundle, finished: bool) -> Option<Finding> {
    let (path, why) = bundle.bad.first()?;
    let more = match bundle.bad.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more files)"),
    };
    let what = format!("{path}: {why}{more}");
    Some(if finished {
        let advice = "nothing, if k3s or these files were updated on the node; else the card loses data: flash another one";
        warning(format!("not as the build wrote it: {what}"), advice)
    } else {
        let advice = "flash the card again; use another card if this happens again";
        problem(format!("the bundle is damaged: {what}"), advice, ExitClass::BadInput)
    })
}

fn of_kernel(facts: &Facts) -> Vec<Finding> {
    let kernel = facts.logs.iter().filter(|log| log.speaker == Speaker::Kernel);
    signs::of_kernel(kernel.flat_map(|log| &log.lines).map(String::as_str))
}

fn of_origin(facts: &Facts) -> Option<Finding> {
    let advice = "flash an image that `hcimage build` has made; what else is on this one is not looked at";
    match &facts.seed {
        Found::Absent => Some(problem(
            "hcimage has not built this: /etc/hcimage/seed.toml is not there",
            advice,
            ExitClass::Unsupported,
        )),
        Found::Damaged(why) => {
            Some(problem(why, "flash the card again with one version of hcimage", ExitClass::BadInput))
        }
        Found::Unknown if facts.is_folder && facts.report.is_none() => Some(of_folder(facts)),
        Found::Unknown | Found::Present(_) => None,
    }
}

fn of_folder(facts: &Facts) -> Finding {
    let whole = "for more, give doctor the whole card (its device, or an image of it): it has the progress, the logs and the digests";
    if facts.has_boot_files {
        let what = "no report on the boot partition: the node has not booted from this card, or has failed before it could write one";
        let advice = format!("put the card into the board and power it on; {whole}");
        return problem(what, advice, ExitClass::Failed);
    }
    let what = "this folder is no boot partition: neither config.txt, cmdline.txt, EFI nor hcimage-status.txt is in it";
    problem(
        what,
        format!("give the folder where the card's first partition is mounted; {whole}"),
        ExitClass::Unsupported,
    )
}

fn of_first_boot(facts: &Facts) -> Option<Finding> {
    match &facts.state {
        Found::Present(state) => of_state(state, facts),
        Found::Damaged(why) => Some(problem(
            format!(
                "/var/lib/hcimage/state.json is damaged ({why}), so how far the node was set up is not known"
            ),
            "flash the card again, on another card if it happens twice",
            ExitClass::BadInput,
        )),
        Found::Absent if facts.seed.present().is_some() && facts.report.is_none() => Some(note(
            "not booted yet",
            "put it into its board and power it on; if the board was on with it, the boot did not come as far as hcimage: look \
             at its screen or serial line",
        )),
        Found::Absent | Found::Unknown => of_report(facts),
    }
}

fn of_state(state: &State, facts: &Facts) -> Option<Finding> {
    match &state.outcome {
        Outcome::Failed(failure) => {
            let again =
                if failure.again { "; the node tries again every ten minutes and at each boot" } else { "" };
            let advice = format!("{}{again}", failure.advice);
            Some(problem(format!("the first boot failed: {}", failure.what), advice, ExitClass::Failed))
        }
        Outcome::Ready => None,
        Outcome::Running if facts.finished => None,
        Outcome::Running => {
            let record = state.phases.iter().rev().find(|record| record.status == Status::Running);
            let place = record.map_or_else(
                || "between two phases".to_owned(),
                |record| {
                    let progress = record.progress.as_deref().map(|text| format!(" ({text})"));
                    format!("in the phase {}{}", record.name.text(), progress.unwrap_or_default())
                },
            );
            Some(problem(
                format!("the first boot is not finished: the power ended {place}"),
                "put it back and power it on: it goes on where it was",
                ExitClass::Failed,
            ))
        }
    }
}

/// Where there is only the report.
fn of_report(facts: &Facts) -> Option<Finding> {
    let report = facts.report.as_ref()?;
    let text = |text: &Option<String>, or: &str| text.clone().unwrap_or_else(|| or.to_owned());
    match report.ready {
        Some(true) => None,
        Some(false) => {
            let what =
                format!("the first boot failed: {}", text(&report.what, "the report does not say why"));
            Some(problem(what, text(&report.advice, "read hcimage-status.txt"), ExitClass::Failed))
        }
        None => Some(problem(
            "the report on the boot partition has no end: it was cut off, or is not of hcimage",
            "put the card back and power the node on: it writes a new one",
            ExitClass::Failed,
        )),
    }
}

/// A failure that only the report has: the state could not be written, or was not this try's to write, as that of another seed.
fn of_last_report(facts: &Facts, told: &[Finding]) -> Option<Finding> {
    let state = facts.state.present()?;
    let report = facts.report.as_ref().filter(|report| report.ready == Some(false))?;
    let what = report.what.as_deref()?;
    let is_over = facts.finished || matches!(state.outcome, Outcome::Ready);
    if is_over || told.iter().any(|finding| finding.what.contains(what)) {
        return None;
    }
    let what = format!("the report on the boot partition, of the last try or one before it: {what}");
    let advice = report.advice.clone().unwrap_or_else(|| "read hcimage-status.txt".to_owned());
    Some(problem(what, advice, ExitClass::Failed))
}

/// What k3s said last, where the first boot is not over and its own failure does not have it already.
fn of_k3s(facts: &Facts) -> Option<Finding> {
    let state = facts.state.present()?;
    let logs: Vec<&Vec<String>> =
        facts.logs.iter().filter(|log| log.speaker == Speaker::K3s).map(|log| &log.lines).collect();
    let (meaning, advice) = diagnose(logs.first()?)?;
    let is_told = matches!(&state.outcome, Outcome::Failed(failure) if failure.what.contains(meaning));
    let is_over = facts.finished || matches!(state.outcome, Outcome::Ready);
    (!is_told && !is_over).then(|| warning(format!("k3s' log: {meaning}"), advice))
}

fn of_wear(wear: Wear) -> Option<Finding> {
    let replace = "plan its replacement: save what you need, and flash another one";
    match (wear.tenths, wear.spares) {
        (Some(11..), _) | (_, Some(3)) => {
            Some(problem("the eMMC says that its life is over", replace, ExitClass::Failed))
        }
        (Some(tenths @ 8..), _) => Some(warning(
            format!(
                "the eMMC says that up to {} % of its life is over",
                u32::from(tenths).saturating_mul(10)
            ),
            replace,
        )),
        (_, Some(2)) => Some(warning("the eMMC has used 80 % of its spare blocks", replace)),
        _ => None,
    }
}
