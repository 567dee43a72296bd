//! What stands before k3s on every boot: a clock that is not in the past.

use std::path::Path;
use std::time::Duration;

use crate::clock::{self, NetworkTime};
use crate::seed::{SEED_PATH, Seed};
use crate::sys::System;

/// The longest that k3s is ever held up, whatever the seed says.
const LONGEST: Duration = Duration::from_secs(300);

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(2);

/// Sets the clock to the floor where it is earlier, then waits a bounded while for network time. It always ends,
/// and never fails: k3s with a doubtful clock is better than no k3s, and says itself what it does not like.
pub fn clock_gate(sys: &dyn System) {
    if clock::is_settled(sys) {
        return;
    }
    let seed = sys.read(Path::new(SEED_PATH)).map_err(|e| format!("reading {SEED_PATH}: {e}"));
    match seed.and_then(|bytes| Seed::parse(&String::from_utf8_lossy(&bytes)).map_err(|e| e.to_string())) {
        Ok(seed) => wait(sys, &seed),
        Err(e) => sys.log(&format!("hcimage: clock gate: {e}; going on without")),
    }
    clock::settle(sys);
}

fn wait(sys: &dyn System, seed: &Seed) {
    let last_seen = clock::last_seen(sys);
    let patience = clock::patience(sys, seed, last_seen).min(LONGEST);
    if let Err(e) = clock::raise(sys, seed, last_seen) {
        sys.log(&format!("hcimage: clock gate: {e}"));
    }
    let end = sys.uptime().saturating_add(patience);
    loop {
        let reason = match clock::by_network(sys, seed, end) {
            Ok(NetworkTime::Good(_)) => return,
            Ok(NetworkTime::None(reason)) => reason,
            Err(e) => e.to_string(),
        };
        if sys.uptime().saturating_add(PAUSE) > end {
            sys.log(&format!("hcimage: clock gate: no network time ({reason}); going on without"));
            return;
        }
        sys.sleep(PAUSE);
    }
}
