//! What only a running kernel can say: that a VLAN's interface is there with the node's address, and that a swap partition
//! is left off. QEMU's network has no VLANs, so nothing answers there.

use std::fs::OpenOptions;
use std::process::Command;

use hc_firstboot::report::ReportStatus;
use hcimage::run::Network;

use crate::guest::{Guest, add_unit, one_server_from, probed};
use hcimage_testkit::base::base;
use hcimage_testkit::tools::{check, run};

/// What the test's own unit says at its end.
const DONE: &str = "PROBE-DONE";

#[test]
#[ignore = "slow, and seldom breaks; `make boot-more` runs it"]
fn a_pc_with_a_swap_partition_is_ready_on_a_vlan() {
    let scratch = tempfile::tempdir().unwrap();
    let base_with_swap = scratch.path().join("base.img");
    run(Command::new("cp").arg("--sparse=always").arg(base("debian-pc-amd64")).arg(&base_with_swap));
    let file = OpenOptions::new().write(true).open(&base_with_swap).unwrap();
    let end = file.metadata().unwrap().len();
    file.set_len(end + (64 << 20)).unwrap();
    run(Command::new("sgdisk").args(["-e", "-n", "9:0:0", "-t", "9:8200"]).arg(&base_with_swap));
    make_swap(&base_with_swap, scratch.path());

    let dir = one_server_from(&base_with_swap, "data-disk = false\nvlan = 20\n");
    let image = dir.path().join("out/lab-1.img");
    let unit = format!(
        "[Service]\nType=exec\nExecStart=/bin/sh -c 'until test -e /var/lib/hcimage/finished; do sleep 1; done; \
         cat /proc/swaps >/var/log/probe.swaps; ip -details -oneline link show type vlan >/var/log/probe.vlans; \
         ip -oneline -4 address show scope global >/var/log/probe.addresses; \
         mkdir /run/probe; /lib/systemd/system-generators/systemd-gpt-auto-generator /run/probe /run/probe /run/probe; \
         find /run/probe -type f >/var/log/probe.generated; sync; echo {DONE} >/dev/console'\n"
    );
    add_unit(&image, dir.path(), "probe.service", &unit);

    let mut guest = Guest::start("lab-1", "pc", &image, Network::Alone { forward: None }, None);
    guest.wait_for_end(ReportStatus::Ready);
    guest.wait_for(DONE);
    guest.power_off();
    check(&image, dir.path());
    let read = |name: &str| probed(&image, dir.path(), name);

    let vlans = read("vlans");
    assert!(vlans.lines().count() == 1 && vlans.contains(" vlan protocol 802.1Q id 20 "), "{vlans}");
    let name = vlans.split([':', '@']).nth(1).unwrap().trim();
    let addresses = read("addresses");
    assert!(addresses.lines().count() == 1, "QEMU's DHCP gives the port none: {addresses}");
    assert!(addresses.contains(&format!(" {name} ")) && addresses.contains(" 10.0.2.11/24 "), "{addresses}");

    // The generator itself, which is masked, would.
    let generated = read("generated");
    assert!(generated.contains("/dev-vda9.swap"), "{generated}");
    assert_eq!(read("swaps").lines().count(), 1, "only the heading: {}", read("swaps"));
}

/// Makes the ninth partition one that could be switched on.
fn make_swap(image: &std::path::Path, scratch: &std::path::Path) {
    let table = run(Command::new("sfdisk").arg("-d").arg(image));
    let line = table.lines().find(|line| line.contains("img9 :")).unwrap();
    let number = |key: &str| -> u64 {
        let (_, rest) = line.split_once(key).unwrap();
        rest.trim_start().split(',').next().unwrap().parse().unwrap()
    };
    let swap = scratch.join("swap");
    std::fs::File::create(&swap).unwrap().set_len(number("size=") * 512).unwrap();
    run(Command::new("mkswap").arg(&swap));
    run(Command::new("dd").args(["bs=512", "conv=notrunc,sparse", "status=none"]).args([
        format!("if={}", swap.display()),
        format!("of={}", image.display()),
        format!("seek={}", number("start=")),
    ]));
}
