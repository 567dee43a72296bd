//! The first boot from its beginning to its end.

use std::path::Path;
use std::time::Duration;

use crate::clock;
use crate::context::Context;
use crate::digest::sha256;
use crate::phase::{Phase, all};
use crate::phase_error::{Failure, PhaseError};
use crate::report::{self, Known, ReportStatus, View, live};
use crate::seed::{SEED_PATH, Seed};
use crate::state::{self, FINISHED_PATH, Loaded, Outcome, PhaseName, STATE_PATH, State, Status};
use crate::sys::System;

/// The first pause between two tries; each further one is twice as long, up to the phase's longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How a start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// The node is Ready, and this never runs again.
    Ready,
    /// Stopped with a report by something that does not change by itself; the next boot tries again.
    Failed,
    /// Stopped with a report after the time limit of a phase; systemd starts the program again after a pause, and so does
    /// the next boot.
    TryAgain,
    /// An earlier boot finished: nothing was done.
    NothingToDo,
}

impl RunOutcome {
    /// What the process tells systemd: 0, 1 where the run stopped, or 75 where it is to be started again: `EX_TEMPFAIL` of
    /// sysexits(3), which the unit names.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ready | Self::NothingToDo => 0,
            Self::Failed => 1,
            Self::TryAgain => 75,
        }
    }
}

/// Goes through the phases from wherever an earlier start was interrupted.
pub fn first_boot(sys: &dyn System) -> RunOutcome {
    if sys.stat(Path::new(FINISHED_PATH)).is_ok() {
        sys.log(&format!("hcimage: the first boot is over ({FINISHED_PATH} is there): nothing to do"));
        return RunOutcome::NothingToDo;
    }
    let (seed, digest) = match read_seed(sys) {
        Ok(read) => read,
        Err(failure) => return stop(sys, None, &mut State::new(String::new()), PhaseError::Abort(failure)),
    };
    // Before anything writes the state: the clock may be wrong until its phase.
    let last_seen = clock::last_seen(sys, &seed);
    match resume(sys, &digest) {
        Ok(state) => go(Context {
            sys,
            seed: &seed,
            state,
            last_seen,
            started: Duration::ZERO,
            deadline: Duration::ZERO,
            known: Known::default(),
        }),
        // The state on the card stays as it is: it is evidence, or belongs to the seed that was used.
        Err(failure) => stop(sys, Some(&seed), &mut State::new(digest), PhaseError::Abort(failure)),
    }
}

fn read_seed(sys: &dyn System) -> Result<(Seed, String), Failure> {
    let advice = "flash the card again with an image that hcimage built";
    let bytes = sys
        .read(Path::new(SEED_PATH))
        .map_err(|e| Failure::new(format!("reading {SEED_PATH}: {e}"), advice))?;
    let text = str::from_utf8(&bytes)
        .map_err(|_| Failure::new(format!("reading {SEED_PATH}: it is not UTF-8 text"), advice))?;
    let seed = Seed::parse(text).map_err(|e| Failure::new(e.to_string(), advice))?;
    let digest = sha256(&bytes);
    Ok((seed, digest))
}

/// The state to go on from, or why there is no going on.
fn resume(sys: &dyn System, digest: &str) -> Result<State, Failure> {
    match state::load(sys) {
        Loaded::Absent => Ok(State::new(digest.to_owned())),
        Loaded::Present(state) if state.seed_sha256 == digest => {
            Ok(State { outcome: Outcome::Running, ..*state })
        }
        Loaded::Present(state) if state.committed => Err(Failure::new(
            format!("{SEED_PATH} was changed after k3s was started for the first time"),
            "put the old seed back, or flash the card again to set up the node anew",
        )),
        Loaded::Present(_) => {
            let mut state = State::new(digest.to_owned());
            state.notes.push("the seed was changed before k3s was started: begun again".to_owned());
            Ok(state)
        }
        Loaded::Damaged(reason) => Err(Failure::new(
            format!("{STATE_PATH} is damaged ({reason}), so how far the node was set up is not known"),
            "flash the card again, on another card if it happens twice",
        )),
    }
}

fn go(mut cx: Context<'_>) -> RunOutcome {
    let phases: Vec<_> = all().into_iter().filter(|phase| phase.applies(&cx)).collect();
    for (i, phase) in phases.iter().enumerate() {
        let place = format!("[{}/{}] {}", i.saturating_add(1), phases.len(), phase.name().text());
        cx.sys.log(&format!("hcimage: {place}: started"));
        match one_phase(&mut cx, phase.as_ref()) {
            Ok(summary) => cx.sys.log(&format!("hcimage: {place}: done{summary}")),
            Err(error) => {
                cx.sys.log(&format!("hcimage: {place}: FAILED"));
                return stop(cx.sys, Some(cx.seed), &mut cx.state, error);
            }
        }
    }
    cx.show();
    log_report(cx.sys, &report_text(cx.sys, Some(cx.seed), &cx.state), ReportStatus::Ready);
    RunOutcome::Ready
}

/// One phase with its state written before and after. Gives back how long it took and its notes, in words.
fn one_phase(cx: &mut Context<'_>, phase: &dyn Phase) -> Result<String, PhaseError> {
    let name = phase.name();
    let start = cx.sys.uptime();
    cx.started = start;
    cx.known.look(cx.sys, Some(cx.seed));
    let done_before = cx.state.is_done(name);
    let record = cx.state.record_mut(name);
    record.progress = None;
    if !done_before {
        record.status = Status::Running;
        record.seconds = 0;
    }
    cx.save().map_err(PhaseError::Abort)?;
    let result = until_done(cx, phase, start);
    let seconds = cx.sys.uptime().saturating_sub(start).as_secs();
    let record = cx.state.record_mut(name);
    record.seconds = seconds;
    record.progress = None;
    match result {
        Ok(notes) => {
            record.status = Status::Done;
            if let Some(notes) = notes {
                record.notes = notes;
            }
            let summary = summary(seconds, &record.notes);
            // The last phase has written it all, and then the marker: nothing may be written after that.
            if name != PhaseName::Finish {
                cx.save().map_err(PhaseError::Abort)?;
            }
            Ok(summary)
        }
        Err(error) => {
            record.status = Status::Failed;
            Err(error)
        }
    }
}

fn summary(seconds: u64, notes: &[String]) -> String {
    if notes.is_empty() {
        return format!(" in {seconds} s");
    }
    format!(" in {seconds} s ({})", notes.join("; "))
}

/// Notes of a phase; none where there was nothing to do, so that those of an earlier boot stay.
type Notes = Option<Vec<String>>;

/// Tries until the phase's goal is reached, an error is final or the phase's time is over.
fn until_done(cx: &mut Context<'_>, phase: &dyn Phase, start: Duration) -> Result<Notes, PhaseError> {
    let end = start.saturating_add(phase.limit(cx));
    cx.deadline = end;
    let mut pause = FIRST_PAUSE;
    loop {
        let failure = match one_try(cx, phase) {
            Ok(notes) => return Ok(notes),
            Err(abort @ PhaseError::Abort(_)) => {
                return phase.on_timeout(cx, abort).map(Some).map_err(PhaseError::Abort);
            }
            Err(PhaseError::Retry(failure)) => failure,
        };
        if cx.sys.uptime().saturating_add(pause) > end {
            return phase.on_timeout(cx, PhaseError::Retry(failure)).map(Some).map_err(PhaseError::Retry);
        }
        cx.progress(phase.name(), &format!("waiting: {}", failure.what)).map_err(PhaseError::Abort)?;
        cx.sys.sleep(spread(cx.sys, pause));
        pause = pause.saturating_mul(2).min(phase.longest_pause());
    }
}

/// Three to four quarters of a pause, so that nodes that were powered on together do not ask their server together.
fn spread(sys: &dyn System, pause: Duration) -> Duration {
    let quarter = u64::try_from(pause.as_millis() / 4).unwrap_or_default();
    let less = sys.random().unwrap_or_default().checked_rem(quarter).unwrap_or_default();
    pause.saturating_sub(Duration::from_millis(less))
}

fn one_try(cx: &mut Context<'_>, phase: &dyn Phase) -> Result<Notes, PhaseError> {
    if phase.is_done(cx)? {
        return Ok(None);
    }
    phase.apply(cx)?;
    phase.verify(cx).map(Some)
}

/// The end of a run that failed: state, report and sentinel.
fn stop(sys: &dyn System, seed: Option<&Seed>, state: &mut State, error: PhaseError) -> RunOutcome {
    let outcome = match error {
        PhaseError::Retry(_) => RunOutcome::TryAgain,
        PhaseError::Abort(_) => RunOutcome::Failed,
    };
    let failure = Failure { again: outcome == RunOutcome::TryAgain, ..error.into_failure() };
    state.outcome = Outcome::Failed(failure);
    // Only a state that phases have worked on is this program's to write.
    if !state.phases.is_empty()
        && let Err(failure) = state::save(sys, state)
    {
        sys.log(&format!("hcimage: {failure}"));
    }
    let view = View::now(sys, Some(state), seed);
    live::publish(sys, &view);
    let text = report::render(&view);
    let dir = seed.map(|seed| seed.report.boot_dir.clone()).or_else(|| report::guess_dir(sys));
    let published = match dir {
        Some(dir) => report::publish(sys, &dir, &text, ReportStatus::Failed),
        None => Err(format!("no {}: no boot partition is mounted", report::STATUS_FILE)),
    };
    if let Err(reason) = published {
        sys.log(&format!("hcimage: {reason}"));
    }
    if let Err(reason) = report::save_last_words(sys, seed.map(|seed| seed.role.unit())) {
        sys.log(&format!("hcimage: {reason}"));
    }
    log_report(sys, &text, ReportStatus::Failed);
    outcome
}

fn report_text(sys: &dyn System, seed: Option<&Seed>, state: &State) -> String {
    report::render(&View::now(sys, Some(state), seed))
}

/// Begins with a line end, because the cursor of a console may stand behind a login prompt.
fn log_report(sys: &dyn System, text: &str, end: ReportStatus) {
    sys.log(&format!("\n{text}\n{}", end.sentinel()));
}
