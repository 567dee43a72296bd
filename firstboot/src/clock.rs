//! The clock: never before the floor, and set by network time if available.

use std::path::Path;
use std::time::Duration;

use crate::join_probe::{self, Token};
use crate::phase_error::Failure;
use crate::report::date;
use crate::seed::{Join, Seed};
use crate::sntp;
use crate::state::STATE_PATH;
use crate::sys::{Command, System};

/// Exists once the clock is handled in this boot (`/run` is empty at boot).
const SETTLED_PATH: &str = "/run/hcimage/clock-settled";

/// systemd-timesyncd creates this file when it has set the clock (systemd-timesyncd.service(8)).
const TIMESYNCD_PATH: &str = "/run/systemd/timesync/synchronized";

/// Contains `1` if the kernel set its time from this clock at boot (Documentation/ABI/testing/sysfs-class-rtc).
const HARDWARE_CLOCK_PATH: &str = "/sys/class/rtc/rtc0/hctosys";

/// How long a board with a hardware clock waits for network time.
const HARDWARE_CLOCK_WAIT: Duration = Duration::from_secs(3);

/// The maximum difference between the clock and the time that it was just set to.
const TOLERANCE: Duration = Duration::from_secs(10);

/// Files that are written while the node runs, so that it was this late already: our state, the clock of
/// systemd-timesyncd, and k3s's certificates and datastore.
///
/// The certificates count for another reason, too. k3s has them begin one hour before it signs them (dynamiclistener,
/// `NewSignedCert`), and not with their CA: a clock that is further behind cannot use what was signed in an earlier boot.
const SEEN: [&str; 7] = [
    STATE_PATH,
    "/var/lib/systemd/timesync/clock",
    "/var/lib/rancher/k3s/agent/client-kubelet.crt",
    "/var/lib/rancher/k3s/agent/serving-kubelet.crt",
    "/var/lib/rancher/k3s/server/tls/dynamic-cert.json",
    "/var/lib/rancher/k3s/server/tls/serving-kube-apiserver.crt",
    "/var/lib/rancher/k3s/server/db/state.db",
];

/// The latest time of which a file of the node says that it is over.
pub(crate) fn last_seen(sys: &dyn System) -> Option<Duration> {
    SEEN.iter().filter_map(|path| sys.stat(Path::new(path)).ok()).map(|stat| stat.modified).max()
}

/// The earliest plausible time: when the image was made, and the start of the cluster's CAs. It is enough to verify the CAs,
/// and not what a server signed since: a joining node needs the server's own time ([`by_server`]).
pub(crate) fn floor(seed: &Seed) -> Duration {
    Duration::from_secs(seed.clock.floor.max(seed.clock.ca_not_before.unwrap_or_default()))
}

/// Whether the clock is plausible.
pub(crate) fn is_after_floor(sys: &dyn System, seed: &Seed) -> bool {
    sys.now() >= floor(seed)
}

/// How long to wait for network time. A board without a hardware clock starts with any time; if the kernel set its time
/// from a battery-backed clock, and it is plausible, network time is only a correction.
pub(crate) fn patience(sys: &dyn System, seed: &Seed, last_seen: Option<Duration>) -> Duration {
    let wanted = Duration::from_secs(seed.clock.wait_seconds);
    let earliest = floor(seed).max(last_seen.unwrap_or_default());
    let from_hardware = sys.read(Path::new(HARDWARE_CLOCK_PATH)).is_ok_and(|said| said.trim_ascii() == b"1");
    if from_hardware && sys.now() >= earliest && !seed.clock.require_ntp {
        return wanted.min(HARDWARE_CLOCK_WAIT);
    }
    wanted
}

/// Whether the clock is handled in this boot.
pub(crate) fn is_settled(sys: &dyn System) -> bool {
    sys.stat(Path::new(SETTLED_PATH)).is_ok()
}

/// Records that the clock is handled in this boot. If this fails, the next start only waits once more.
pub(crate) fn settle(sys: &dyn System) {
    let path = Path::new(SETTLED_PATH);
    if let Some(dir) = path.parent() {
        let _ = sys.make_dirs(dir);
    }
    let _ = sys.write(path, b"", 0o644);
}

/// Sets the clock forward to the floor or the node's last known time, if it is earlier. Returns whether it was.
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
        let what = format!("the clock is not set: it shows {}, and {why}", date(sys.now()));
        Failure::new(what, "power the node off and on, and check the board's real-time clock if it has one")
    };
    sys.set_clock(to).map_err(|e| failure(format!("setting it to {} failed: {e}", date(to))))?;
    let off = sys.now().abs_diff(to);
    if off > TOLERANCE {
        return Err(failure(format!("it was just set to {}", date(to))));
    }
    Ok(())
}

/// The result of a request for network time.
pub(crate) enum NetworkTime {
    /// The clock is set from this source.
    Good(String),
    /// No source has the time, with the reason.
    None(String),
}

/// Queries all sources once: the seed's time servers (without them, the status of the base's own time service), then the
/// servers that the node joins. The first good answer sets the clock. Many servers and addresses may take long: no query
/// starts after `end`, in uptime.
pub(crate) fn by_network(sys: &dyn System, seed: &Seed, end: Duration) -> Result<NetworkTime, Failure> {
    let first = if seed.clock.ntp.is_empty() { by_base(sys) } else { by_ntp(sys, seed, end)? };
    match (first, seed.join()) {
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

/// The time of the cluster's own server, over TLS with the pinned CA. It is exact to about a second, which is enough for
/// certificates, and the cluster's clocks agree.
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
        Ok(time) if time < floor(seed) => none("its time is before this image was made"),
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
    // For a time service other than timesyncd (chrony on newer Ubuntu).
    match sys.run(&Command::new("timedatectl", ["show", "--property=NTPSynchronized", "--value"])) {
        Ok(output) if output.stdout.trim() == "yes" => good(),
        _ => NetworkTime::None("the system's time service has not set the clock".to_owned()),
    }
}
