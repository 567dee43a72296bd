//! Runs without errors.

use std::path::Path;

use hc_firstboot::RunOutcome;

use crate::machine::Machine;
use crate::scenario::{FLOOR, MARKER, PASSWORD, SECRET, STATUS, TRUE_TIME, World, agent_seed, seed};

#[test]
fn a_flashed_card_becomes_a_ready_node() {
    let machine = Machine::boot(World::flashed(&seed()));
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert_eq!(RunOutcome::Ready.exit_code(), 0);

    let status = machine.text(STATUS);
    assert!(status.contains("Result:  node hc-1 Ready\r\n"), "{status}");
    assert!(status.contains("network    done           0  10.0.0.7 on eth0\r\n"), "{status}");
    assert!(status.contains("clock      done           0  set by time.example\r\n"), "{status}");
    assert!(status.ends_with("\r\nHCIMAGE-REPORT-END ready\r\n"), "{status}");
    assert!(status.lines().all(|line| !line.contains('\r')), "line ends are CRLF, once each");
    assert!(machine.said().ends_with("\nHCIMAGE-REPORT-END ready"));
    assert!(machine.said().contains("hcimage: [11/11] finish: done"), "{}", machine.said());

    let stored: serde_json::Value =
        serde_json::from_str(&machine.text("/var/lib/hcimage/state.json")).unwrap();
    assert_eq!((&stored["version"], &stored["outcome"]), (&2.into(), &"ready".into()));
    assert_eq!(machine.text("/etc/hostname"), "hc-1\n");
    assert_eq!(machine.now.borrow().hostname, "hc-1");
    let clock = machine.now.borrow().clock_at_boot.as_secs();
    assert!((TRUE_TIME - 1..TRUE_TIME + 2).contains(&clock), "{clock}");

    let world = machine.off();
    assert!(world.is_enabled());
    let made = world.disk.stat(Path::new("/.data/cloud/db")).unwrap();
    assert_eq!((made.mode, made.uid, made.gid), (0o750, 33, 34));
    assert!(world.disk.names_below(Path::new("/k8s-data")).is_empty(), "directories beside the data disk");
}

/// The first server of three nodes, with everything in its seed.
#[test]
fn the_first_server_of_three_waits_for_its_nodes_and_workloads() {
    let machine = Machine::boot(World::full());
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let status = machine.text(STATUS).replace("\r\n", "\n");
    for line in [
        "Cluster: home, as first server; API at https://k3s.example:6443",
        "root       done           0  31.3 GB, the whole disk",
        "network    done           2  10.0.0.9 on eth0",
        "Note:    formatting the blank disk /dev/sdb (model Samsung_T7, serial S5XYZ, 1.0 TB) as \"k8s-data\"",
        "data disk  done          19  k8s-data at /k8s-data",
        "disk space done           0  20.0 GB free",
        "packages   done           8  2 packages",
        "nodes      done          24  2 joined and Ready",
        "workloads  done          28  components of k3s: 3, manifests: 1, charts: 1, deployments: 1",
        "check      done           0  failed: apparmor (enabled, but apparmor_parser missing); missing optional kernel features: 1; full output in /var/lib/hcimage/check-config.txt",
        "secrets    done           0  1 overwritten and removed; the cells of a flash card may keep old content",
    ] {
        assert!(status.lines().any(|l| l == line), "{line}\n{status}");
    }
    let world = machine.off();
    assert!(world.resized && !world.disk.holds(SECRET));
    assert!(
        world
            .disk
            .text("/var/lib/hcimage/check-config.txt")
            .contains("- apparmor: enabled, but apparmor_parser missing (fail)\n")
    );
    assert_eq!(world.disk.text("/etc/hosts"), "127.0.0.1 localhost\n127.0.1.1\thc-1\n");
}

#[test]
fn an_agent_joins_its_server() {
    let machine = Machine::boot(World::flashed(&agent_seed()));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let status = machine.text(STATUS);
    assert!(status.contains("join       done           0  by 10.0.0.1:6443\r\n"), "{status}");
    assert!(!status.contains("nodes ") && !status.contains("workloads"), "{status}");
    assert!(!machine.said().contains(PASSWORD));
}

#[test]
fn the_second_boot_does_nothing() {
    let machine = Machine::boot(World::flashed(&seed()));
    machine.first_boot();
    let world = machine.off().shut_down();
    assert!(world.disk.stat(Path::new(&format!("{}/hc-firstboot.service", crate::scenario::WANTS))).is_err());

    let before = world.disk.names_below(Path::new("/")).len();
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::NothingToDo);
    assert_eq!(RunOutcome::NothingToDo.exit_code(), 0);
    assert!(machine.commands.borrow().is_empty());
    assert!(machine.said().contains(MARKER));
    assert_eq!(machine.off().disk.names_below(Path::new("/")).len(), before);
}

/// `k3s kubectl` would start a program of 260 MB each time.
#[test]
fn no_other_program_asks_the_cluster() {
    for world in [World::full(), World::flashed(&agent_seed())] {
        let machine = Machine::boot(world);
        assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
        assert!(!machine.commands.borrow().iter().any(|line| line.contains("kubectl")));
    }
}

#[test]
fn a_node_without_a_data_disk_mounts_nothing() {
    let mut seed = seed();
    seed.data_disk = None;
    let machine = Machine::boot(World::flashed(&seed));
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert!(!machine.commands.borrow().iter().any(|line| line.starts_with("mount")));
}

#[test]
fn an_optional_data_disk_that_is_missing_is_a_note() {
    let mut seed = seed();
    seed.data_disk.as_mut().unwrap().required = false;
    let mut world = World::flashed(&seed);
    world.disk_after = std::time::Duration::MAX;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert!(
        machine.text(STATUS).contains("continued without the data disk: no disk with the label \"k8s-data\"")
    );
    assert!(machine.text(STATUS).contains("its directories are on the card, in /k8s-data"));
    let dir = machine.off().disk.stat(Path::new("/k8s-data/cloud/db")).unwrap();
    assert_eq!((dir.mode, dir.uid, dir.gid), (0o750, 33, 34));
}

#[test]
fn a_missing_machine_id_is_awaited() {
    let mut world = World::flashed(&seed());
    world.machine_id_after = std::time::Duration::from_secs(20);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert!(machine.said().contains("hcimage: identity: waiting: /etc/machine-id has no machine ID yet"));
}

#[test]
fn without_the_boot_partition_only_the_report_file_is_missing() {
    let mut world = World::flashed(&seed());
    world.boot_mounted = false;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert_eq!(machine.text(STATUS), "");
    assert!(machine.said().contains("no hcimage-status.txt: /boot/firmware is not mounted"));
}

#[test]
fn without_network_time_the_clock_at_the_floor_is_accepted() {
    let mut world = World::flashed(&seed());
    world.time_served = false;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    assert!(machine.text(STATUS).contains("no network time (time.example: "), "{}", machine.text(STATUS));
    assert!(machine.now.borrow().clock_at_boot.as_secs() >= FLOOR - 60);
}
