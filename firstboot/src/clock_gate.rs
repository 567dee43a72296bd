//! The clock gate: it runs before k3s on every boot, waits until the node has its address, and keeps the clock out of the
//! past.

use std::path::Path;
use std::time::Duration;

use crate::clock::{self, NetworkTime};
use crate::links;
use crate::phase_error::PhaseError;
use crate::seed::{SEED_PATH, Seed};
use crate::state::{self, Loaded};
use crate::sys::System;

/// The longest delay of k3s, regardless of the seed.
const LONGEST: Duration = Duration::from_secs(300);

/// The longest wait for the node's address.
const LONGEST_FOR_ADDRESS: Duration = Duration::from_secs(120);

/// The pause between two queries.
const PAUSE: Duration = Duration::from_secs(2);

/// Sets the clock to the floor, or to the latest time that the node has seen, if it is earlier, then waits for network time, with a limit. It always ends and never
/// fails: k3s with an inaccurate clock is better than no k3s, and reports its own errors.
pub fn clock_gate(sys: &dyn System) {
    let seed = sys.read(Path::new(SEED_PATH)).map_err(|e| format!("reading {SEED_PATH}: {e}"));
    match seed.and_then(|bytes| Seed::parse(&String::from_utf8_lossy(&bytes)).map_err(|e| e.to_string())) {
        Ok(seed) => {
            wait_for_address(sys, &seed);
            if !clock::is_settled(sys) {
                wait(sys, &seed);
            }
        }
        Err(e) => sys.log(&format!("hcimage: clock gate: {e}; continuing without it")),
    }
    clock::settle(sys);
}

/// `network-online.target` does not wait for the node's own address: the boot must not stop where there is no cable. k3s
/// ends without it.
fn wait_for_address(sys: &dyn System, seed: &Seed) {
    let patience = Duration::from_secs(seed.network.wait_seconds).min(LONGEST_FOR_ADDRESS);
    let end = sys.uptime().saturating_add(patience);
    let mut told = false;
    while let Err(error) = has_address(sys, seed) {
        let what = error.into_failure().what;
        if sys.uptime().saturating_add(PAUSE) > end {
            sys.log(&format!("hcimage: clock gate: {what}; k3s starts without it"));
            return;
        }
        if !std::mem::replace(&mut told, true) {
            sys.log(&format!("hcimage: clock gate: waiting: {what}"));
        }
        sys.sleep(PAUSE);
    }
}

/// The address is that of `hcimage.toml`, if the first boot used one from there.
fn has_address(sys: &dyn System, seed: &Seed) -> Result<(), PhaseError> {
    let network = match state::load(sys) {
        Loaded::Present(state) => state.overrides.network(seed).unwrap_or_else(|_| seed.network.clone()),
        Loaded::Absent | Loaded::Damaged(_) => seed.network.clone(),
    };
    let wanted = network.address().map(|address| address.ip());
    let links = links::all(sys)?;
    let links = links::of_node(&links, &network)?;
    let routes = links::default_routes(sys)?;
    links::online(&links, &routes, &network, wanted).map(drop).map_err(PhaseError::Retry)
}

fn wait(sys: &dyn System, seed: &Seed) {
    let last_seen = clock::last_seen(sys, seed);
    let patience = clock::patience(sys, seed, last_seen).min(LONGEST);
    if let Err(e) = clock::bound(sys, seed, last_seen) {
        sys.log(&format!("hcimage: clock gate: {e}"));
    }
    let end = sys.uptime().saturating_add(patience);
    loop {
        let reason = match clock::by_network(sys, seed, last_seen, end) {
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
