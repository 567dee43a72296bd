//! What goes wrong in each phase, in the words that a person reads.

use std::path::Path;
use std::time::Duration;

use hc_firstboot::RunOutcome;
use hc_firstboot::seed::Seed;

use crate::machine::Machine;
use crate::scenario::{Cluster, MARKER, STATUS, World, seed};

/// A run that must fail; the report on the card, with the line ends of this system.
pub(crate) fn report_of(world: World) -> String {
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    assert_eq!(RunOutcome::Failed.exit_code(), 1);
    let text = machine.text(STATUS).replace("\r\n", "\n");
    assert!(text.ends_with("\nHCIMAGE-REPORT-END failed\n"), "{text}");
    assert!(format!("{}\n", machine.said()).ends_with(&text), "console and card differ");
    assert!(machine.off().disk.stat(Path::new(MARKER)).is_err(), "a failed run is not finished");
    text
}

pub(crate) fn flashed(change: impl FnOnce(&mut World), of_seed: impl FnOnce(&mut Seed)) -> World {
    let mut seed = seed();
    of_seed(&mut seed);
    let mut world = World::flashed(&seed);
    change(&mut world);
    world
}

#[track_caller]
pub(crate) fn must_say(text: &str, what: &str, advice: &str) {
    assert!(text.contains(&format!("What is wrong:  {what}\nWhat to do:     {advice}\n")), "{text}");
}

#[test]
fn no_cable() {
    let text = report_of(flashed(|world| world.carrier = false, |_| ()));
    let what = "no network: no interface has a carrier";
    must_say(&text, what, "plug in the network cable, check the switch");
    assert!(text.contains(&format!("Result:  failed: {what}\n")), "{text}");
    assert!(text.contains("network    FAILED        5"), "it waited almost as long as it may: {text}");
}

#[test]
fn clock_not_set() {
    let text = report_of(flashed(|world| world.clock_is_fixed = true, |_| ()));
    let what = "the clock is not set: it says 1970-01-01 00:00:10 UTC, and setting it to \
                2026-11-18 11:06:40 UTC failed: permission denied";
    must_say(&text, what, "power the node off and on, and check the board's real-time clock if it has one");
}

#[test]
fn network_time_that_is_required() {
    let text = report_of(flashed(|world| world.time_served = false, |seed| seed.clock.require_ntp = true));
    let what = "no network time (time.example: operation would block)";
    let advice = "check that UDP port 123 to the time servers is open, or name a server that can be reached";
    must_say(&text, what, advice);
}

#[test]
fn no_label() {
    let text = report_of(flashed(|world| world.disk_after = Duration::MAX, |_| ()));
    let what = "no disk with the label \"k8s-data\" was found (labels: bootfs, rootfs; \
                block devices: mmcblk0, mmcblk0p1, mmcblk0p2, sda, sda1)";
    must_say(&text, what, "plug in the data disk, or label it: e2label /dev/<its partition> k8s-data");
}

#[test]
fn a_data_disk_that_cannot_be_mounted() {
    let text = report_of(flashed(|world| world.disk_is_sound = false, |_| ()));
    let what = "mounting the data disk k8s-data at /k8s-data: \
                mount: /k8s-data: wrong fs type, bad option, bad superblock on /dev/sda1.";
    must_say(&text, what, "check that it holds a whole ext4 file system (fsck), and its line in /etc/fstab");
}

#[test]
fn another_disk_in_the_place_of_the_data_disk() {
    let world = flashed(|world| world.foreign_disk = true, |_| ());
    let text = report_of(world);
    let what = "at /k8s-data another disk is mounted (device 8:33) than sda1";
    must_say(&text, what, "check /etc/fstab, and that no two disks have the same label");
}

#[test]
fn damaged_bundle() {
    let table = [
        ("the binarx", "its SHA-256 is not the one it was built with"),
        ("the bin", "it has 7 bytes, not 10"),
    ];
    for (content, why) in table {
        let text = report_of(flashed(|world| world.put("/usr/local/bin/k3s", content), |_| ()));
        let what = format!("the bundle is damaged: /usr/local/bin/k3s: {why}");
        must_say(&text, &what, "flash the card again, on another card if it happens twice");
    }
    let text = report_of(flashed(|world| world.disk.remove(Path::new("/usr/local/bin/k3s")), |_| ()));
    assert!(text.contains("/usr/local/bin/k3s: entity not found"), "{text}");
}

const LOOK: &str = "see the last lines of its log in the report, and `journalctl -u k3s.service`";

#[test]
fn k3s_exits() {
    let text = report_of(flashed(|world| world.cluster = Cluster::Exits, |_| ()));
    let what = "k3s exits: k3s.service ended with exit-code (status 1) and was restarted 3 times";
    must_say(&text, what, LOOK);
    assert!(text.contains("\nLast lines of the log:\n  level=info msg=starting token=***\n"), "{text}");
    assert!(text.contains("  level=fatal msg=\"bad ***\n"), "{text}");
    assert!(!text.contains("secret") && !text.contains("abab"), "{text}");
}

#[test]
fn k3s_exits_while_ready_is_waited_for() {
    let text = report_of(flashed(|world| world.cluster = Cluster::ExitsLater, |_| ()));
    let what = "k3s exits: k3s.service ended with exit-code (status 1) and was restarted 3 times";
    must_say(&text, what, LOOK);
    assert!(text.contains("ready      FAILED"), "{text}");
}

#[test]
fn k3s_does_not_come_up() {
    let text = report_of(flashed(|world| world.cluster = Cluster::Hangs, |_| ()));
    must_say(&text, "k3s did not come up within 300 s: k3s.service is activating (start)", LOOK);
}

#[test]
fn ready_not_reached_in_time() {
    let text = report_of(flashed(|world| world.cluster = Cluster::NeverReady, |_| ()));
    let what = "Ready was not reached within 300 s: node hc-1 is not Ready: its condition is \
                False (KubeletNotReady: container runtime network not ready)";
    must_say(&text, what, LOOK);
}

/// After a power cut the cluster repeats for a while what the node said before it.
#[test]
fn ready_by_the_word_of_the_last_boot_is_not_ready() {
    let text = report_of(flashed(|world| world.cluster = Cluster::Stale, |_| ()));
    assert!(text.contains("the kubelet has not reported since the last boot"), "{text}");
}

#[test]
fn a_card_that_cannot_take_the_state() {
    let text = report_of(flashed(|world| world.full_card = true, |_| ()));
    assert!(text.contains("What is wrong:  writing /var/lib/hcimage/state.json: "), "{text}");
}

#[test]
fn a_failed_run_resumes_at_the_next_boot() {
    let machine = Machine::boot(flashed(|world| world.disk_after = Duration::MAX, |_| ()));
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    let mut world = machine.off().shut_down();
    world.disk_after = Duration::ZERO;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    let status = machine.text(STATUS);
    assert!(status.contains("Result:  node hc-1 Ready") && !status.contains("What is wrong"), "{status}");
}
