//! Enables and starts k3s.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use super::{Phase, join::Join};
use crate::clock;
use crate::context::Context;
use crate::digest;
use crate::etcd::local;
use crate::k3s_diagnosis::{self, Remedy};
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;
use crate::systemd::{self, Unit, is_enabled, systemctl};

/// The k3s binary.
pub(super) const PROGRAM: &str = "/usr/local/bin/k3s";

/// What signs the certificates of servers. The built kubeconfig and the other nodes trust it and nothing else.
const SERVER_CA: &str = "/var/lib/rancher/k3s/server/tls/server-ca.crt";

/// So many restarts after the first check mean that k3s does not start. One or two are normal if a server is late.
const TOO_MANY_RESTARTS: u64 = 3;

#[derive(Default)]
pub(super) struct K3s {
    watch: Watch,
    /// What would let k3s start, where it ends by itself.
    remedy: Cell<Option<Remedy>>,
    join: Join,
}

impl Phase for K3s {
    fn name(&self) -> PhaseName {
        PhaseName::K3s
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        Duration::from_secs(cx.seed.k3s.ready_seconds)
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        let unit = cx.unit();
        Ok(cx.state.committed && is_enabled(cx.sys, unit)? && Unit::show(cx.sys, unit)?.active == "active")
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        if !clock::is_plausible(cx.sys, cx.seed) {
            let what =
                "the clock is outside of the validity of the cluster's certificates, so k3s is not started";
            return Err(PhaseError::retry(what, "find the program that sets the clock"));
        }
        if let Some(remedy) = self.remedy.get() {
            self.carry_out(cx, remedy)?;
            self.remedy.set(None);
            self.watch.begin_again();
        }
        if !cx.state.committed {
            note_datastore(cx)?;
            cx.state.server_ca = server_ca(cx);
        }
        // The commit comes before the start: after a power cut between them another seed must be rejected.
        cx.commit()?;
        let name = cx.unit();
        if Unit::show(cx.sys, name)?.needs_reload {
            systemctl(cx.sys, ["daemon-reload"])?;
        }
        if !is_enabled(cx.sys, name)? {
            systemctl(cx.sys, ["enable", name])?;
        }
        if !Unit::show(cx.sys, name)?.is_started() && !self.watch.has_begun() {
            systemctl(cx.sys, ["start", "--no-block", name])?;
        }
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let unit = match self.watch.look(cx) {
            Ok(unit) => unit,
            Err(PhaseError::Abort(failure)) => return Err(self.or_remedy(cx, failure)),
            Err(retry) => return Err(retry),
        };
        if unit.active == "active" {
            return Ok(Vec::new());
        }
        let what = format!("{} is {} ({})", cx.unit(), unit.active, unit.sub);
        Err(PhaseError::Retry(explained(cx, what, &systemd::last_lines(cx.sys, cx.unit()))))
    }

    fn on_timeout(&self, cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        let last = match last {
            PhaseError::Retry(last) => last,
            PhaseError::Abort(failure) => return Err(failure),
        };
        let what = format!("k3s did not start within {} s: {}", cx.seed.k3s.ready_seconds, last.what);
        Err(Failure { what, log: systemd::last_lines(cx.sys, cx.unit()), ..last })
    }
}

impl K3s {
    /// The failure of k3s to start, or a retry where there is a remedy.
    fn or_remedy(&self, cx: &Context<'_>, failure: Failure) -> PhaseError {
        let remedy = match (&cx.seed.etcd, cx.seed.k3s.external_datastore) {
            (Some(_), _) => k3s_diagnosis::remedy(&failure.log),
            (None, true) => of_database(cx).map(|_| Remedy::Wait),
            (None, false) => None,
        };
        let possible = match remedy {
            // What k3s has never started on is of no value to anybody.
            Some(Remedy::SetAside) => cx.state.fresh_datastore && !cx.state.is_done(PhaseName::K3s),
            Some(Remedy::JoinAgain) => cx.seed.join().is_some() && !local::has_member(cx.sys),
            Some(Remedy::Wait) => true,
            None => false,
        };
        if !possible {
            return PhaseError::Abort(failure);
        }
        self.remedy.set(remedy);
        PhaseError::Retry(failure)
    }

    fn carry_out(&self, cx: &mut Context<'_>, remedy: Remedy) -> Result<(), PhaseError> {
        match remedy {
            Remedy::Wait => {}
            Remedy::JoinAgain => drop(self.join.find(cx)?),
            Remedy::SetAside => {
                systemctl(cx.sys, ["stop", cx.unit()])?;
                // Meanwhile others may have the cluster: they are asked again before anything is begun.
                self.join.find(cx)?;
                if local::datastore(cx.sys).is_some() {
                    let place = local::set_aside(cx.sys).map_err(|e| {
                        let what = format!("setting aside the unfinished data of etcd: {e}");
                        PhaseError::abort(what, crate::state::advice(&e))
                    })?;
                    let note = format!(
                        "etcd began again: its first start was cut off; what it had is in {}",
                        place.display()
                    );
                    cx.note(PhaseName::K3s, &note).map_err(PhaseError::Abort)?;
                }
            }
        }
        Ok(())
    }
}

/// Before k3s is started for the first time.
fn note_datastore(cx: &mut Context<'_>) -> Result<(), PhaseError> {
    let found = if cx.seed.role.is_agent() { None } else { local::datastore(cx.sys) };
    cx.state.fresh_datastore = found.is_none();
    let Some(datastore) = found else { return Ok(()) };
    let note = format!("k3s goes on with the data of {} that it finds on the disk", datastore.text());
    cx.note(PhaseName::K3s, &note).map_err(PhaseError::Abort)
}

/// SHA-256 of the authority for servers' certificates; none on an agent.
fn server_ca(cx: &Context<'_>) -> Option<String> {
    cx.sys.read(Path::new(SERVER_CA)).ok().map(|bytes| digest::sha256(&bytes))
}

/// k3s takes the authorities that a datastore has already in the place of older files, and says nothing, where the token is that of
/// the datastore (seen with 1.36.3).
pub(super) fn other_authorities(cx: &Context<'_>) -> Option<String> {
    let brought = cx.state.server_ca.as_ref()?;
    let used = server_ca(cx)?;
    (used != *brought).then(|| {
        "k3s uses the certificate authorities of the datastore that it has found, not those of this image: the kubeconfig and \
         the other nodes of this build do not trust this server. Build all of them with the secrets file of that cluster; for a \
         new cluster, start with an empty datastore"
            .to_owned()
    })
}

pub(super) fn advice(cx: &Context<'_>) -> String {
    let unit = cx.unit();
    let first = if cx.seed.role.is_agent() { "check that the server runs and can be reached; " } else { "" };
    format!("{first}see the last lines of its log in the report, and `journalctl -u {unit}`")
}

/// Detects that k3s exits while a phase waits for it.
#[derive(Default)]
pub(super) struct Watch {
    /// The number of restarts at the first check.
    first: Cell<Option<u64>>,
}

impl Watch {
    /// Forgets the restarts so far.
    fn begin_again(&self) {
        self.first.set(None);
    }

    fn has_begun(&self) -> bool {
        self.first.get().is_some()
    }

    /// Queries systemd; a unit that failed, stopped or keeps restarting is a permanent error.
    pub(super) fn look(&self, cx: &Context<'_>) -> Result<Unit, PhaseError> {
        let unit = Unit::show(cx.sys, cx.unit())?;
        let first = self.first.get().unwrap_or(unit.restarts);
        self.first.set(Some(first));
        // After a start request the unit may still be inactive for a moment.
        let died = unit.active == "failed" || (unit.active == "inactive" && unit.result != "success");
        if died || unit.restarts.saturating_sub(first) >= TOO_MANY_RESTARTS {
            return Err(PhaseError::Abort(exits(cx, &unit)));
        }
        Ok(unit)
    }
}

fn exits(cx: &Context<'_>, unit: &Unit) -> Failure {
    let name = cx.unit();
    let what = format!(
        "k3s exits: {name} ended with {} (status {}) and was restarted {} times",
        unit.result, unit.exit_status, unit.restarts
    );
    let log = systemd::last_lines(cx.sys, name);
    Failure { log: log.clone(), ..explained(cx, what, &log) }
}

/// What is wrong with a database elsewhere, if the cluster has one.
fn of_database(cx: &Context<'_>) -> Option<(&'static str, &'static str)> {
    let lines = || systemd::newest_lines(cx.sys, cx.unit(), k3s_diagnosis::LINES_OF_DATABASE);
    cx.seed.k3s.external_datastore.then(lines).and_then(|lines| k3s_diagnosis::of_database(&lines))
}

/// The failure, with an explanation of the log if it is known.
fn explained(cx: &Context<'_>, what: String, log: &[String]) -> Failure {
    match of_database(cx).or_else(|| k3s_diagnosis::diagnose(log)) {
        Some((meaning, advice)) => Failure::new(format!("{what}: {meaning}"), advice),
        None => Failure::new(what, advice(cx)),
    }
}
