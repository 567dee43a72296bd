//! Disks that may be formatted, disks that may not, and disks that a node can do without.

use std::path::Path;
use std::time::Duration;

use hc_firstboot::RunOutcome;
use hc_firstboot::seed::Format;

use crate::failures::{flashed, report_of};
use crate::machine::Machine;
use crate::scenario::{CA, SERVER_CA, STATUS, SecondDisk, World};

fn without_label(second: SecondDisk) -> World {
    let change = |world: &mut World| {
        world.disk_after = Duration::MAX;
        world.second_disk = second;
    };
    flashed(change, |seed| seed.data_disk.as_mut().unwrap().format = Format::IfBlank)
}

fn formats(machine: &Machine) -> usize {
    machine.commands.borrow().iter().filter(|line| line.starts_with("mkfs")).count()
}

#[test]
fn a_blank_disk_is_formatted_once_and_reported() {
    let machine = Machine::boot(without_label(SecondDisk::Blank));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert_eq!(formats(&machine), 1);
    let said = "data disk: formatting the blank disk /dev/sdb (model Samsung_T7, serial S5XYZ, 1.0 TB) as \"k8s-data\"";
    assert!(machine.said().contains(said), "{}", machine.said());
}

/// The disk with the label may only be slow to spin up.
#[test]
fn no_disk_is_formatted_before_all_disks_have_appeared() {
    let mut world = without_label(SecondDisk::Blank);
    world.disk_after = Duration::from_secs(28);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert_eq!(formats(&machine), 0);
    assert!(
        machine.said().contains("a blank disk is formatted only after all disks have appeared"),
        "{}",
        machine.said()
    );
    assert_eq!(machine.off().second_disk, SecondDisk::Blank);
}

#[test]
fn a_disk_that_is_not_blank_is_not_formatted_but_reported() {
    for (disk, why) in [
        (
            SecondDisk::Used,
            "sdb (model Samsung_T7, serial S5XYZ, 1.0 TB): it has ext4 with the label \"photos\"",
        ),
        (SecondDisk::Half, "sdb (model Samsung_T7, serial S5XYZ, 1.0 TB): its first MiB is not empty"),
        (SecondDisk::None, "sda (model Stick, serial Stick_0, 512.5 MB): it has partitions (sda1)"),
    ] {
        let world = without_label(disk);
        let text = report_of(world.clone());
        assert!(text.contains("no disk has the label \"k8s-data\", and none is blank: "), "{text}");
        assert!(text.contains(why), "{text}");
        assert!(
            text.contains("mmcblk0 (model unknown, serial 0x1, 31.9 GB): it has partitions"),
            "the card: {text}"
        );
        let machine = Machine::boot(world);
        machine.first_boot();
        assert_eq!(formats(&machine), 0);
    }
}

#[test]
fn with_format_never_a_blank_disk_is_not_formatted() {
    let change = |world: &mut World| {
        world.disk_after = Duration::MAX;
        world.second_disk = SecondDisk::Blank;
    };
    let text = report_of(flashed(change, |_| ()));
    assert!(text.contains("no disk with the label \"k8s-data\" found"), "{text}");
}

/// Whatever is wrong with a disk that is not required, the node comes up and says so.
#[test]
fn an_optional_disk_never_stops_the_boot() {
    type Change = fn(&mut World);
    let table: [(Change, &str); 4] = [
        (|w| w.disk_after = Duration::MAX, "no disk with the label"),
        (|w| w.disk_is_sound = false, "mounting the data disk"),
        (|w| w.foreign_disk = true, "wrong disk mounted at /k8s-data: expected "),
        (|w| w.data_read_only = true, "the data disk sda1 at /k8s-data is read-only"),
    ];
    for (change, why) in table {
        let machine =
            Machine::boot(flashed(change, |seed| seed.data_disk.as_mut().unwrap().required = false));
        assert_eq!(machine.first_boot(), RunOutcome::Ready, "{why}: {}", machine.said());
        let note = format!("continued without the data disk: {why}");
        assert!(machine.text(STATUS).contains(&note), "{note}\n{}", machine.text(STATUS));
    }
    for change in [table[2].0, table[3].0] {
        report_of(flashed(change, |_| ()));
    }
}

/// Once the node is Ready, a stick with the same label is no longer its disk.
#[test]
fn a_ready_node_finds_its_disk_by_the_uuid() {
    let machine = Machine::boot(flashed(|_| (), |_| ()));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let bound = "LABEL=root / ext4 noatime 0 1\nUUID=5a0b7c1e-0000-4000-8000-000000000009 /k8s-data ext4 nosuid,nodev,nofail 0 2\n";
    assert_eq!(machine.text("/etc/fstab"), bound);
    assert!(!machine.text(STATUS).contains("by its label"), "{}", machine.text(STATUS));

    for (change, why) in [
        (
            (|world| world.put("/etc/fstab", "# empty\n")) as fn(&mut World),
            "/etc/fstab has no line for LABEL=k8s-data",
        ),
        (|world| world.no_uuid = true, "blkid names no UUID of /dev/sda1"),
    ] {
        let machine = Machine::boot(flashed(change, |_| ()));
        assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
        let note = format!("the data disk k8s-data is still found by its label: {why}");
        assert!(machine.text(STATUS).contains(&note), "{}", machine.text(STATUS));
    }
}

/// A node whose disk is missing keeps the label: the disk may come later.
#[test]
fn a_disk_that_is_not_there_is_not_bound() {
    let missing = |world: &mut World| world.disk_after = Duration::MAX;
    let machine = Machine::boot(flashed(missing, |seed| seed.data_disk.as_mut().unwrap().required = false));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(
        machine.text("/etc/fstab").contains("LABEL=k8s-data /k8s-data"),
        "{}",
        machine.text("/etc/fstab")
    );
}

/// The seed's wait counts from power-on.
#[test]
fn a_missing_disk_delays_the_run_only_by_the_time_limit() {
    let change = |world: &mut World| world.disk_after = Duration::MAX;
    let optional = |seed: &mut hc_firstboot::seed::Seed| {
        let disk = seed.data_disk.as_mut().unwrap();
        (disk.required, disk.wait_seconds) = (false, 45);
    };
    let machine = Machine::boot(flashed(change, optional));
    assert_eq!(machine.first_boot(), RunOutcome::Ready);
    let started = machine.now.borrow().k3s_started.unwrap();
    assert!((Duration::from_secs(38)..Duration::from_secs(47)).contains(&started), "{started:?}");
}

fn with_datastore(change: impl FnOnce(&mut World)) -> World {
    flashed(change, |seed| seed.data_disk.as_mut().unwrap().datastore = true)
}

#[test]
fn the_datastore_is_on_the_disk_before_k3s_starts() {
    for blank in [false, true] {
        let world = with_datastore(|world| {
            if blank {
                world.disk_after = Duration::MAX;
                world.second_disk = SecondDisk::Blank;
                let mut seed = world.seed.clone();
                seed.data_disk.as_mut().unwrap().format = Format::IfBlank;
                world.put_seed(&seed);
            }
        });
        let machine = Machine::boot(world);
        assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
        let commands = machine.commands.borrow().clone();
        let bound = commands.iter().position(|line| line == "mount /var/lib/rancher/k3s/server/db").unwrap();
        let started =
            commands.iter().position(|line| line == "systemctl start --no-block k3s.service").unwrap();
        assert!(bound < started, "{commands:?}");
        let dir = machine.world.borrow().disk.stat(Path::new("/.data/k3s-datastore")).unwrap();
        assert_eq!((dir.mode, dir.uid, dir.gid), (0o700, 0, 0));
        assert!(
            machine.text(STATUS).contains("k8s-data at /k8s-data, with the datastore"),
            "{}",
            machine.text(STATUS)
        );
    }
}

/// What a card that died has left there.
#[test]
fn a_datastore_on_the_disk_is_gone_on_with() {
    let world = with_datastore(|world| {
        world.put("/.data/k3s-datastore/state.db", "");
        world.put(SERVER_CA, CA);
        world.datastores_ca = Some(CA);
    });
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let status = machine.text(STATUS);
    assert!(status.contains("k3s goes on with the data of SQLite that it finds on the disk"), "{status}");
    assert!(!status.contains("certificate authorities"), "{status}");
}

/// The disk of a cluster that was built from another secrets file, with the same token.
#[test]
fn authorities_of_another_cluster_are_told() {
    let world = with_datastore(|world| {
        world.put("/.data/k3s-datastore/state.db", "");
        world.put(SERVER_CA, CA);
        world.datastores_ca = Some("another");
    });
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let status = machine.text(STATUS);
    assert!(
        status.contains("k3s uses the certificate authorities of the datastore that it has found"),
        "{status}"
    );
    assert!(status.contains("Build all of them with the secrets file of that cluster"), "{status}");
}

/// systemd has made the directory, where others may read it, and mounted it.
#[test]
fn a_datastore_that_is_mounted_already_becomes_roots_alone() {
    let world = with_datastore(|world| {
        world.disk_after = Duration::ZERO;
        world.mounts_at_boot = true;
        world.put("/.data/k3s-datastore/state.db", "");
    });
    let before = world.disk.stat(Path::new("/.data/k3s-datastore")).unwrap();
    assert_ne!(before.mode, 0o700);
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let dir = machine.world.borrow().disk.stat(Path::new("/.data/k3s-datastore")).unwrap();
    assert_eq!((dir.mode, dir.uid, dir.gid), (0o700, 0, 0));
    assert!(!machine.commands.borrow().iter().any(|line| line.starts_with("mount ")), "mounted twice");
}

#[test]
fn something_else_at_the_datastores_place_is_an_error() {
    let text = report_of(with_datastore(|world| world.foreign_datastore = true));
    assert!(text.contains("wrong file system at /var/lib/rancher/k3s/server/db"), "{text}");
    assert!(text.contains("found /other of device 8:1"), "{text}");
}
