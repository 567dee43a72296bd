//! Queries of systemd units.

use crate::mask::mask;
use crate::phase_error::PhaseError;
use crate::sys::{Command, System};

/// The properties of a service from `systemctl show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) active: String,
    pub(crate) sub: String,
    pub(crate) result: String,
    pub(crate) restarts: u64,
    pub(crate) exit_status: String,
    pub(crate) needs_reload: bool,
}

impl Unit {
    /// Queries systemd.
    pub(crate) fn show(sys: &dyn System, unit: &str) -> Result<Self, PhaseError> {
        let wanted = "--property=ActiveState,SubState,Result,NRestarts,ExecMainStatus,NeedDaemonReload";
        Ok(Self::parse(&systemctl(sys, ["show", wanted, unit])?))
    }

    fn parse(text: &str) -> Self {
        let of = |key: &str| {
            let values = text.lines().filter_map(|line| line.split_once('='));
            values.filter(|(name, _)| *name == key).map(|(_, value)| value).next_back().unwrap_or_default()
        };
        Self {
            active: of("ActiveState").to_owned(),
            sub: of("SubState").to_owned(),
            result: of("Result").to_owned(),
            restarts: of("NRestarts").parse().unwrap_or_default(),
            exit_status: of("ExecMainStatus").to_owned(),
            needs_reload: of("NeedDaemonReload") == "yes",
        }
    }

    /// Whether it runs or is starting (including the pause before a restart).
    pub(crate) fn is_started(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading")
    }
}

/// Whether a unit is enabled.
pub(crate) fn is_enabled(sys: &dyn System, unit: &str) -> Result<bool, PhaseError> {
    // The exit status is not zero for "disabled", so only the output is used.
    let output = run(sys, &Command::new("systemctl", ["is-enabled", unit]))?;
    Ok(output.stdout.trim() == "enabled")
}

/// Runs systemctl, which must succeed, and returns its output.
pub(crate) fn systemctl<const N: usize>(sys: &dyn System, args: [&str; N]) -> Result<String, PhaseError> {
    let command = Command::new("systemctl", args);
    let output = run(sys, &command)?;
    if output.success {
        return Ok(output.stdout);
    }
    let complaint = last_line(&output.stderr);
    Err(PhaseError::retry(format!("running {command}: {complaint}"), "see `journalctl -b`"))
}

/// Runs a command; the caller checks its exit status.
pub(crate) fn run(sys: &dyn System, command: &Command) -> Result<crate::sys::Output, PhaseError> {
    sys.run(command).map_err(|e| {
        let advice = format!("check that `{}` is installed in the image and works", command.program);
        PhaseError::retry(format!("running {command}: {e}"), advice)
    })
}

/// The last log lines of a unit, masked.
pub(crate) fn last_lines(sys: &dyn System, unit: &str) -> Vec<String> {
    newest_lines(sys, unit, 15)
}

/// The same with as many lines as are wanted.
pub(crate) fn newest_lines(sys: &dyn System, unit: &str, count: u16) -> Vec<String> {
    let count = format!("--lines={count}");
    let args = ["--boot", "--no-pager", "--output=cat", &count, "--unit", unit];
    match sys.run(&Command::new("journalctl", args)) {
        Ok(output) if output.success => output.stdout.lines().map(plain).collect(),
        _ => vec!["(the journal could not be read)".to_owned()],
    }
}

/// The last line of a program's error output, masked.
pub(crate) fn last_line(text: &str) -> String {
    plain(text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no error output"))
}

/// The line without secrets and control characters.
fn plain(line: &str) -> String {
    mask(&line.replace(char::is_control, " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_in_any_order() {
        let text = "NRestarts=2\nSubState=auto-restart\nExecMainStatus=1\nResult=exit-code\n\
                    NeedDaemonReload=no\nActiveState=activating\n";
        let unit = Unit::parse(text);
        assert_eq!(
            (unit.active.as_str(), unit.restarts, unit.result.as_str()),
            ("activating", 2, "exit-code")
        );
        assert!(unit.is_started() && !unit.needs_reload);
    }
}
