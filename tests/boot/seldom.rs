//! Boots that seldom break alone: `make boot-more`.

use hcimage_testkit::proof::{Level, Proof};

use crate::BY_KERNEL;
use crate::node::Node;

#[test]
#[ignore = "slow, and seldom breaks; `make boot-more` runs it"]
fn a_pi_with_dhcpcd_is_ready() {
    let base = "debian-pi-dhcpcd-arm64";
    let proof = Proof::begin(Level::Booted, base, "cm4");
    Node::build(base, "cm4").prove_first_boot(BY_KERNEL);
    proof.holds();
}

/// Linux takes the GPT, whatever place its guard in the MBR has; nobody answers what systemd would ask; the disk has room
/// for the root to grow into, behind a hybrid MBR that sfdisk must leave alone.
#[test]
#[ignore = "slow, and seldom breaks; `make boot-more` runs it"]
fn a_pi_with_a_hybrid_mbr_is_ready() {
    let base = "debian-pi-hybrid-arm64";
    let proof = Proof::begin(Level::Booted, base, "cm4");
    let node = Node::build(base, "cm4");
    node.move_to_larger_card();
    node.prove_first_boot(BY_KERNEL);
    node.check_growth();
    node.check_hybrid_mbr();
    proof.holds();
}
