//! What a run that failed leaves of the logs on the card, for whoever reads it elsewhere.
//!
//! Raspberry Pi OS keeps its journal in memory, so a card that is pulled tells nothing of it. A journal on the card would
//! be written all the time; this is written once for each failed try, and has an end.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::own_secrets::OwnSecrets;
use super::{date, view::hide};
use crate::durable;
use crate::mask::mask;
use crate::sys::{Command, System};

/// The tails of the logs at the last failure, without secrets; only root may read it.
pub const LAST_WORDS_PATH: &str = "/var/lib/hcimage/last-failure.log";

/// Most bytes that one log has in it: all of them together stay below 100 KiB.
const LOG_BYTES: usize = 32 << 10;

/// Most characters of a line; what is longer is a program's dump of itself.
const LINE_LENGTH: usize = 2000;

/// Journalctl's arguments for each log: of this boot, with dates as they can be compared.
fn logs(k3s: Option<&'static str>) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut logs = vec![
        ("kernel", vec!["--lines=100", "--dmesg", "--priority=warning"]),
        ("first boot", vec!["--lines=150", "--unit", crate::UNIT]),
    ];
    logs.extend(k3s.map(|unit| ("k3s", vec!["--lines=200", "--unit", unit])));
    logs
}

/// Saves the logs' tails durably. An error is the reason in words: the report on the FAT partition has the failure anyway.
pub(crate) fn save_last_words(sys: &dyn System, k3s: Option<&'static str>) -> Result<(), String> {
    let secrets = OwnSecrets::default().now(sys);
    let mut text = format!("# Saved by hcimage when the first boot failed, {}\n", date(sys.now()));
    for (name, arguments) in logs(k3s) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n== {name} ==");
        text.push_str(&tail(sys, &arguments, &secrets));
    }
    let path = Path::new(LAST_WORDS_PATH);
    let dir = path.parent().unwrap_or(path);
    sys.make_dirs(dir)
        .and_then(|()| durable::replace(sys, path, text.as_bytes(), 0o600))
        .map_err(|e| format!("writing {LAST_WORDS_PATH}: {e}"))
}

fn tail(sys: &dyn System, arguments: &[&str], secrets: &[String]) -> String {
    let usual = ["--boot", "--no-pager", "--output=short-iso"];
    let mut command = Command::new("journalctl", usual.iter().chain(arguments).copied());
    // A card that dies answers slowly, and the report is on it already.
    command.limit = Duration::from_secs(20);
    let output = match sys.run(&command) {
        Ok(output) if output.success => output.stdout,
        Ok(output) => return format!("({command} failed: {})\n", plain(output.stderr.trim(), secrets)),
        Err(e) => return format!("({command} failed: {e})\n"),
    };
    let mut lines: Vec<String> = Vec::new();
    let mut left = LOG_BYTES;
    for line in output.lines().rev().map(|line| plain(line, secrets)) {
        let Some(rest) = left.checked_sub(line.len().saturating_add(1)) else { break };
        left = rest;
        lines.push(line);
    }
    lines.iter().rev().flat_map(|line| [line, "\n"]).collect()
}

/// The line without secrets and control characters, and with an end.
fn plain(line: &str, secrets: &[String]) -> String {
    let mut line = line.replace(char::is_control, " ");
    hide(&mut line, secrets);
    // Masked as a whole before: half a secret is not known for one.
    mask(&line).chars().take(LINE_LENGTH).collect()
}
