//! A Raspberry Pi 3 as QEMU has it: the image as its SD card, with the board's device tree, the mini UART for a console,
//! and USB for network and data disk. Slow, and so a target of its own: `make boot-raspi3b`.

use hcimage::board::Boards;

use crate::BY_KERNEL;
use crate::node::Node;

/// What the profile of the board says of QEMU, for QEMU's own machine.
const QEMU: &str = "[qemu]
machine = \"raspi3b\"
cpu = \"cortex-a53\"
console = \"ttyS1,115200\"
device-tree = \"bcm2837-rpi-3-b.dtb\"
";

#[test]
#[ignore = "slow; `make boot-raspi3b` runs it"]
fn a_pi_3_boots_from_its_card() {
    let profile = include_str!("../../board-profiles/pi3.toml");
    let (before, rest) = profile.split_once("[qemu]").unwrap();
    let (_, after) = rest.split_once("\n[").unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pi3.toml"), format!("{before}{QEMU}\n[{after}")).unwrap();
    let boards = Boards::load(Some(dir.path())).unwrap();

    let node = Node::build_for("debian-pi-arm64", boards.get("pi3").unwrap().clone());
    node.resize_card(u64::next_power_of_two);
    node.leave_the_watchdog_off();
    node.prove_first_boot(BY_KERNEL);
    node.check_raspberry_pi_3();
    node.check_growth();
    node.prove_later_boots();
}
