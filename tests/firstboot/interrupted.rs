//! Power cuts at every step.

use std::path::Path;

use hc_common::paths::{DATASTORE_FOLDER, K3S_DATASTORE_DIR};
use hc_firstboot::RunOutcome;
use hc_firstboot::state::State;

use crate::disk::Cut;
use crate::dpkg::{self, Dpkg};
use crate::machine::Machine;
use crate::scenario::{
    JOIN_SETTING, KEYFILE, MARKER, PASSWORD, SECRET, STATE, STATUS, SecondDisk, World, agent_seed,
    first_of_several, seed,
};

const CUTS: [Cut; 2] = [Cut::NamesLost, Cut::NamesKept];

/// The kinds of node, each with everything in its seed.
const KINDS: [fn() -> World; 4] =
    [World::full, || World::flashed(&seed()), || World::flashed(&agent_seed()), flashed_again];

/// A first server that joins the cluster which it had before, where its old member still is. Its datastore is on its disk.
fn flashed_again() -> World {
    let mut seed = first_of_several();
    seed.data_disk.as_mut().unwrap().datastore = true;
    let mut world = World::flashed(&seed);
    world.old_member = Some("10.0.0.7");
    world
}

fn steps_of_a_whole_run(world: World) -> u64 {
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    machine.steps()
}

/// A boot that loses its power before the step with this number; what is left of the world.
fn cut_at(world: World, step: u64, cut: Cut) -> World {
    let machine = Machine::boot(world);
    machine.first_boot_until(step);
    machine.off().power_cut(cut)
}

/// Boots again, without further cuts, and checks the result.
fn must_end_well(world: World, story: &str) {
    let wanted = world.seed.clone();
    let machine = Machine::boot(world);
    let outcome = machine.first_boot();
    assert_ne!(outcome, RunOutcome::Failed, "{story}: {}", machine.said());
    assert!(machine.now.borrow().k3s_start_commands <= 1, "{story}: k3s was started twice");
    assert!(machine.now.borrow().sshd, "{story}: sshd does not run, though it has its keys");
    assert!(
        !machine.said().contains(PASSWORD) && !machine.said().contains(SECRET),
        "{story}: a secret was told"
    );
    // Even a cut right now must find everything on the card.
    let world = machine.off().power_cut(Cut::NamesLost);
    assert!(world.disk.stat(Path::new(MARKER)).is_ok(), "{story}: no marker");
    assert!(world.is_enabled(), "{story}: k3s is not enabled");
    assert!(world.disk.text(STATUS).ends_with("HCIMAGE-REPORT-END ready\r\n"), "{story}: no report");
    assert_eq!(world.disk.text("/etc/hostname"), "hc-1\n", "{story}");
    let state: State = serde_json::from_str(&world.disk.text(STATE)).unwrap();
    assert!(state.committed, "{story}");
    assert_eq!(state.formatting, None, "{story}");
    assert_eq!(state.outcome, hc_firstboot::state::Outcome::Ready, "{story}");
    assert_eq!(world.disk.stat(Path::new("/.data/cloud/db")).unwrap().mode, 0o750, "{story}");
    assert!(
        world.disk.names_below(Path::new("/k8s-data")).is_empty(),
        "{story}: directories beside the data disk"
    );
    if wanted.data_disk.as_ref().is_some_and(|disk| disk.datastore) {
        let dir = world.disk.stat(Path::new("/.data").join(DATASTORE_FOLDER).as_path()).unwrap();
        assert_eq!(dir.mode, 0o700, "{story}");
        let beside = world.disk.names_below(Path::new(K3S_DATASTORE_DIR));
        assert!(beside.is_empty(), "{story}: a datastore on the card: {beside:?}");
    }
    for kind in ["rsa", "ed25519"] {
        let key = world.disk.text(&format!("/etc/ssh/ssh_host_{kind}_key"));
        assert!(key.starts_with(kind), "{story}: the host key {kind} is {key:?}");
    }
    if wanted.etcd.is_some() {
        let setting = world.disk.text(JOIN_SETTING);
        assert!(setting.contains("server: \"https://10.0.0.1:6443\""), "{story}: a new cluster was begun");
        assert_eq!(world.old_member, None, "{story}");
    }
    if wanted.packages.is_some() {
        assert_eq!((world.dpkg, world.unit_states), (Dpkg::Installed, (true, false)), "{story}");
        assert!(
            dpkg::NAMES.iter().all(|name| world.disk.text(&dpkg::file(name)).is_empty()),
            "{story}: files of packages are left"
        );
    }
    if wanted.root.grow {
        assert!(
            world.resized && world.root_sectors == world.card_sectors - 1_064_960,
            "{story}: root not grown"
        );
        assert!(!world.disk.holds(SECRET), "{story}: the secret is still on the card");
        assert!(world.disk.text(KEYFILE).contains("address1=10.0.0.9/24,10.0.0.1\n"), "{story}: no address");
        assert!(world.disk.text("/var/lib/hcimage/check-config.txt").contains("STATUS: 1 (fail)"), "{story}");
        assert_eq!(world.second_disk, SecondDisk::Formatted, "{story}");
        let note = "formatting the blank disk /dev/sdb (model Samsung_T7, serial S5XYZ";
        assert!(
            world.disk.text(STATUS).contains(note),
            "{story}: the report does not say what was formatted"
        );
    }
    let left: Vec<_> = world.disk.names_below(Path::new("/")).into_iter().collect();
    assert!(left.iter().all(|path| path.extension().is_none_or(|end| end != "new")), "{story}: {left:?}");
}

#[test]
fn a_cut_at_any_step_resumes_to_the_same_end() {
    for (kind, least) in KINDS.iter().zip([450, 250, 250, 250]) {
        let steps = steps_of_a_whole_run(kind());
        assert!(steps > least, "more than {steps} steps change something");
        for cut in CUTS {
            for step in 1..=steps + 1 {
                let world = cut_at(kind(), step, cut);
                must_end_well(world, &format!("cut before step {step} of {steps}, {cut:?}"));
            }
        }
    }
}

#[test]
fn a_second_cut_while_resuming_resumes_too() {
    for kind in KINDS {
        let steps = steps_of_a_whole_run(kind());
        for cut in CUTS {
            for first in (1..=steps).step_by(29) {
                for second in (1..=steps).step_by(23) {
                    let world = cut_at(kind(), first, cut);
                    let world = cut_at(world, second, cut);
                    must_end_well(world, &format!("cuts before steps {first} and {second}, {cut:?}"));
                }
            }
        }
    }
}

#[test]
fn a_verified_phase_is_not_repeated() {
    let steps = steps_of_a_whole_run(World::flashed(&seed()));
    let machine = Machine::boot(World::flashed(&seed()));
    machine.first_boot_until(steps - 40);
    assert!(machine.said().contains("k3s: done"), "the cut is late enough: {}", machine.said());
    let machine = Machine::boot(machine.off().power_cut(Cut::NamesKept));
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert!(!machine.said().contains("bundle: file 1 of 2"), "the digests were taken again");
    assert!(!machine.commands.borrow().iter().any(|line| line.contains(" enable ")));
    assert_eq!(machine.now.borrow().k3s_start_commands, 0, "k3s starts by itself: it is enabled");
}

/// The fake itself must lose unsynced data, or the tests above prove nothing.
#[test]
fn the_simulated_card_loses_unsynced_writes() {
    use hc_firstboot::sys::System;
    for (cut, expected) in [(Cut::NamesLost, "old"), (Cut::NamesKept, "")] {
        let mut world = World::flashed(&seed());
        world.put("/etc/a", "old");
        let machine = Machine::boot(world);
        machine.write(Path::new("/etc/b"), b"new", 0o644).unwrap();
        machine.rename(Path::new("/etc/b"), Path::new("/etc/a")).unwrap();
        assert_eq!(machine.off().power_cut(cut).disk.text("/etc/a"), expected);
    }
}
