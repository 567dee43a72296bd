//! The clock: never before the floor, and network time where there is some.

use std::path::Path;
use std::time::Duration;

use crate::join_probe::{self, Token};
use crate::phase_error::Failure;
use crate::report::date;
use crate::seed::{Join, Seed};
use crate::sntp;
use crate::state::STATE_PATH;
use crate::sys::{Command, System};

/// There while nothing more is to be done about the clock in this boot (`/run` does not outlive it).
const SETTLED_PATH: &str = "/run/hcimage/clock-settled";

/// systemd-timesyncd makes this file when it has set the clock (systemd-timesyncd.service(8)).
const TIMESYNCD_PATH: &str = "/run/systemd/timesync/synchronized";

/// Holds `1` where the kernel set its time from this clock when it started (Documentation/ABI/testing/sysfs-class-rtc).
const HARDWARE_CLOCK_PATH: &str = "/sys/class/rtc/rtc0/hctosys";

/// With a clock of its own the board waits so long for a better one.
const HARDWARE_CLOCK_WAIT: Duration = Duration::from_secs(3);

/// How far the clock may be from what it was just set to.
const TOLERANCE: Duration = Duration::from_secs(10);

/// When the state was last written.
pub(crate) fn last_seen(sys: &dyn System) -> Option<Duration> {
    sys.stat(Path::new(STATE_PATH)).ok().map(|stat| stat.modified)
}

/// The earliest time that can be right: the build, and the cluster's CAs.
pub(crate) fn floor(seed: &Seed) -> Duration {
    Duration::from_secs(seed.clock.floor.max(seed.clock.ca_not_before.unwrap_or_default()))
}

/// Whether the clock can be right.
pub(crate) fn is_after_floor(sys: &dyn System, seed: &Seed) -> bool {
    sys.now() >= floor(seed)
}

/// How long it is worth waiting for network time. A board without a clock of its own starts anywhere; where the kernel
/// took the time from a clock with a battery, and it is not earlier than it can be, network time is a correction only.
pub(crate) fn patience(sys: &dyn System, seed: &Seed, last_seen: Option<Duration>) -> Duration {
    let wanted = Duration::from_secs(seed.clock.wait_seconds);
    let earliest = floor(seed).max(last_seen.unwrap_or_default());
    let from_hardware = sys.read(Path::new(HARDWARE_CLOCK_PATH)).is_ok_and(|said| said.trim_ascii() == b"1");
    if from_hardware && sys.now() >= earliest && !seed.clock.require_ntp {
        return wanted.min(HARDWARE_CLOCK_WAIT);
    }
    wanted
}

/// Whether the clock was seen to in this boot.
pub(crate) fn is_settled(sys: &dyn System) -> bool {
    sys.stat(Path::new(SETTLED_PATH)).is_ok()
}

/// Remembers that the clock was seen to in this boot. Without the note the next start only waits once more.
pub(crate) fn settle(sys: &dyn System) {
    let path = Path::new(SETTLED_PATH);
    if let Some(dir) = path.parent() {
        let _ = sys.make_dirs(dir);
    }
    let _ = sys.write(path, b"", 0o644);
}

/// Sets the clock to the floor or to when this node was last seen, where it is earlier. Says whether it was.
pub(crate) fn raise(sys: &dyn System, seed: &Seed, last_seen: Option<Duration>) -> Result<bool, Failure> {
    let floor = floor(seed).max(last_seen.unwrap_or_default());
    if sys.now() >= floor {
        return Ok(false);
    }
    set(sys, floor)?;
    Ok(true)
}

fn set(sys: &dyn System, to: Duration) -> Result<(), Failure> {
    let failure = |why: String| {
        let what = format!("the clock is not set: it says {}, and {why}", date(sys.now()));
        Failure::new(what, "power the node off and on, and check the board's real-time clock if it has one")
    };
    sys.set_clock(to).map_err(|e| failure(format!("setting it to {} failed: {e}", date(to))))?;
    let off = sys.now().abs_diff(to);
    if off > TOLERANCE {
        return Err(failure(format!("it was just set to {}", date(to))));
    }
    Ok(())
}

/// Network time, and whose.
pub(crate) enum NetworkTime {
    /// The clock agrees with this source.
    Good(String),
    /// No source gave the time, with the reason.
    None(String),
}

/// Asks once whoever may know: the seed's time servers (without them, whether the base's own time service has set
/// the clock), then the servers that the node joins. Sets the clock by the first good answer. One pass over many
/// servers and addresses may take long: nobody is asked after `end`, a point of the uptime.
pub(crate) fn by_network(sys: &dyn System, seed: &Seed, end: Duration) -> Result<NetworkTime, Failure> {
    let first = if seed.clock.ntp.is_empty() { by_base(sys) } else { by_ntp(sys, seed, end)? };
    match (first, seed.role.join()) {
        (NetworkTime::None(before), Some(join)) => Ok(match by_server(sys, seed, join, end)? {
            NetworkTime::None(why) => NetworkTime::None(format!("{before}, the server: {why}")),
            good => good,
        }),
        (first, _) => Ok(first),
    }
}

fn by_ntp(sys: &dyn System, seed: &Seed, end: Duration) -> Result<NetworkTime, Failure> {
    let mut reasons = Vec::new();
    for name in &seed.clock.ntp {
        match sntp::ask(sys, name, floor(seed), end) {
            Ok(time) => {
                set(sys, time)?;
                return Ok(NetworkTime::Good(name.to_string()));
            }
            Err(e) => reasons.push(format!("{name}: {e}")),
        }
    }
    Ok(NetworkTime::None(reasons.join(", ")))
}

/// By the cluster's own server, over TLS with the pinned CA: to a second or so, which is enough for certificates, and
/// the cluster's clocks agree.
pub(crate) fn by_server(
    sys: &dyn System,
    seed: &Seed,
    join: &Join,
    end: Duration,
) -> Result<NetworkTime, Failure> {
    let none = |why: &str| Ok(NetworkTime::None(why.to_owned()));
    let token = match Token::load(sys, &join.token_file) {
        Ok(token) => token,
        Err(failure) => return none(&failure.what),
    };
    match join_probe::time(sys, join, &token, end) {
        Ok(time) if time < floor(seed) => none("its time is before the build of this image"),
        Ok(time) => {
            set(sys, time)?;
            Ok(NetworkTime::Good("the server that this node joins".to_owned()))
        }
        Err(refusal) => none(&refusal.to_string()),
    }
}

fn by_base(sys: &dyn System) -> NetworkTime {
    let good = || NetworkTime::Good("the system's time service".to_owned());
    if sys.stat(Path::new(TIMESYNCD_PATH)).is_ok() {
        return good();
    }
    // Where another service than timesyncd keeps the time (chrony on newer Ubuntu).
    match sys.run(&Command::new("timedatectl", ["show", "--property=NTPSynchronized", "--value"])) {
        Ok(output) if output.stdout.trim() == "yes" => good(),
        _ => NetworkTime::None("the system's time service has not set the clock".to_owned()),
    }
}
