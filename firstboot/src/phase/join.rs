//! Finds the cluster that this node belongs to: checks that one of its servers answers and accepts this node, and tells
//! k3s which. k3s would only retry forever; this phase reports the reason.
//!
//! The first server has a choice: where no other server has the cluster, it begins one. It must not do so beside a living
//! one, since both would have the same authorities, tokens and addresses. So it begins only after all others have been
//! silent for a while.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::Phase;
use crate::clock::{self, NetworkTime};
use crate::context::Context;
use crate::etcd::{advice, local, remove, setting};
use crate::join_probe::{self, Ask, JoinError, Presence, Refusal, Token};
use crate::phase_error::{Failure, PhaseError};
use crate::seed::{Etcd, Join as Servers};
use crate::state::PhaseName;

/// The longest pause after a server had to check the token, which costs it a scrypt: with a hundred nodes that wait for it,
/// one or two a second.
const TOKEN_PAUSE: Duration = Duration::from_secs(60);

/// The longest pause after any other failure. Nobody but this node has work with it.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Join {
    /// Whether a server checked the token in the last try.
    token_checked: Cell<bool>,
    /// Since when nobody of this cluster was found, in uptime.
    silent_since: Cell<Option<Duration>>,
    notes: RefCell<Vec<String>>,
}

impl Phase for Join {
    fn name(&self) -> PhaseName {
        PhaseName::Join
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        cx.seed.join().is_some()
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        Duration::from_secs(cx.seed.join().map_or(0, |join| join.wait_seconds))
    }

    fn longest_pause(&self) -> Duration {
        if self.token_checked.get() { TOKEN_PAUSE } else { PAUSE }
    }

    /// After the start of k3s, k3s itself contacts the server, with the credentials of its first join. With the data of a
    /// member, as on a data disk that outlived its card, it goes on as that member.
    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.committed || (cx.seed.etcd.is_some() && local::has_member(cx.sys)))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        let notes = self.find(cx)?;
        *self.notes.borrow_mut() = notes;
        Ok(())
    }

    fn verify(&self, _cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        Ok(self.notes.borrow().clone())
    }

    fn on_timeout(&self, cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        match last {
            PhaseError::Abort(failure) => Err(failure),
            PhaseError::Retry(failure) => {
                let what = format!(
                    "no server accepted this node within {} s: {}",
                    self.limit(cx).as_secs(),
                    failure.what
                );
                Err(Failure { what, ..failure })
            }
        }
    }
}

impl Join {
    /// Finds the cluster and tells k3s; returns notes for the report.
    pub(super) fn find(&self, cx: &mut Context<'_>) -> Result<Vec<String>, PhaseError> {
        let seed = cx.seed;
        let Some(join) = seed.join() else { return Ok(Vec::new()) };
        let token = Token::load(cx.sys, &join.token_file).map_err(PhaseError::Abort)?;
        let ask = Ask::of(seed);
        let mut notes = Vec::new();
        let mut answer = join_probe::lets_in(cx.sys, join, &token, ask, cx.deadline);
        // A server signs its certificate an hour before its own time: a clock that is still at its floor is too early for it.
        if answer.as_ref().is_err_and(|all| all.iter().any(|refusal| refusal.why == JoinError::Time))
            && let Some(note) = set_clock(cx, join)?
        {
            notes.push(note);
            answer = join_probe::lets_in(cx.sys, join, &token, ask, cx.deadline);
        }
        let token_was_sent = |all: &Vec<Refusal>| all.iter().any(|refusal| refusal.why.token_was_sent());
        self.token_checked.set(answer.as_ref().is_err_and(token_was_sent));
        let server = match (answer, &seed.etcd) {
            (Ok(server), _) => server,
            (Err(refusals), Some(etcd)) if seed.role.init_server().is_some() => {
                return self.begin(cx, etcd, &refusals).map(|note| vec![note]);
            }
            (Err(refusals), None) if !seed.role.is_agent() && refusals.iter().all(is_away) => {
                return on_database(cx, &refusals).map(|note| vec![note]);
            }
            (Err(refusals), _) => return Err(refused(cx, join, refusals)),
        };
        self.silent_since.set(None);
        notes.insert(0, format!("by {server}"));
        if let Some(etcd) = &seed.etcd {
            notes.extend(remove::old_member(cx, etcd, &server, &token)?);
        }
        // The settings of the build name the first of the servers, on all nodes that join.
        let is_known = seed.role.join().is_some() && join.servers.first() == Some(&server);
        // Servers that share a database elsewhere are told of no other server.
        let needs_none = is_known || (!seed.role.is_agent() && seed.etcd.is_none());
        let written = match needs_none {
            true => setting::none(cx.sys),
            false => setting::join(cx.sys, &server, seed.role.is_agent()),
        };
        written.map_err(|e| unwritable(&e))?;
        if seed.role.init_server().is_some() {
            let note =
                format!("joined the cluster at {server} instead of beginning a new one: it has the data");
            cx.note(PhaseName::Join, &note).map_err(PhaseError::Abort)?;
        }
        if !clock::is_settled(cx.sys) {
            notes.push(set_clock(cx, join)?.unwrap_or_else(|| "the clock may be late".to_owned()));
            clock::settle(cx.sys);
        }
        Ok(notes)
    }

    /// Whether the first server begins a new cluster. Returns the reason.
    fn begin(&self, cx: &mut Context<'_>, etcd: &Etcd, refusals: &[Refusal]) -> Result<String, PhaseError> {
        if let Some(Refusal { server, why }) = refusals.iter().find(|refusal| refusal.why == JoinError::Token)
        {
            let what = format!("the cluster of this node exists already: the server {server}: {why}");
            return Err(PhaseError::abort(what, advice::SAME_SECRETS));
        }
        if refusals.iter().any(|refusal| refusal.why.presence() == Presence::Possible) {
            self.silent_since.set(None);
            let what = format!("the cluster of this node may exist already: {}", listed(refusals));
            return Err(PhaseError::retry(what, advice::lost_quorum()));
        }
        let now = cx.sys.uptime();
        let since = self.silent_since.get().unwrap_or(now);
        self.silent_since.set(Some(since));
        let (silence, listed) = (Duration::from_secs(etcd.silence_seconds), listed(refusals));
        if now.saturating_sub(since) < silence {
            let what = format!(
                "no other server has the cluster ({listed}); a new one is begun if that stays so for {} s",
                silence.as_secs()
            );
            return Err(PhaseError::retry(what, "power the other servers on if they have the cluster"));
        }
        setting::none(cx.sys).map_err(|e| unwritable(&e))?;
        clock::settle(cx.sys);
        let reason = format!("no other server has had the cluster for {} s: {listed}", silence.as_secs());
        cx.note(PhaseName::Join, &format!("began a new cluster: {reason}")).map_err(PhaseError::Abort)?;
        Ok(format!("a new cluster: {reason}"))
    }
}

/// Whether a server is off, out of reach or starting, so that nothing speaks against this node.
fn is_away(refusal: &Refusal) -> bool {
    matches!(
        refusal.why,
        JoinError::Name(_) | JoinError::Connect(_) | JoinError::Timeout(_) | JoinError::Starting
    )
}

/// A server whose cluster is in a database elsewhere needs no other one: they may be lost for ever.
fn on_database(cx: &Context<'_>, refusals: &[Refusal]) -> Result<String, PhaseError> {
    setting::none(cx.sys).map_err(|e| unwritable(&e))?;
    clock::settle(cx.sys);
    Ok(format!("by the database, since no other server is up: {}", listed(refusals)))
}

fn unwritable(e: &std::io::Error) -> PhaseError {
    PhaseError::abort(format!("writing {}: {e}", setting::PATH), crate::state::advice(e))
}

/// The server may not have answered yet in the clock phase. k3s must not start with a clock that is years behind. Nothing
/// where the clock is settled, or no server has a time that can be trusted.
fn set_clock(cx: &Context<'_>, join: &Servers) -> Result<Option<String>, PhaseError> {
    if clock::is_settled(cx.sys) {
        return Ok(None);
    }
    let set =
        clock::by_server(cx.sys, cx.seed, join, cx.last_seen, cx.deadline).map_err(PhaseError::Abort)?;
    let NetworkTime::Good(source) = set else { return Ok(None) };
    clock::settle(cx.sys);
    Ok(Some(format!("the clock is set by {source}")))
}

/// Each server with its reason.
fn listed(refusals: &[Refusal]) -> String {
    let mut list: Vec<String> =
        refusals.iter().map(|Refusal { server, why }| format!("{server}: {why}")).collect();
    list.dedup();
    list.join(", ")
}

/// The error of the phase. Only a rejected token is permanent: that answer came from a server of the cluster.
fn refused(cx: &Context<'_>, join: &Servers, refusals: Vec<Refusal>) -> PhaseError {
    let what = match refusals.as_slice() {
        [] | [_] => {
            let names: Vec<String> = join.servers.iter().map(ToString::to_string).collect();
            let why = refusals.first().map_or_else(String::new, |refusal| format!(": {}", refusal.why));
            format!("the server {}{why}", names.join(" or "))
        }
        all => format!("the servers {}", listed(all)),
    };
    let is_server = cx.seed.etcd.is_some();
    // One stranger among them says nothing about the others, which may not be up yet.
    let only_strangers = refusals.iter().all(|refusal| refusal.why.presence() == Presence::Stranger);
    let reach = "power the server on; check its address in the cluster file, the cable, and any firewall on port 6443";
    match join_probe::most_specific(refusals) {
        JoinError::Name(_) => {
            PhaseError::retry(what, "check the name and the name server, or use an address")
        }
        JoinError::Connect(_) => PhaseError::retry(what, reach),
        JoinError::Timeout(_) => PhaseError::retry(
            what,
            "wait: a server that starts is slow; otherwise see the server's own report",
        ),
        JoinError::Starting if is_server => PhaseError::retry(what, advice::lost_quorum()),
        JoinError::Starting => PhaseError::retry(what, "wait, or see the server's own report"),
        JoinError::Time => PhaseError::retry(what, "check the clocks of this node and of the server"),
        JoinError::WrongName => {
            PhaseError::retry(what, "add the name or address to tls-san in the cluster file")
        }
        JoinError::Talk(_) | JoinError::Foreign(_) => {
            PhaseError::retry(what, "check that the address is that of the k3s server")
        }
        JoinError::WrongCluster if !only_strangers => PhaseError::retry(what, reach),
        // Nobody has proved anything yet: anyone on the network can give this answer in the server's place.
        JoinError::WrongCluster => PhaseError::retry(
            what,
            "check the server's address; build all nodes of a cluster from the same secrets file",
        ),
        JoinError::Token => PhaseError::abort(what, advice::SAME_SECRETS),
    }
}
