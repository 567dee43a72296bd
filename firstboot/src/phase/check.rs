//! Saves the output of `k3s check-config` about kernel and system, for diagnosis.

use std::path::Path;
use std::time::Duration;

use super::Phase;
use crate::context::Context;
use crate::durable;
use crate::phase_error::{Failure, PhaseError};
use crate::report::mask;
use crate::state::PhaseName;
use crate::sys::Command;
use crate::systemd;

/// The k3s binary.
const K3S: &str = "/usr/local/bin/k3s";

/// The path of the output.
const PATH: &str = "/var/lib/hcimage/check-config.txt";

pub(super) struct Check;

impl Phase for Check {
    fn name(&self) -> PhaseName {
        PhaseName::Check
    }

    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::ZERO
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.is_done(PhaseName::Check))
    }

    /// It exits with an error if something is missing: the output is saved in any case.
    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        let mut command = Command::new(K3S, ["check-config"]);
        command.limit = Duration::from_secs(120);
        let output = systemd::run(cx.sys, &command)?;
        let said = plain(&format!("{}{}", output.stdout, output.stderr));
        durable::replace(cx.sys, Path::new(PATH), said.as_bytes(), 0o644)
            .map_err(|e| PhaseError::abort(format!("writing {PATH}: {e}"), crate::state::advice(&e)))
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let bytes = cx.sys.read(Path::new(PATH)).unwrap_or_default();
        Ok(vec![format!("{}; full output in {PATH}", summary(&String::from_utf8_lossy(&bytes)))])
    }

    /// The node is Ready, so the check is optional.
    fn on_timeout(&self, _cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        Ok(vec![last.into_failure().what])
    }
}

/// The result, with the missing features. Required features end in `missing`; optional ones too, so only the result
/// distinguishes them.
fn summary(text: &str) -> String {
    let result = text.lines().rev().find_map(|line| line.trim().strip_prefix("STATUS:"));
    let missing: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_suffix(": missing"))
        .take(4)
        .collect();
    let result = result.map_or("no result", str::trim);
    if missing.is_empty() { result.to_owned() } else { format!("{result} (missing: {})", missing.join(", ")) }
}

/// The text without terminal colors (ECMA-48, 5.4: ESC, bracket, parameters, a letter) and without secrets.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut pieces = text.split("\u{1b}[");
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        plain.extend(rest.chars().skip(1));
    }
    plain.lines().flat_map(|line| [mask(line), "\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_the_status_and_the_missing_features() {
        // As the script of k3s v1.36 prints it, shortened.
        let text = "\nGenerally Necessary:\n- cgroup hierarchy: \u{1b}[32mcgroups V2 mounted\u{1b}[0m\n\
                    - CONFIG_NAMESPACES: \u{1b}[32menabled\u{1b}[0m\n- CONFIG_VXLAN: \u{1b}[1;31mmissing\u{1b}[0m\n\n\
                    STATUS: \u{1b}[31m1 (fail)\u{1b}[0m\n";
        assert_eq!(summary(&plain(text)), "1 (fail) (missing: CONFIG_VXLAN)");
        assert_eq!(summary("- CONFIG_X: enabled\n\nSTATUS: pass\n"), "pass");
        assert_eq!(summary(""), "no result");
    }
}
