//! The clock: never before the floor, and set by network time if available.

use std::ops::Range;
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

/// How far a clock may go back without harm: a certificate that k3s signs begins one hour before (see [`SEEN`]).
const HARMLESS: Duration = Duration::from_secs(30 * 60);

/// The maximum difference between two time servers that agree.
const AGREEMENT: Duration = Duration::from_secs(10);

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

/// How long after its making a node may run whose CAs have an end that is not known: k3s makes its own for ten years, and
/// renews them.
const LONGEST_LIFE: Duration = Duration::from_secs(20 * 365 * 86_400);

/// The latest time of which a file of the node says that it is over; none of [`SEEN`] that says what cannot be.
pub(crate) fn last_seen(sys: &dyn System, seed: &Seed) -> Option<Duration> {
    let ceiling = ceiling(seed);
    let times = SEEN.iter().filter_map(|path| sys.stat(Path::new(path)).ok()).map(|stat| stat.modified);
    times.filter(|time| *time < ceiling).max()
}

/// No time from here on is believed, whoever says it: the cluster's CAs are over then. A clock that somebody on the network
/// sets later would refuse every certificate, now and after each restart.
pub(crate) fn ceiling(seed: &Seed) -> Duration {
    let end = seed.clock.ca_not_after.map(Duration::from_secs);
    end.unwrap_or_else(|| floor(seed).saturating_add(LONGEST_LIFE))
}

/// The earliest plausible time: when the image was made, and the start of the cluster's CAs. It is enough to verify the CAs,
/// and not what a server signed since: a joining node needs the server's own time ([`by_server`]).
pub(crate) fn floor(seed: &Seed) -> Duration {
    Duration::from_secs(seed.clock.floor.max(seed.clock.ca_not_before.unwrap_or_default()))
}

/// The times that it can be now.
fn plausible(seed: &Seed, last_seen: Option<Duration>) -> Range<Duration> {
    floor(seed).max(last_seen.unwrap_or_default())..ceiling(seed)
}

/// Whether the clock shows a time that can be.
pub(crate) fn is_plausible(sys: &dyn System, seed: &Seed) -> bool {
    plausible(seed, None).contains(&sys.now())
}

/// How long to wait for network time. A board without a hardware clock starts with any time; if the kernel set its time
/// from a battery-backed clock, and it is plausible, network time is only a correction.
pub(crate) fn patience(sys: &dyn System, seed: &Seed, last_seen: Option<Duration>) -> Duration {
    let wanted = Duration::from_secs(seed.clock.wait_seconds);
    let from_hardware = sys.read(Path::new(HARDWARE_CLOCK_PATH)).is_ok_and(|said| said.trim_ascii() == b"1");
    if from_hardware && plausible(seed, last_seen).contains(&sys.now()) && !seed.clock.require_ntp {
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

/// Sets the clock to the floor or the node's last known time, where it shows an earlier one, or one that cannot be.
pub(crate) fn bound(sys: &dyn System, seed: &Seed, last_seen: Option<Duration>) -> Result<(), Failure> {
    let plausible = plausible(seed, last_seen);
    if plausible.contains(&sys.now()) { Ok(()) } else { set(sys, plausible.start) }
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
/// servers that the node joins. Many servers and addresses may take long: no query starts after `end`, in uptime.
pub(crate) fn by_network(
    sys: &dyn System,
    seed: &Seed,
    last_seen: Option<Duration>,
    end: Duration,
) -> Result<NetworkTime, Failure> {
    let first =
        if seed.clock.ntp.is_empty() { by_base(sys, seed) } else { by_ntp(sys, seed, last_seen, end)? };
    match (first, seed.join()) {
        (NetworkTime::None(before), Some(join)) => Ok(match by_server(sys, seed, join, last_seen, end)? {
            NetworkTime::None(why) => NetworkTime::None(format!("{before}, the server: {why}")),
            good => good,
        }),
        (first, _) => Ok(first),
    }
}

/// SNTP has no authentication: anybody on the network can answer. So two servers that agree set the clock. One alone does
/// so where no other answers, and not behind the node's own files; of several that disagree none.
fn by_ntp(
    sys: &dyn System,
    seed: &Seed,
    last_seen: Option<Duration>,
    end: Duration,
) -> Result<NetworkTime, Failure> {
    let (mut answers, mut reasons) = (Vec::<(String, Duration)>::new(), Vec::new());
    for name in &seed.clock.ntp {
        match sntp::ask(sys, name, plausible(seed, None), end) {
            Ok(time) => {
                // As at the start of the machine, so that answers can be compared.
                let at_start = time.saturating_sub(sys.uptime());
                if let Some((other, _)) =
                    answers.iter().find(|(_, other)| other.abs_diff(at_start) <= AGREEMENT)
                {
                    set(sys, time)?;
                    return Ok(NetworkTime::Good(format!("{other} and {name}, which agree")));
                }
                answers.push((name.to_string(), at_start));
            }
            Err(e) => reasons.push(format!("{name}: {e}")),
        }
    }
    let [(name, at_start)] = answers.as_slice() else {
        if !answers.is_empty() {
            let times = answers.iter().map(|(name, at_start)| {
                format!("{name} says {}", date(at_start.saturating_add(sys.uptime())))
            });
            reasons.push(format!("the time servers disagree: {}", times.collect::<Vec<_>>().join(", ")));
        }
        return Ok(NetworkTime::None(reasons.join(", ")));
    };
    let time = at_start.saturating_add(sys.uptime());
    if time.saturating_add(HARMLESS) < plausible(seed, last_seen).start {
        reasons.push(format!("{name} alone says {}, which this node has seen the end of", date(time)));
        return Ok(NetworkTime::None(reasons.join(", ")));
    }
    set(sys, time)?;
    Ok(NetworkTime::Good(name.clone()))
}

/// The time of the cluster's own server, over TLS with the pinned CA. It is exact to about a second, which is enough for
/// certificates, and the cluster's clocks agree. It never sets a plausible clock back: the certificate of the server is
/// verified for the time that it claims, so one that is over is as good as it was then.
pub(crate) fn by_server(
    sys: &dyn System,
    seed: &Seed,
    join: &Join,
    last_seen: Option<Duration>,
    end: Duration,
) -> Result<NetworkTime, Failure> {
    let none = |why: &str| Ok(NetworkTime::None(why.to_owned()));
    let token = match Token::load(sys, &join.token_file) {
        Ok(token) => token,
        Err(failure) => return none(&failure.what),
    };
    match join_probe::time(sys, join, &token, end) {
        Ok(time) if time < floor(seed) => none("its time is before this image was made"),
        Ok(time) if time >= ceiling(seed) => none("its time is after the end of the cluster's CAs"),
        Ok(time) if time.saturating_add(HARMLESS) < plausible(seed, last_seen).start => {
            none("its time is before the latest that this node has seen")
        }
        Ok(time) if is_plausible(sys, seed) && time.saturating_add(HARMLESS) < sys.now() => {
            none(&format!("its clock shows {}, that of this node a later time", date(time)))
        }
        Ok(time) => {
            set(sys, time)?;
            Ok(NetworkTime::Good("the server that this node joins".to_owned()))
        }
        Err(refusal) => none(&refusal.to_string()),
    }
}

fn by_base(sys: &dyn System, seed: &Seed) -> NetworkTime {
    let good = || match is_plausible(sys, seed) {
        true => NetworkTime::Good("the system's time service".to_owned()),
        false => NetworkTime::None(format!("the system's time service has set it to {}", date(sys.now()))),
    };
    if sys.stat(Path::new(TIMESYNCD_PATH)).is_ok() {
        return good();
    }
    // For a time service other than timesyncd (chrony on newer Ubuntu).
    match sys.run(&Command::new("timedatectl", ["show", "--property=NTPSynchronized", "--value"])) {
        Ok(output) if output.stdout.trim() == "yes" => good(),
        _ => NetworkTime::None("the system's time service has not set the clock".to_owned()),
    }
}
