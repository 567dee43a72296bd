//! Faults that a test switches on: what goes wrong, and when.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::{files, log};

/// The variable with faults, separated by commas, read after the file.
const VARIABLE: &str = "K3S_DOUBLE_FAULTS";

/// What is to go wrong. The default is a node that works, a little late, as a real one would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Faults {
    /// From the start to "apiserver ready" (server) or to the registration of the node (agent).
    pub(crate) ready_delay: Duration,
    /// From the registration of the node to its condition Ready.
    pub(crate) node_ready_delay: Duration,
    /// Neither READY=1 nor a Ready node, for ever.
    pub(crate) never_ready: bool,
    /// READY=1 comes, but the node's own condition stays NotReady: what `systemctl is-active` does not show.
    pub(crate) node_never_ready: bool,
    /// Ends by SIGABRT this long after the start.
    pub(crate) crash_after: Option<Duration>,
    /// Ends at once with this status.
    pub(crate) exit: Option<u8>,
    /// `/cacerts` differs by one byte from what the tokens pin.
    pub(crate) wrong_hash: bool,
    /// Every joining node gets 403 for its password.
    pub(crate) reject_node_password: bool,
    /// From the making of an Addon, chart or deployment to its being ready.
    pub(crate) workload_delay: Duration,
    /// Names of Addons, charts and deployments that never get ready.
    pub(crate) fails: Vec<String>,
    /// The server does not listen for this long.
    pub(crate) server_late: Duration,
    /// How often the leader of etcd promotes learners.
    pub(crate) promote_every: Duration,
    /// After so long without progress a learner is removed.
    pub(crate) learner_limit: Duration,
    /// Ends by SIGABRT at this point of the start.
    pub(crate) crash_at: Option<String>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            ready_delay: Duration::from_secs(1),
            node_ready_delay: Duration::from_secs(1),
            never_ready: false,
            node_never_ready: false,
            crash_after: None,
            exit: None,
            wrong_hash: false,
            reject_node_password: false,
            workload_delay: Duration::from_secs(1),
            fails: Vec::new(),
            server_late: Duration::ZERO,
            promote_every: Duration::from_secs(15),
            learner_limit: Duration::from_secs(300),
            crash_at: None,
        }
    }
}

impl Faults {
    /// Reads `k3s/double-faults` in `etc` (one fault a line, `#` comments), then the variable.
    ///
    /// # Errors
    /// When the file cannot be read or a line is not a fault.
    pub(crate) fn load(etc: &Path) -> Result<Self> {
        let path = etc.join("k3s/double-faults");
        let mut faults = Self::default();
        let file = files::read_optional(&path)?.unwrap_or_default();
        faults.switch_on(&file).with_context(|| format!("reading {}", path.display()))?;
        let variable = std::env::var(VARIABLE).unwrap_or_default().replace(',', "\n");
        faults.switch_on(&variable).with_context(|| format!("reading {VARIABLE}"))?;
        if faults != Self::default() {
            log::warn(&format!("k3s-double: faults are switched on: {faults:?}"));
        }
        Ok(faults)
    }

    /// Ends the program now, or starts the clock that will crash it, if one of these is switched on.
    pub(crate) fn arm(&self) {
        if let Some(status) = self.exit {
            log::fatal(&format!("k3s-double: fault exit={status}"));
            std::process::exit(status.into());
        }
        if let Some(delay) = self.crash_after {
            std::thread::spawn(move || {
                std::thread::sleep(delay);
                log::fatal("k3s-double: fault crash-after");
                std::process::abort()
            });
        }
    }

    /// Ends the program if it is to end at this point: what a power cut leaves.
    pub(crate) fn reach(&self, point: &str) {
        if self.crash_at.as_deref() == Some(point) {
            log::fatal(&format!("k3s-double: fault crash-at={point}"));
            std::process::abort()
        }
    }

    /// Stays here for ever if `never-ready` is switched on.
    pub(crate) fn hang_if_never_ready(&self) {
        if self.never_ready {
            log::warn("k3s-double: fault never-ready");
            loop {
                std::thread::park();
            }
        }
    }

    fn switch_on(&mut self, text: &str) -> Result<()> {
        let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(before, _)| before).trim());
        lines
            .filter(|line| !line.is_empty())
            .try_for_each(|line| self.switch_on_one(line).with_context(|| format!("fault {line:?}")))
    }

    fn switch_on_one(&mut self, line: &str) -> Result<()> {
        match line.split_once('=') {
            None => match line {
                "never-ready" => self.never_ready = true,
                "node-never-ready" => self.node_never_ready = true,
                "wrong-hash" => self.wrong_hash = true,
                "reject-node-password" => self.reject_node_password = true,
                _ => bail!("is not known, or needs a value; the README lists them"),
            },
            Some((name, value)) => match name.trim_end() {
                "ready-delay" => self.ready_delay = seconds(value)?,
                "node-ready-delay" => self.node_ready_delay = seconds(value)?,
                "workload-delay" => self.workload_delay = seconds(value)?,
                "fails" => self.fails.push(value.trim().to_owned()),
                "server-late" => self.server_late = seconds(value)?,
                "promote-every" => self.promote_every = seconds(value)?,
                "learner-limit" => self.learner_limit = seconds(value)?,
                "crash-at" => self.crash_at = Some(value.trim().to_owned()),
                "crash-after" => self.crash_after = Some(seconds(value)?),
                "exit" => self.exit = Some(value.trim().parse().context("a status is 0 to 255")?),
                _ => bail!("is not known, or takes no value; the README lists them"),
            },
        }
        Ok(())
    }
}

fn seconds(value: &str) -> Result<Duration> {
    let number: f64 =
        value.trim().parse().with_context(|| format!("{value:?} is not a number of seconds"))?;
    Duration::try_from_secs_f64(number).map_err(|e| anyhow!("{value:?} is not a number of seconds: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Faults> {
        let mut faults = Faults::default();
        faults.switch_on(text).map(|()| faults)
    }

    #[test]
    fn nothing_is_wrong_unless_asked() {
        assert_eq!(parse("# none\n\n").unwrap(), Faults::default());
    }

    #[test]
    fn each_line_switches_one() {
        let faults = parse("ready-delay=3 # slow\nnever-ready\nexit = 7\ncrash-after=0.5").unwrap();
        assert_eq!(faults.ready_delay, Duration::from_secs(3));
        assert!(faults.never_ready);
        assert_eq!(faults.exit, Some(7));
        assert_eq!(faults.crash_after, Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_misspelt_fault_is_refused() {
        for bad in ["never-redy", "ready-delay", "never-ready=1", "exit=256", "ready-delay=-1", "exit=x"] {
            let error = parse(bad).unwrap_err();
            assert!(format!("{error:#}").contains(bad), "{error:#}");
        }
    }
}
