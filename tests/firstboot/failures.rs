//! Failures of each phase, with their messages.

use std::path::Path;
use std::time::Duration;

use hc_firstboot::RunOutcome;
use hc_firstboot::seed::Seed;

use crate::doctor;
use crate::machine::Machine;
use crate::scenario::{Cluster, MARKER, STATUS, World, seed};

/// A run that must fail; the report on the card, with the line ends of this system. `hcimage doctor` knows the same of the card.
pub(crate) fn report_of(world: World) -> String {
    let machine = Machine::boot(world);
    let outcome = machine.first_boot();
    let text = machine.text(STATUS).replace("\r\n", "\n");
    // What a person reads is what systemd is told.
    let again = text.contains("\nWhat is next:   the node tries again every ten minutes");
    let told = if again { (RunOutcome::TryAgain, 75) } else { (RunOutcome::Failed, 1) };
    assert_eq!((outcome, outcome.exit_code()), told, "{text}");
    assert!(text.ends_with("\nHCIMAGE-REPORT-END failed\n"), "{text}");
    assert!(format!("{}\n", machine.said()).ends_with(&text), "console and card differ");
    let world = machine.off();
    assert!(world.disk.stat(Path::new(MARKER)).is_err(), "a failed run is not finished");
    let (what, advice) = doctor::failure_of(&text);
    doctor::must_know(world, what, advice);
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
fn without_a_carrier_the_network_phase_fails() {
    let text = report_of(flashed(|world| world.carrier = false, |_| ()));
    let what = "no network: no carrier on eth0";
    must_say(&text, what, "plug in the network cable, check the switch");
    assert!(text.contains(&format!("Result:  failed: {what}\n")), "{text}");
    assert!(text.contains("network    FAILED        5"), "it waited almost as long as it may: {text}");
}

#[test]
fn a_clock_that_cannot_be_set_stops_the_run() {
    let text = report_of(flashed(|world| world.clock_is_fixed = true, |_| ()));
    let what = "the clock is not set: it shows 1970-01-01 00:00:10 UTC, and setting it to \
                2026-11-18 11:06:40 UTC failed: permission denied";
    must_say(&text, what, "power the node off and on, and check the board's real-time clock if it has one");
}

#[test]
fn missing_network_time_stops_the_run_if_required() {
    let text = report_of(flashed(|world| world.time_served = false, |seed| seed.clock.require_ntp = true));
    let what = "no network time (time.example: operation would block)";
    let advice =
        "check that UDP port 123 to the time servers is open, or use a time server that can be reached";
    must_say(&text, what, advice);
}

#[test]
fn a_missing_data_disk_is_an_error_with_the_labels_found() {
    let text = report_of(flashed(|world| world.disk_after = Duration::MAX, |_| ()));
    let what = "no disk with the label \"k8s-data\" found (labels: bootfs, rootfs; \
                block devices: mmcblk0, mmcblk0p1, mmcblk0p2, sda, sda1)";
    must_say(&text, what, "connect the data disk, or label it: e2label /dev/<its partition> k8s-data");
}

#[test]
fn two_disks_with_the_label_are_an_error_with_both() {
    let text = report_of(flashed(|world| world.twin_label = true, |_| ()));
    let what = "more than one file system has the label \"k8s-data\": /dev/sda1, /dev/sdc1";
    must_say(&text, what, "unplug the one that is not this node's, or give it another label with e2label");
}

#[test]
fn a_data_disk_that_cannot_be_mounted_is_an_error() {
    let text = report_of(flashed(|world| world.disk_is_sound = false, |_| ()));
    let what = "mounting the data disk k8s-data at /k8s-data: \
                mount: /k8s-data: wrong fs type, bad option, bad superblock on /dev/sda1.";
    must_say(&text, what, "check its ext4 file system with fsck, and its line in /etc/fstab");
}

#[test]
fn another_disk_at_the_mount_point_is_an_error() {
    let world = flashed(|world| world.foreign_disk = true, |_| ());
    let text = report_of(world);
    let what = "wrong disk mounted at /k8s-data: expected sda1, found device 8:33";
    must_say(&text, what, "check /etc/fstab, and that no two disks have the same label");
}

#[test]
fn a_damaged_bundle_stops_the_run() {
    let table =
        [("the binarx", "its SHA-256 does not match the build"), ("the bin", "expected 10 bytes, found 7")];
    for (content, why) in table {
        let text = report_of(flashed(|world| world.put("/usr/local/bin/k3s", content), |_| ()));
        let what = format!("the bundle is damaged: /usr/local/bin/k3s: {why}");
        must_say(&text, &what, "flash the card again; use another card if this happens again");
    }
    let text = report_of(flashed(|world| world.disk.remove(Path::new("/usr/local/bin/k3s")), |_| ()));
    assert!(text.contains("/usr/local/bin/k3s: entity not found"), "{text}");
}

const LOOK: &str = "see the last lines of its log in the report, and `journalctl -u k3s.service`";

#[test]
fn a_k3s_that_keeps_exiting_stops_the_run() {
    let text = report_of(flashed(|world| world.cluster = Cluster::Exits, |_| ()));
    let what = "k3s exits: k3s.service ended with exit-code (status 1) and was restarted 3 times";
    must_say(&text, what, LOOK);
    assert!(text.contains("\nLast lines of the log:\n  level=info msg=starting token=***\n"), "{text}");
    assert!(text.contains("  level=fatal msg=\"bad ***\"\n"), "{text}");
    assert!(!text.contains("secret") && !text.contains("abab"), "{text}");
}

/// kine v0.16 crashes where PostgreSQL has not answered for five minutes, with a trace that is longer than what a report shows.
#[test]
fn a_database_elsewhere_is_waited_for_across_crashes_of_k3s() {
    let trace: String =
        (1..40).map(|line| format!("\tgithub.com/k3s-io/k3s/pkg/cli:{line} +0x1f\n")).collect();
    let log = format!(
        "level=error msg=\"Failed to ping database connection: dial tcp 10.0.0.9:5432: connect: connection refused\"\n\
         panic: runtime error: invalid memory address or nil pointer dereference\n{trace}"
    );
    let crashes = |world: &mut World| {
        world.cluster = Cluster::Exits;
        world.log = Box::leak(log.into_boxed_str());
    };
    let text = report_of(flashed(crashes, |seed| seed.k3s.external_datastore = true));
    let what = "k3s did not start within 300 s: k3s.service is activating (auto-restart): the cluster's database does not answer";
    assert!(text.contains(what) && text.contains("the node tries again every ten minutes"), "{text}");
}

#[test]
fn a_k3s_that_exits_before_ready_stops_the_run() {
    let text = report_of(flashed(|world| world.cluster = Cluster::ExitsLater, |_| ()));
    let what = "k3s exits: k3s.service ended with exit-code (status 1) and was restarted 3 times";
    must_say(&text, what, LOOK);
    assert!(text.contains("ready      FAILED"), "{text}");
}

#[test]
fn a_k3s_that_does_not_start_in_time_stops_the_run() {
    let text = report_of(flashed(|world| world.cluster = Cluster::Hangs, |_| ()));
    must_say(&text, "k3s did not start within 300 s: k3s.service is activating (start)", LOOK);
}

#[test]
fn a_node_that_is_not_ready_in_time_is_an_error() {
    let text = report_of(flashed(|world| world.cluster = Cluster::NeverReady, |_| ()));
    let what = "the node was not Ready within 300 s: node hc-1 is not Ready: its condition is \
                False (KubeletNotReady: container runtime network not ready)";
    must_say(&text, what, LOOK);
}

/// After a power cut the cluster shows the node's status from before for a while.
#[test]
fn a_ready_status_from_the_last_boot_does_not_count() {
    let text = report_of(flashed(|world| world.cluster = Cluster::Stale, |_| ()));
    assert!(text.contains("the kubelet has not reported since the last boot"), "{text}");
}

#[test]
fn a_state_that_cannot_be_written_stops_the_run() {
    let text = report_of(flashed(|world| world.full_card = true, |_| ()));
    assert!(text.contains("What is wrong:  writing /var/lib/hcimage/state.json: "), "{text}");
}

#[test]
fn a_failed_run_resumes_at_the_next_boot() {
    let machine = Machine::boot(flashed(|world| world.disk_after = Duration::MAX, |_| ()));
    assert_eq!(machine.first_boot(), RunOutcome::TryAgain);
    let mut world = machine.off().shut_down();
    world.disk_after = Duration::ZERO;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    let status = machine.text(STATUS);
    assert!(status.contains("Result:  node hc-1 Ready") && !status.contains("What is wrong"), "{status}");
}
