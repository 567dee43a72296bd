//! The state on the card: whose it is, and whether it can be trusted.

use std::path::Path;

use hc_firstboot::RunOutcome;
use hc_firstboot::seed::SEED_PATH;

use crate::disk::Cut;
use crate::doctor;
use crate::failures::report_of;
use crate::machine::Machine;
use crate::scenario::{Cluster, MARKER, STATE, STATUS, World, seed};

#[test]
fn a_damaged_state_is_not_a_first_start() {
    for (content, reason) in [
        ("", "EOF while parsing"),
        ("{\"version\": 2}", "missing field"),
        ("{\"version\": 1}", "unsupported version 1: this hc-firstboot supports version 2"),
        ("\0\0\0\0", "expected value"),
    ] {
        let mut world = World::flashed(&seed());
        world.disk.make_dirs(Path::new("/var/lib/hcimage"));
        world.put(STATE, content);
        let machine = Machine::boot(world);
        assert_eq!(machine.first_boot(), RunOutcome::Failed);
        let text = machine.text(STATUS);
        assert!(text.contains("/var/lib/hcimage/state.json is damaged ("), "{text}");
        assert!(text.contains(reason), "{text}");
        assert!(text.ends_with("HCIMAGE-REPORT-END failed\r\n"), "{text}");
        assert_eq!(machine.text(STATE), content, "what was found stays as evidence");
        let commands = machine.commands.borrow();
        let looks = |line: &String| line == "ip -j addr show" || line.starts_with("journalctl ");
        assert!(commands.iter().all(looks), "nothing is done on a guess: {commands:?}");
        drop(commands);
        doctor::must_know(machine.off(), "state.json is damaged (", "flash the card again");
    }
}

/// A machine that failed after k3s was started, and one that failed before it.
fn failed_world(committed: bool) -> World {
    let mut world = World::flashed(&seed());
    if committed {
        world.cluster = Cluster::NeverReady;
    } else {
        world.disk_is_sound = false;
    }
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    let mut world = machine.off().shut_down();
    world.cluster = Cluster::Good;
    world.disk_is_sound = true;
    world
}

#[test]
fn another_seed_after_the_commit_point_is_rejected() {
    let mut world = failed_world(true);
    let mut other = seed();
    other.network.wait_seconds += 1;
    world.put_seed(&other);
    let before = world.disk.text(STATE);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    let text = machine.text(STATUS);
    let what = "/etc/hcimage/seed.toml was changed after k3s was started for the first time\r\n";
    assert!(text.contains(what), "{text}");
    assert_eq!(machine.text(STATE), before, "the state still belongs to the old seed");

    let mut world = machine.off();
    // The state has the failure before this one, which is still to be cured too.
    doctor::must_know(world.clone(), what.trim_end(), "put the old seed back, or flash the card again");
    doctor::must_know(world.clone(), "the node was not Ready within 300 s", "see the last lines of its log");
    world = world.shut_down();
    world.put_seed(&seed());
    assert_eq!(Machine::boot(world).first_boot(), RunOutcome::Ready, "the old seed put back goes on");
}

#[test]
fn another_seed_before_the_commit_point_restarts_the_run() {
    let mut world = failed_world(false);
    let mut other = seed();
    other.node.hostname = "hc-1".parse().unwrap();
    other.network.wait_seconds += 1;
    world.put_seed(&other);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    let note = "Note:    the seed was changed before k3s was started: begun again\r\n";
    assert!(machine.text(STATUS).contains(note), "{}", machine.text(STATUS));
}

#[test]
fn an_invalid_seed_is_reported_on_the_likely_boot_partition() {
    for (content, what) in [
        ("schema = 1\n", "reading /etc/hcimage/seed.toml: schema is 1, this hc-firstboot reads 3 only"),
        ("schema = 3\nx = [\n", "reading /etc/hcimage/seed.toml: line "),
    ] {
        let mut world = World::flashed(&seed());
        world.put(SEED_PATH, content);
        let machine = Machine::boot(world);
        assert_eq!(machine.first_boot(), RunOutcome::Failed);
        let text = machine.text(STATUS);
        assert!(text.contains(what), "{text}");
        assert!(text.contains("Node:    unknown\r\n"), "{text}");
        assert!(text.ends_with("HCIMAGE-REPORT-END failed\r\n"), "{text}");
        assert_eq!(machine.text(STATE), "");
        doctor::must_know(machine.off(), what, "flash the card again");
    }
}

/// The state is that of the try before, in which the power was cut: the failure is in the report alone.
#[test]
fn a_failure_that_the_state_has_no_room_for_is_known_from_the_report() {
    let whole = Machine::boot(World::flashed(&seed()));
    whole.first_boot();
    let machine = Machine::boot(World::flashed(&seed()));
    assert_eq!(machine.first_boot_until(whole.steps() / 2), None);
    let mut world = machine.off().power_cut(Cut::NamesKept);
    world.full_card = true;
    let text = report_of(world);
    assert!(text.contains("What is wrong:  writing /var/lib/hcimage/state.json: "), "{text}");
}

#[test]
fn the_marker_alone_decides_even_without_a_state() {
    let mut world = World::flashed(&seed());
    world.disk.make_dirs(Path::new("/var/lib/hcimage"));
    world.put(MARKER, "");
    let machine = Machine::boot(world.power_cut(Cut::NamesLost));
    assert_eq!(machine.first_boot(), RunOutcome::NothingToDo);
}
