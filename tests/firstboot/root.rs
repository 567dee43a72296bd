//! Growth of the root file system.

use hc_firstboot::RunOutcome;

use crate::machine::Machine;
use crate::scenario::{STATUS, World, seed};

fn world() -> World {
    let mut seed = seed();
    seed.root.grow = true;
    World::flashed(&seed)
}

#[track_caller]
fn must_end(world: World, note: &str) -> Machine {
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let status = machine.text(STATUS);
    assert!(status.contains(note), "{note}\n{status}");
    machine
}

#[test]
fn a_root_that_the_base_has_not_grown_is_grown() {
    let machine = must_end(world(), "31.3 GB, the whole disk");
    assert!(machine.said().contains("root: growing mmcblk0p2 to the end of /dev/mmcblk0"));
    assert!(machine.off().resized);
}

#[test]
fn a_root_that_the_base_has_grown_stays_unchanged() {
    let mut world = world();
    world.root_sectors = world.card_sectors - 1_064_960 - 2048;
    let machine = must_end(world, "31.3 GB, the whole disk");
    assert!(!machine.commands.borrow().iter().any(|line| line.contains("sfdisk")));
}

#[test]
fn a_partition_after_the_root_is_never_changed() {
    let mut world = world();
    world.behind_root = true;
    let machine = must_end(world, "3.0 GB; not grown: mmcblk0p3 follows it");
    assert_eq!(machine.off().root_sectors, 6_000_000);
}

#[test]
fn a_missing_tool_is_a_note_and_the_run_continues() {
    let mut world = world();
    world.sfdisk = false;
    must_end(world, "not grown: growing the partition mmcblk0p2: sh: 1: sfdisk: not found; grow it manually");
}

#[test]
fn a_seed_without_growth_skips_the_phase() {
    let machine = must_end(World::flashed(&seed()), "identity");
    let status = machine.text(STATUS);
    let phase = |name: &str| status.lines().any(|line| line.starts_with(name));
    assert!(phase("network ") && !phase("root "), "{status}");
    assert!(!machine.off().resized);
}
