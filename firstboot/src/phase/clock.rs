//! Sets the clock: not before the image was made, and to network time if available.

use std::time::Duration;

use super::Phase;
use crate::clock::{self, NetworkTime};
use crate::context::Context;
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;

const ADVICE: &str =
    "check that UDP port 123 to the time servers is open, or use a time server that can be reached";

pub(super) struct Clock;

impl Phase for Clock {
    fn name(&self) -> PhaseName {
        PhaseName::Clock
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        clock::patience(cx.sys, cx.seed, cx.last_seen)
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(clock::is_settled(cx.sys) && cx.state.is_done(PhaseName::Clock) && is_plausible(cx))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        clock::bound(cx.sys, cx.seed, cx.last_seen).map_err(PhaseError::Abort)?;
        match clock::by_network(cx.sys, cx.seed, cx.last_seen, cx.deadline).map_err(PhaseError::Abort)? {
            NetworkTime::Good(source) => {
                // From here on the time of the last boot is ignored: this clock is right, and may be earlier.
                cx.last_seen = None;
                cx.progress(PhaseName::Clock, &format!("set by {source}")).map_err(PhaseError::Abort)
            }
            NetworkTime::None(reason) => {
                Err(PhaseError::retry(format!("no network time ({reason})"), ADVICE))
            }
        }
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        if !is_plausible(cx) {
            let what = "the clock shows a time before the making of this image, or after the end of its CAs";
            return Err(PhaseError::retry(what, "find the program that sets the clock"));
        }
        clock::settle(cx.sys);
        // The source, as recorded by `apply`.
        Ok(cx.state.record(PhaseName::Clock).and_then(|record| record.progress.clone()).into_iter().collect())
    }

    /// A clock at the floor is good enough for the authorities of the image, and for a server that signs its own
    /// certificates now. A node that joins gets the time from the server: see `join`.
    fn on_timeout(&self, cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        let last = match last {
            PhaseError::Retry(last) if !cx.seed.clock.require_ntp && is_plausible(cx) => last,
            phase_error => return Err(phase_error.into_failure()),
        };
        // The server that this node joins may start later, and then has the time: see `join`.
        if cx.seed.join().is_none() || cx.state.committed {
            clock::settle(cx.sys);
        }
        Ok(vec![format!("{}; the clock may be late", last.what)])
    }
}

fn is_plausible(cx: &Context<'_>) -> bool {
    clock::is_plausible(cx.sys, cx.seed)
}
