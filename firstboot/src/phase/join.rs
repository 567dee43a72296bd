//! Checks that a server of the cluster answers and accepts this node. k3s would only retry forever; this phase reports
//! the reason.

use std::cell::Cell;
use std::time::Duration;

use super::Phase;
use crate::clock::{self, NetworkTime};
use crate::context::Context;
use crate::join_probe::{self, JoinError, Token};
use crate::phase_error::{Failure, PhaseError};
use crate::seed;
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
}

impl Phase for Join {
    fn name(&self) -> PhaseName {
        PhaseName::Join
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        cx.seed.role.join().is_some()
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        Duration::from_secs(cx.seed.role.join().map_or(0, |join| join.wait_seconds))
    }

    fn longest_pause(&self) -> Duration {
        if self.token_checked.get() { TOKEN_PAUSE } else { PAUSE }
    }

    /// After the start of k3s, k3s itself contacts the server, with the credentials of its first join.
    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.committed)
    }

    fn apply(&self, _cx: &mut Context<'_>) -> Result<(), PhaseError> {
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let Some(join) = cx.seed.role.join() else { return Ok(Vec::new()) };
        let token = Token::load(cx.sys, &join.token_file).map_err(PhaseError::Abort)?;
        match join_probe::lets_in(cx.sys, join, &token, cx.deadline) {
            Ok(server) => {
                Ok([Some(format!("by {server}")), clock(cx, join)?].into_iter().flatten().collect())
            }
            Err(refusal) => {
                self.token_checked.set(refusal.token_was_sent());
                Err(phase_error(join, &refusal))
            }
        }
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

/// The server may not have answered yet in the clock phase. k3s must not start with a clock that is years behind.
fn clock(cx: &Context<'_>, join: &seed::Join) -> Result<Option<String>, PhaseError> {
    if clock::is_settled(cx.sys) {
        return Ok(None);
    }
    let set = clock::by_server(cx.sys, cx.seed, join, cx.deadline).map_err(PhaseError::Abort)?;
    clock::settle(cx.sys);
    Ok(Some(match set {
        NetworkTime::Good(source) => format!("the clock is set by {source}"),
        NetworkTime::None(why) => format!("the clock may be late ({why})"),
    }))
}

/// The error of the phase. A server of another cluster and a rejected token are permanent errors.
fn phase_error(join: &seed::Join, refusal: &JoinError) -> PhaseError {
    let names: Vec<String> = join.servers.iter().map(ToString::to_string).collect();
    let at = format!("the server {}", names.join(" or "));
    let reach = "power the server on; check its address in the cluster file, the cable, and any firewall on port 6443";
    let what = format!("{at}: {refusal}");
    match refusal {
        JoinError::Name(_) => {
            PhaseError::retry(what, "check the name and the name server, or use an address")
        }
        JoinError::Connect(_) => PhaseError::retry(what, reach),
        JoinError::Timeout(_) => PhaseError::retry(
            what,
            "wait: a server that starts is slow; otherwise see the server's own report",
        ),
        JoinError::Starting => PhaseError::retry(what, "wait, or see the server's own report"),
        JoinError::Time => PhaseError::retry(what, "check the clocks of this node and of the server"),
        JoinError::WrongName => {
            PhaseError::retry(what, "add the name or address to tls-san in the cluster file")
        }
        JoinError::Talk(_) => PhaseError::retry(what, "check that the address is that of the k3s server"),
        JoinError::WrongCluster => PhaseError::abort(
            what,
            "check the server's address; build all nodes of a cluster from the same secrets file",
        ),
        JoinError::Token => PhaseError::abort(
            what,
            "build all nodes of a cluster from the same secrets file, and flash this node again",
        ),
    }
}
