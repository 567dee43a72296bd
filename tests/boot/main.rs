//! Images that boot: built, started in QEMU with their own kernel, by their own boot loader where QEMU has the firmware
//! for it, and read when the power is off.
//!
//! The k3s in them is the stand-in `k3s-double`; the machine is QEMU's generic one. What is proved is that the image
//! boots, that firstboot does its work on a real systemd, and that the second boot needs it no more.

#![cfg(test)]

mod cluster;
mod cuts;
mod damaged;
mod day_two;
mod etcd;
mod examples;
mod impostor;
mod node;
mod overlays;
mod packages;
mod page;
mod publishers;
mod raspi3b;
mod rehearsal;
mod seldom;
mod vlan;

use hc_firstboot::report::ReportStatus;
use hcimage::run::Start;
use hcimage_testkit::guest::{self, POWER_OFF, REPORT};
use hcimage_testkit::proof::{Level, Proof};
use node::Node;

/// The kernel of the image itself, loaded by QEMU.
const BY_KERNEL: Start = Start::Kernel;

#[test]
fn a_pi_with_network_manager_is_ready() {
    let proof = Proof::begin(Level::Booted, "debian-pi-arm64", "cm4");
    let node = Node::build("debian-pi-arm64", "cm4");
    node.move_to_larger_card();
    node.prove_first_boot(BY_KERNEL);
    node.check_growth();
    node.prove_later_boots();
    proof.holds();
}

/// The seed of cloud-init on the FAT wants DHCP: the node has its static address only if that is not followed.
#[test]
fn a_pi_with_cloud_init_and_netplan_is_ready() {
    let base = "debian-pi-netplan-arm64";
    let proof = Proof::begin(Level::Booted, base, "cm4");
    let node = Node::build(base, "cm4");
    node.move_to_larger_card();
    node.prove_first_boot(BY_KERNEL);
    node.check_growth();
    node.check_cloud_init();
    proof.holds();
}

/// Firmware, shim, GRUB and its configuration, with the arguments that the build has put there.
#[test]
fn a_pc_started_by_uefi_is_ready() {
    let proof = Proof::begin(Level::Booted, "debian-pc-amd64", "pc");
    let node = Node::build("debian-pc-amd64", "pc");
    node.move_to_larger_card();
    node.prove_first_boot(Start::Uefi);
    node.check_uefi();
    node.check_growth();
    node.prove_later_boots();
    proof.holds();
}

/// The other way round: a node whose disk is missing says so, in one sentence, and does not start k3s.
#[test]
fn a_node_without_its_data_disk_says_so() {
    let node = Node::build("debian-pc-amd64", "pc");
    let (vm, mut console) = (node.start(BY_KERNEL, &[]), Vec::new());
    node.wait_for_end(&vm, &mut console, ReportStatus::Failed);
    node.power_off(vm, &mut console);
    let status = node.status();
    assert!(status.contains("k8s-data"), "{status}");
    assert!(!node.enabled(), "k3s must not be enabled on a node that is not ready for it");
}
