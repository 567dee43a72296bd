//! The clock is not before the build, and by network time where there is some.

use std::time::Duration;

use super::Phase;
use crate::context::Context;
use crate::state::PhaseName;
use crate::timekeeping::{self, NetworkTime};
use crate::trouble::{Failure, Trouble};

const ADVICE: &str =
    "check that UDP port 123 to the time servers is open, or name a server that can be reached";

pub(super) struct Clock;

impl Phase for Clock {
    fn name(&self) -> PhaseName {
        PhaseName::Clock
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        timekeeping::patience(cx.sys, cx.seed, cx.last_seen)
    }

    fn is_true(&self, cx: &Context<'_>) -> Result<bool, Trouble> {
        Ok(timekeeping::is_settled(cx.sys) && cx.state.is_done(PhaseName::Clock) && is_after_floor(cx))
    }

    fn act(&self, cx: &mut Context<'_>) -> Result<(), Trouble> {
        timekeeping::raise(cx.sys, cx.seed, cx.last_seen).map_err(Trouble::Lasting)?;
        match timekeeping::by_network(cx.sys, cx.seed, cx.deadline).map_err(Trouble::Lasting)? {
            NetworkTime::Good(source) => {
                // From here on the last boot's time says nothing: this clock is right, and may be earlier.
                cx.last_seen = None;
                cx.progress(PhaseName::Clock, &format!("set by {source}")).map_err(Trouble::Lasting)
            }
            NetworkTime::None(reason) => Err(Trouble::passing(format!("no network time ({reason})"), ADVICE)),
        }
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, Trouble> {
        if !is_after_floor(cx) {
            let what = "the clock is not set: it is earlier than the build of this image";
            return Err(Trouble::passing(what, "look for a program that sets the clock back"));
        }
        timekeeping::settle(cx.sys);
        // Who set it, as act said.
        Ok(cx.state.record(PhaseName::Clock).and_then(|record| record.progress.clone()).into_iter().collect())
    }

    /// A clock at the floor is good enough for the certificates made with the image.
    fn give_up(&self, cx: &mut Context<'_>, last: Trouble) -> Result<Vec<String>, Failure> {
        let last = match last {
            Trouble::Passing(last) if !cx.seed.clock.require_ntp && is_after_floor(cx) => last,
            trouble => return Err(trouble.into_failure()),
        };
        // The server that this node joins may be switched on later, and then has the time: see `join`.
        if cx.seed.role.join().is_none() || cx.state.committed {
            timekeeping::settle(cx.sys);
        }
        Ok(vec![format!("{}; the clock may be late", last.what)])
    }
}

fn is_after_floor(cx: &Context<'_>) -> bool {
    timekeeping::is_after_floor(cx.sys, cx.seed)
}
