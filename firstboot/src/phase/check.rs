//! Saves the output of `k3s check-config` about kernel and system, for diagnosis.

use std::path::Path;
use std::time::Duration;

use super::Phase;
use super::k3s::PROGRAM;
use crate::context::Context;
use crate::durable;
use crate::mask::mask;
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;
use crate::sys::Command;
use crate::systemd;

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
        let mut command = Command::new(PROGRAM, ["check-config"]);
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

/// What failed, by the words of the script. It marks each failure with `(fail)`. A kernel feature that is only `missing` is
/// an optional one; other warnings have words of their own. Without a line `STATUS` the script ended early.
fn summary(text: &str) -> String {
    let findings: Vec<(&str, &str)> = text.lines().filter_map(finding).collect();
    let Some(status) = findings.iter().find(|(name, _)| *name == "STATUS").map(|(_, result)| *result) else {
        let error = text.lines().map(str::trim).find(|line| line.starts_with("error:"));
        return format!("no result ({})", error.unwrap_or("it ended early"));
    };
    let others = || findings.iter().filter(|(name, _)| *name != "STATUS");
    let failed: Vec<String> = others()
        .filter_map(|(name, result)| Some((name, result.strip_suffix("(fail)")?.trim_end())))
        .map(|(name, why)| if why.is_empty() { (*name).to_owned() } else { format!("{name} ({why})") })
        .collect();
    let optional =
        others().filter(|(name, result)| name.starts_with("CONFIG_") && *result == "missing").count();
    let mut parts = vec![match failed.as_slice() {
        [] => status.to_owned(),
        failed => {
            let more = failed.len().saturating_sub(NAMED);
            let shown = failed.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("failed: {shown}{more}")
        }
    }];
    if optional > 0 {
        parts.push(format!("missing optional kernel features: {optional}"));
    }
    parts.join("; ")
}

/// So many failures are named.
const NAMED: usize = 8;

/// `- name: result`; the name may itself have colons, as in an IPv6 route or a version.
fn finding(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (name, result) = line.rsplit_once(": ").or_else(|| Some((line.strip_suffix(':')?, "")))?;
    let (name, result) = match line.split_once(": ") {
        // The result of a failure may have colons too.
        Some(first) if result.ends_with("(fail)") => first,
        _ => (name, result),
    };
    Some((name.trim_start_matches("- ").trim(), result.trim()))
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

    /// The words of the script of k3s v1.36, shortened.
    const FAILED: &str = "\nVerifying binaries in /var/lib/rancher/k3s/data/a/bin:\n\
        - sha256sum: \u{1b}[32mgood\u{1b}[m\n\nSystem:\n- swap: \u{1b}[1;33mshould be disabled\u{1b}[m\n\n\
        Limits:\n- /proc/sys/kernel/keys/root_maxkeys: 1000000\n\ninfo: reading kernel config from /boot/config ...\n\n\
        Generally Necessary:\n- \u{1b}[37mcgroup hierarchy\u{1b}[m: \u{1b}[32mcgroups V2 mounted, cpu|cpuset|memory \
        controllers status: good\u{1b}[m\n\
        - \u{1b}[1mapparmor\u{1b}[m: \u{1b}[1;31menabled, but apparmor_parser missing (fail)\u{1b}[m\n    \
        (use \"apt-get install apparmor\" to fix this)\n- CONFIG_NAMESPACES: enabled\n- CONFIG_MEMCG: missing (fail)\n\n\
        Optional Features:\n- CONFIG_USER_NS: enabled (as module)\n- CONFIG_RT_GROUP_SCHED: missing\n\
        - Network Drivers:\n  - \"overlay\":\n    - CONFIG_VXLAN: enabled\n      Optional (for encrypted networks):\n      \
        - CONFIG_INET_XFRM_MODE_TRANSPORT: missing\n\nSTATUS: 2 (fail)\n";

    #[test]
    fn failures_are_named_and_optional_features_counted() {
        assert_eq!(
            summary(&plain(FAILED)),
            "failed: apparmor (enabled, but apparmor_parser missing), CONFIG_MEMCG (missing); \
             missing optional kernel features: 2"
        );
        let passed = FAILED
            .replace(" (fail)", "")
            .replace("STATUS: 2", "STATUS: pass")
            .replace("MEMCG: missing", "MEMCG: enabled");
        assert_eq!(summary(&plain(&passed)), "pass; missing optional kernel features: 2");
        assert_eq!(summary("- CONFIG_X: enabled\n\nSTATUS: pass\n"), "pass");
    }

    #[test]
    fn a_script_that_ends_early_has_no_result() {
        assert_eq!(
            summary("System:\n- swap: disabled\nerror: cannot find kernel config \n"),
            "no result (error: cannot find kernel config)"
        );
        assert_eq!(summary(""), "no result (it ended early)");
    }

    #[test]
    fn unusual_failures_keep_their_words() {
        let text = "- /usr/sbin iptables v1.8.2 (nf_tables): should be older than v1.8.0, newer than v1.8.3, or in legacy mode (fail)\n\
                    - cgroup hierarchy: cgroups V2 mounted, cpu|cpuset|memory controllers status: bad (fail)\n\
                    - /proc/sys/kernel/keys/root_maxkeys: 200 (fail)\n  - TCP Port 6443 is blocked:  (fail)\nSTATUS: 4 (fail)\n";
        assert_eq!(
            summary(text),
            "failed: /usr/sbin iptables v1.8.2 (nf_tables) (should be older than v1.8.0, newer than v1.8.3, or in \
             legacy mode), cgroup hierarchy (cgroups V2 mounted, cpu|cpuset|memory controllers status: bad), \
             /proc/sys/kernel/keys/root_maxkeys (200), TCP Port 6443 is blocked"
        );
    }
}
