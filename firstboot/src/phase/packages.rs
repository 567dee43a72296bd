//! Has dpkg install the packages that are on the card, before k3s starts.
//!
//! dpkg runs in a unit of its own: what maintainer scripts do needs more than firstboot's unit allows. It can be begun again
//! at any time: a power cut leaves packages unpacked or half-installed, and the same command ends that.

use std::path::Path;
use std::time::Duration;

use super::Phase;
use crate::PACKAGES_UNIT;
use crate::context::Context;
use crate::phase_error::{Failure, PhaseError};
use crate::seed::{BundleFile, PACKAGES_DIR, Packages as Wanted};
use crate::state::PhaseName;
use crate::sys::{Command, System};
use crate::systemd::{self, Unit, systemctl};

/// How often to look whether dpkg is done.
const POLL: Duration = Duration::from_secs(2);

const ADVICE: &str = "see `journalctl -u hcimage-packages` and `dpkg --audit`; a package that does not go with this system must be \
                      changed in the cluster file, and the card flashed again";

pub(super) struct Packages;

impl Phase for Packages {
    fn name(&self) -> PhaseName {
        PhaseName::Packages
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        cx.seed.packages.is_some()
    }

    /// The system's own updates may hold dpkg's lock for minutes after the start.
    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::from_secs(30 * 60)
    }

    fn longest_pause(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.is_done(PhaseName::Packages))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        let Some(wanted) = &cx.seed.packages else { return Ok(()) };
        for unit in &wanted.disable {
            // Until the next start: its package's scripts must not start it.
            systemctl(cx.sys, ["mask", "--runtime", unit.as_str()])?;
        }
        if !wanted.installed.is_empty() {
            let progress = format!("dpkg installs {} packages", wanted.installed.len());
            cx.progress(PhaseName::Packages, &progress).map_err(PhaseError::Abort)?;
            install(cx.sys)?;
        }
        for unit in &wanted.disable {
            systemctl(cx.sys, ["unmask", "--runtime", unit.as_str()])?;
            systemctl(cx.sys, ["disable", "--now", unit.as_str()])?;
        }
        for unit in &wanted.enable {
            systemctl(cx.sys, ["enable", "--now", unit.as_str()])?;
        }
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let Some(wanted) = &cx.seed.packages else { return Ok(Vec::new()) };
        is_installed(cx.sys, wanted)?;
        let audit = systemd::run(cx.sys, &Command::new("dpkg", ["--audit"]))?;
        if !audit.success || !audit.stdout.trim().is_empty() {
            let what =
                format!("dpkg finds packages that are not whole: {}", systemd::last_line(&audit.stdout));
            return Err(PhaseError::retry(what, ADVICE));
        }
        // All of it is on the disk before the state says so.
        cx.sys.sync_all().map_err(|e| PhaseError::retry(format!("writing to the card: {e}"), ADVICE))?;
        Ok(vec![format!("{} packages", wanted.installed.len())])
    }

    fn on_timeout(&self, cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        let last = last.into_failure();
        Err(Failure { log: systemd::last_lines(cx.sys, PACKAGES_UNIT), ..last })
    }
}

/// Starts the unit and waits for its end. One that runs already, after this program was killed, is waited for.
fn install(sys: &dyn System) -> Result<(), PhaseError> {
    if !Unit::show(sys, PACKAGES_UNIT)?.is_started() {
        // Fails where systemd does not know the unit yet.
        let _ = systemctl(sys, ["reset-failed", PACKAGES_UNIT]);
        systemctl(sys, ["start", "--no-block", PACKAGES_UNIT])?;
    }
    // The unit itself has a limit.
    loop {
        sys.sleep(POLL);
        let unit = Unit::show(sys, PACKAGES_UNIT)?;
        if unit.is_started() {
            continue;
        }
        if unit.result == "success" {
            return Ok(());
        }
        let lines = systemd::last_lines(sys, PACKAGES_UNIT);
        let why = lines.iter().rev().find(|line| line.contains("dpkg: error")).or(lines.last());
        let why = why.map_or("no reason is in the journal", String::as_str);
        return Err(PhaseError::retry(format!("dpkg failed ({}): {why}", unit.result), ADVICE));
    }
}

fn is_installed(sys: &dyn System, wanted: &Wanted) -> Result<(), PhaseError> {
    if wanted.installed.is_empty() {
        return Ok(());
    }
    let format = "--showformat=${Package} ${db:Status-Status}\\n";
    let mut args = vec!["--show".to_owned(), format.to_owned()];
    args.extend(wanted.installed.iter().map(ToString::to_string));
    let output = systemd::run(sys, &Command::new("dpkg-query", args))?;
    let is_there = |name: &str| output.stdout.lines().any(|line| line == format!("{name} installed"));
    let missing: Vec<&str> =
        wanted.installed.iter().map(|name| name.as_str()).filter(|name| !is_there(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(PhaseError::retry(format!("not installed by dpkg: {}", missing.join(", ")), ADVICE))
}

/// Whether a file of the bundle has had its use: installed packages are removed at the end.
pub(super) fn is_spent(cx: &Context<'_>, file: &BundleFile) -> bool {
    cx.state.is_done(PhaseName::Packages) && file.path.starts_with(PACKAGES_DIR)
}

/// Whether dpkg has begun with a file of the bundle: what that takes is on the disk already, or a part of it.
pub(super) fn is_being_unpacked(cx: &Context<'_>, file: &BundleFile) -> bool {
    cx.state.record(PhaseName::Packages).is_some() && file.path.starts_with(PACKAGES_DIR)
}

/// Removes the files of installed packages. What cannot be removed only takes room.
pub(super) fn remove_files(cx: &Context<'_>) {
    let spent = cx.seed.bundle.iter().filter(|file| is_spent(cx, file));
    for file in spent {
        let _ = cx.sys.remove(&file.path);
    }
    let _ = cx.sys.sync_dir(Path::new(PACKAGES_DIR));
}
