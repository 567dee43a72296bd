//! A server of the cluster is there, is the right one and lets this node in: asked by firstboot itself, so that the
//! reason is plain where k3s would only try for ever.

use std::time::Duration;

use super::Phase;
use crate::context::Context;
use crate::seed;
use crate::state::PhaseName;
use crate::supervisor::{self, Refusal, Token};
use crate::timekeeping::{self, NetworkTime};
use crate::trouble::{Failure, Trouble};

pub(super) struct Join;

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

    /// Once k3s was started it asks by itself, with what it got at its first join.
    fn is_true(&self, cx: &Context<'_>) -> Result<bool, Trouble> {
        Ok(cx.state.committed)
    }

    fn act(&self, _cx: &mut Context<'_>) -> Result<(), Trouble> {
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, Trouble> {
        let Some(join) = cx.seed.role.join() else { return Ok(Vec::new()) };
        let token = Token::load(cx.sys, &join.token_file).map_err(Trouble::Lasting)?;
        match supervisor::lets_in(cx.sys, join, &token, cx.deadline) {
            Ok(server) => {
                Ok([Some(format!("by {server}")), clock(cx, join)?].into_iter().flatten().collect())
            }
            Err(refusal) => Err(trouble(join, &refusal)),
        }
    }

    fn give_up(&self, cx: &mut Context<'_>, last: Trouble) -> Result<Vec<String>, Failure> {
        match last {
            Trouble::Lasting(failure) => Err(failure),
            Trouble::Passing(failure) => {
                let what = format!(
                    "no server let this node in within {} s: {}",
                    self.limit(cx).as_secs(),
                    failure.what
                );
                Err(Failure { what, ..failure })
            }
        }
    }
}

/// The server that answers now had perhaps not been there in the phase of the clock. k3s must not start years behind.
fn clock(cx: &Context<'_>, join: &seed::Join) -> Result<Option<String>, Trouble> {
    if timekeeping::is_settled(cx.sys) {
        return Ok(None);
    }
    let set = timekeeping::by_server(cx.sys, cx.seed, join, cx.deadline).map_err(Trouble::Lasting)?;
    timekeeping::settle(cx.sys);
    Ok(Some(match set {
        NetworkTime::Good(source) => format!("the clock is set by {source}"),
        NetworkTime::None(why) => format!("the clock may be late ({why})"),
    }))
}

/// What a refusal means. Another cluster's server and a token that is not taken do not mend themselves.
fn trouble(join: &seed::Join, refusal: &Refusal) -> Trouble {
    let names: Vec<String> = join.servers.iter().map(ToString::to_string).collect();
    let at = format!("the server {}", names.join(" or "));
    let reach = "switch the server on; check its address in the cluster file, the cable, and any firewall on port 6443";
    let what = format!("{at}: {refusal}");
    match refusal {
        Refusal::Name(_) => Trouble::passing(what, "check the name and the name server, or use an address"),
        Refusal::Connect(_) => Trouble::passing(what, reach),
        Refusal::Starting => Trouble::passing(what, "wait, or see its own report"),
        Refusal::Time => Trouble::passing(what, "check the clock of this node and of the server"),
        Refusal::WrongName => {
            Trouble::passing(what, "add the name or address to tls-san in the cluster file")
        }
        Refusal::Talk(_) => Trouble::passing(what, "check that the address is the k3s server"),
        Refusal::WrongCluster => Trouble::lasting(
            what,
            "check that the address is the right machine; build all nodes of a cluster from one secrets file",
        ),
        Refusal::Token => Trouble::lasting(
            what,
            "build all nodes of a cluster from one secrets file, and flash this one again",
        ),
    }
}
