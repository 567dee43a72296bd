//! The clock, on the first boot and on later ones.

use std::time::Duration;

use hc_firstboot::RunOutcome;
use hc_firstboot::seed::SEED_PATH;

use crate::machine::Machine;
use crate::scenario::{FLOOR, STATUS, TRUE_TIME, World, seed};

/// A node after its first boot, powered off.
fn finished() -> World {
    let machine = Machine::boot(World::flashed(&seed()));
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    machine.off().shut_down()
}

fn clock(machine: &Machine) -> u64 {
    let now = machine.now.borrow();
    (now.clock_at_boot + now.uptime).as_secs()
}

#[test]
fn the_gate_sets_the_clock_to_network_time() {
    let machine = Machine::boot(finished());
    machine.clock_gate();
    let clock = clock(&machine);
    assert!((TRUE_TIME + 9..TRUE_TIME + 12).contains(&clock), "{clock}");
}

#[test]
fn the_gate_ends_without_network_time_and_never_before_the_last_boot() {
    let mut world = finished();
    world.time_served = false;
    let machine = Machine::boot(world);
    machine.clock_gate();
    assert!(clock(&machine) >= TRUE_TIME, "the state was last written then");
    let waited = machine.now.borrow().uptime;
    assert!(waited < Duration::from_secs(10 + 30 + 10), "{waited:?}");
    assert!(machine.said().contains("clock gate: no network time (time.example: "), "{}", machine.said());
}

/// With a plausible hardware clock, network time is only a correction; a clock that is behind is ignored.
#[test]
fn a_plausible_hardware_clock_shortens_the_wait() {
    let waited = |said: &str, behind: bool| {
        let mut world = finished();
        world.time_served = false;
        world.put("/sys/class/rtc/rtc0/hctosys", said);
        if !behind {
            world.clock_at_boot = Duration::from_secs(TRUE_TIME + 86_400);
        }
        let machine = Machine::boot(world);
        let before = machine.now.borrow().uptime;
        machine.clock_gate();
        machine.now.borrow().uptime - before
    };
    assert!(waited("1\n", false) < Duration::from_secs(10));
    assert!(waited("0\n", false) >= Duration::from_secs(20));
    assert!(waited("1\n", true) >= Duration::from_secs(20));
}

#[test]
fn a_restart_of_k3s_does_not_wait_again() {
    let mut world = finished();
    world.time_served = false;
    let machine = Machine::boot(world);
    machine.clock_gate();
    let once = machine.now.borrow().uptime;
    machine.clock_gate();
    assert!(machine.now.borrow().uptime - once < Duration::from_secs(1));
}

#[test]
fn the_gate_does_not_wait_after_the_first_boot_has_set_the_clock() {
    let mut world = World::flashed(&seed());
    world.time_served = false;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    let before = machine.now.borrow().uptime;
    machine.clock_gate();
    assert!(machine.now.borrow().uptime - before < Duration::from_secs(1));
}

#[test]
fn the_gate_ends_despite_a_bad_seed_or_clock() {
    for (seed_text, fixed) in [("no seed", false), (seed().to_toml().unwrap().as_str(), true)] {
        let mut world = finished();
        world.put(SEED_PATH, seed_text);
        world.clock_is_fixed = fixed;
        let machine = Machine::boot(world);
        machine.clock_gate();
        assert!(machine.said().contains("clock gate: "), "{}", machine.said());
    }
}

#[test]
fn a_long_wait_in_the_seed_does_not_delay_later_boots() {
    let mut seed = seed();
    seed.clock.wait_seconds = 86_400;
    let mut world = World::flashed(&seed);
    world.time_served = false;
    let machine = Machine::boot(world);
    machine.clock_gate();
    assert!(machine.now.borrow().uptime < Duration::from_secs(330));
}

/// Querying so many servers takes three times the limit of the gate.
#[test]
fn many_time_servers_do_not_delay_later_boots() {
    let mut seed = seed();
    seed.clock.ntp = vec!["192.0.2.1".parse().unwrap(); 300];
    seed.clock.wait_seconds = 86_400;
    let mut world = World::flashed(&seed);
    world.time_served = false;
    let machine = Machine::boot(world);
    machine.clock_gate();
    let waited = machine.now.borrow().uptime - Duration::from_secs(10);
    assert!(waited < Duration::from_secs(305), "{waited:?}");
}

#[test]
fn without_servers_the_system_s_own_time_service_is_awaited() {
    let mut seed = seed();
    seed.clock.ntp.clear();
    let mut world = World::flashed(&seed);
    world.timesyncd = true;
    let machine = Machine::boot(world.clone());
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert!(machine.said().contains("clock: set by the system's time service"));

    world.timesyncd = false;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert!(machine.text(STATUS).contains("the system's time service has not set the clock"));
    assert!(clock(&machine) >= FLOOR);
}

/// A clock that was far ahead must be set back, and stay so.
#[test]
fn a_clock_in_the_future_is_set_back_to_network_time() {
    let mut world = World::flashed(&seed());
    world.clock_at_boot = Duration::from_secs(TRUE_TIME + 1_000_000_000);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert!(clock(&machine) < TRUE_TIME + 1000);
    let machine = Machine::boot(machine.off().shut_down());
    machine.clock_gate();
    assert!(clock(&machine) < TRUE_TIME + 1000);
}

/// A certificate that k3s signed in a later boot than the state's last one begins one hour before that.
#[test]
fn the_gate_does_not_go_back_behind_what_k3s_signed() {
    const SIGNED: u64 = TRUE_TIME + 200 * 86_400;
    for (path, counts) in [
        ("/var/lib/rancher/k3s/server/tls/serving-kube-apiserver.crt", true),
        ("/var/lib/rancher/k3s/agent/client-kubelet.crt", true),
        ("/var/lib/rancher/k3s/server/db/state.db", true),
        ("/var/lib/systemd/timesync/clock", true),
        ("/var/lib/rancher/k3s/agent/other.crt", false),
    ] {
        let mut world = finished();
        world.time_served = false;
        world.put(path, "");
        world.disk.write(path.as_ref(), b"", 0o600, Duration::from_secs(SIGNED)).unwrap();
        let machine = Machine::boot(world);
        machine.clock_gate();
        assert_eq!(clock(&machine) >= SIGNED, counts, "{path}");
    }
}

/// With network time the files of a node whose clock was ahead count for nothing.
#[test]
fn network_time_sets_the_clock_back_behind_the_files() {
    let mut world = finished();
    let path = "/var/lib/rancher/k3s/agent/client-kubelet.crt";
    world.put(path, "");
    world.disk.write(path.as_ref(), b"", 0o600, Duration::from_secs(TRUE_TIME + 1_000_000_000)).unwrap();
    let machine = Machine::boot(world);
    machine.clock_gate();
    assert!(clock(&machine) < TRUE_TIME + 1000);
}

fn of_servers(names: &[&str], time_off: [i64; 3]) -> World {
    let mut seed = seed();
    seed.clock.ntp = names.iter().map(|name| name.parse().unwrap()).collect();
    World { time_off, ..World::flashed(&seed) }
}

const YEAR: i64 = 365 * 86_400;
const THREE: [&str; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

/// SNTP has no authentication. A clock after the end of the CAs would refuse every certificate for good.
#[test]
fn no_time_after_the_end_of_the_cas_is_believed() {
    let machine = Machine::boot(of_servers(&THREE[..1], [74 * YEAR, 0, 0]));
    machine.first_boot();
    let report = machine.text(STATUS);
    assert!(
        report.contains("192.0.2.1: the server's time is after the end of the cluster's CAs"),
        "{report}"
    );
    assert!((FLOOR..FLOOR + 1000).contains(&clock(&machine)), "{}", clock(&machine));

    let mut world = finished();
    world.time_served = false;
    let path = "/var/lib/hcimage/state.json";
    let state = Machine::boot(world.clone()).text(path);
    let in_2099 = Duration::from_secs(TRUE_TIME + 73 * 365 * 86_400);
    world.disk.write(path.as_ref(), state.as_bytes(), 0o600, in_2099).unwrap();
    let machine = Machine::boot(world);
    machine.clock_gate();
    assert!((FLOOR..FLOOR + 1000).contains(&clock(&machine)), "{}", clock(&machine));
}

#[test]
fn two_time_servers_that_agree_outvote_one_and_two_that_disagree_set_nothing() {
    for wrong in 0..3 {
        let mut time_off = [0; 3];
        time_off[wrong] = 3 * YEAR;
        let machine = Machine::boot(of_servers(&THREE, time_off));
        assert_eq!(machine.first_boot(), RunOutcome::Ready);
        let report = machine.text(STATUS);
        assert!(report.contains("which agree"), "{report}");
        assert!((TRUE_TIME..TRUE_TIME + 1000).contains(&clock(&machine)), "{report}");
    }
    let machine = Machine::boot(of_servers(&THREE[..2], [0, 3 * YEAR, 0]));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let report = machine.text(STATUS);
    assert!(report.contains("the time servers disagree: 192.0.2.1 says 2026-"), "{report}");
    assert!((FLOOR..FLOOR + 1000).contains(&clock(&machine)), "{report}");
}

#[test]
fn one_time_server_alone_does_not_set_the_clock_behind_the_nodes_own_files() {
    for (names, back) in [(&THREE[..1], false), (&THREE[..2], true)] {
        let mut world = of_servers(names, [0; 3]);
        let seen = Duration::from_secs(TRUE_TIME + 100 * 86_400);
        world.put("/var/lib/systemd/timesync/clock", "");
        world.disk.write("/var/lib/systemd/timesync/clock".as_ref(), b"", 0o644, seen).unwrap();
        let machine = Machine::boot(world);
        machine.clock_gate();
        assert_eq!(clock(&machine) < seen.as_secs(), back, "{}", machine.said());
    }
}
