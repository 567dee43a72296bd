//! Disks that something in the cluster takes whole: there, and blank or its own.

use hc_firstboot::RunOutcome;
use hc_firstboot::seed::Format;

use crate::failures::{flashed, must_say, report_of};
use crate::machine::Machine;
use crate::scenario::{STATUS, SecondDisk, World};

const BY_ID: &str = "/dev/disk/by-id/usb-Samsung_T7_S5XYZ";

fn with(second: SecondDisk, path: &str) -> World {
    flashed(|world| world.second_disk = second, |seed| seed.raw_disks = vec![path.into()])
}

#[test]
fn a_blank_disk_or_one_of_ceph_is_named_in_the_report_and_left_as_it_is() {
    for (disk, path, what) in [
        (SecondDisk::Blank, BY_ID, "blank"),
        (SecondDisk::Blank, "/dev/sdb", "blank"),
        (SecondDisk::Ceph, BY_ID, "Ceph's"),
    ] {
        let machine = Machine::boot(with(disk, path));
        assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
        let note = format!("{path}: {what} (model Samsung_T7, serial S5XYZ, 1.0 TB)");
        assert!(machine.said().contains(&note), "{note}: {}", machine.said());
        assert!(machine.text(STATUS).contains("raw disks"), "{}", machine.text(STATUS));
        let commands = machine.commands.borrow().join("\n");
        assert!(!commands.contains("mkfs") && !commands.contains("wipefs"), "{commands}");
        assert_eq!(machine.off().second_disk, disk);
    }
}

#[test]
fn a_disk_that_is_missing_or_somebodys_stops_the_boot_before_k3s() {
    let text = report_of(with(SecondDisk::None, BY_ID));
    let disks = "mmcblk0 (model unknown, serial 0x1, 31.9 GB), sda (model Stick, serial Stick_0, 512.5 MB)";
    must_say(
        &text,
        &format!("no disk at {BY_ID} (disks: {disks})"),
        "connect it, or name the right one in the cluster file and flash the card again",
    );
    let advice = "name another disk in the cluster file and flash the card again; or, if its contents are not needed, make \
                  it blank: wipefs --all, and zeros in its first and last MiB";
    for (disk, path, why) in [
        (SecondDisk::Used, BY_ID, "it has ext4 with the label \"photos\""),
        (SecondDisk::Half, "/dev/sdb", "its first MiB is not empty"),
    ] {
        let what = format!("the disk at {path} (model Samsung_T7, serial S5XYZ, 1.0 TB) is not blank: {why}");
        let world = with(disk, path);
        let text = report_of(world.clone());
        must_say(&text, &what, advice);
        let machine = Machine::boot(world);
        machine.first_boot();
        let commands = machine.commands.borrow().join("\n");
        assert!(!commands.contains("start --no-block k3s.service"), "k3s was started: {commands}");
        assert_eq!(machine.off().second_disk, disk, "something was written to it");
    }
    let text = report_of(with(SecondDisk::None, "/dev/mmcblk0"));
    assert!(
        text.contains("is not blank: it has partitions (mmcblk0p1, mmcblk0p2)"),
        "the card itself: {text}"
    );
}

/// `format = "if-blank"` looks for a blank disk. One that is for something else is none.
#[test]
fn a_raw_disk_is_never_formatted_as_the_data_disk() {
    let change = |world: &mut World| {
        world.disk_after = std::time::Duration::MAX;
        world.second_disk = SecondDisk::Blank;
    };
    let world = flashed(change, |seed| {
        seed.data_disk.as_mut().unwrap().format = Format::IfBlank;
        seed.raw_disks = vec![BY_ID.into()];
    });
    let text = report_of(world.clone());
    assert!(text.contains("sdb is for something else in the cluster"), "{text}");
    let machine = Machine::boot(world);
    machine.first_boot();
    assert!(!machine.commands.borrow().iter().any(|line| line.starts_with("mkfs")));
    assert_eq!(machine.off().second_disk, SecondDisk::Blank);
}

/// After k3s was started, whoever takes the disk may be making it its own.
#[test]
fn once_k3s_was_started_the_disk_is_not_looked_at_again() {
    let machine = Machine::boot(with(SecondDisk::Blank, BY_ID));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let mut world = machine.off();
    world.second_disk = SecondDisk::Half;
    world.disk.remove(std::path::Path::new(crate::scenario::MARKER));
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
}
