//! The clock gate: it runs before k3s on every boot and keeps the clock out of the past.

use std::path::Path;
use std::time::Duration;

use crate::clock::{self, NetworkTime};
use crate::seed::{SEED_PATH, Seed};
use crate::sys::System;

/// The longest delay of k3s, regardless of the seed.
const LONGEST: Duration = Duration::from_secs(300);

/// The pause between two queries.
const PAUSE: Duration = Duration::from_secs(2);

/// Sets the clock to the floor, or to the latest time that the node has seen, if it is earlier, then waits for network time, with a limit. It always ends and never
/// fails: k3s with an inaccurate clock is better than no k3s, and reports its own errors.
pub fn clock_gate(sys: &dyn System) {
    if clock::is_settled(sys) {
        return;
    }
    let seed = sys.read(Path::new(SEED_PATH)).map_err(|e| format!("reading {SEED_PATH}: {e}"));
    match seed.and_then(|bytes| Seed::parse(&String::from_utf8_lossy(&bytes)).map_err(|e| e.to_string())) {
        Ok(seed) => wait(sys, &seed),
        Err(e) => sys.log(&format!("hcimage: clock gate: {e}; continuing without it")),
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
            sys.log(&format!("hcimage: clock gate: no network time ({reason}); continuing without it"));
            return;
        }
        sys.sleep(PAUSE);
    }
}
