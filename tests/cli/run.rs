//! `hcimage run` says before anything starts why it does not, and leaves nothing behind.

use std::fs;
use std::path::Path;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::{fail, hcimage, names, succeed};

/// A server and an agent on one kind of board; the agent with more settings.
fn write_cluster(dir: &Path, board: &str, more: &str) {
    let base = base(if board == "pc" { "debian-pc-amd64" } else { "pi-os-bookworm-like" });
    let text = format!(
        "schema = 1\nname = \"lab\"\n\n[network]\nsubnet = \"10.9.0.0/24\"\ngateway = \"10.9.0.1\"\n\n[boards.{board}]\nbase = {base:?}\n\n\
         [[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = {board:?}\naddress = \"10.9.0.11\"\n\n\
         [[nodes]]\nname = \"lab-2\"\nrole = \"agent\"\nboard = {board:?}\naddress = \"10.9.0.12\"\n{more}"
    );
    fs::write(dir.join("cluster.toml"), text).unwrap();
}

#[test]
fn a_run_without_its_images_names_the_command_that_makes_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fail(hcimage(dir).arg("run"), 2, &["there is no cluster.toml", "hcimage init"]);
    write_cluster(dir, "cm4", "");
    fail(hcimage(dir).arg("run"), 2, &["out/lab-1.img", "`hcimage build` makes it"]);
    let elsewhere = ["run", "../lab's.toml", "--images", "my images"];
    fs::create_dir(dir.join("sub")).unwrap();
    fs::rename(dir.join("cluster.toml"), dir.join("lab's.toml")).unwrap();
    let mut command = hcimage(&dir.join("sub"));
    fail(command.args(elsewhere), 2, &[r"hcimage build '../lab'\''s.toml' --output 'my images'"]);
    fs::write(dir.join("node.img"), "").unwrap();
    fail(hcimage(dir).args(["run", "node.img"]), 2, &["is an image", "--board BOARD node.img"]);
    fail(hcimage(dir).args(["run", "--board", "cm4"]), 2, &["CLUSTER_FILE|IMAGE"]);
}

#[test]
fn what_cannot_be_run_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let stock = base("pi-os-bookworm-like");
    let words = ["was not built by hcimage", "/etc/hcimage/seed.toml"];
    fail(hcimage(dir).args(["run", "--board", "cm4"]).arg(stock), 3, &words);

    write_cluster(dir, "cm4", "");
    succeed(hcimage(dir).args(["build", "--k3s"]).arg(k3s_release().join(K3S_VERSION)));
    let before = names(dir);
    fail(hcimage(dir).args(["run", "--console", "pi-9"]), 2, &["pi-9", "lab-1, lab-2"]);
    fail(hcimage(dir).args(["run", "--memory", "99999999"]), 2, &["199999998 MiB", "--memory"]);
    fail(hcimage(dir).args(["run", "--cpus", "0"]), 2, &["--cpus"]);
    fail(hcimage(dir).args(["run", "--uefi"]), 2, &["cm4 does not start by UEFI"]);
    fail(hcimage(dir).args(["run", "--keep", "out"]), 1, &["making out", "not there yet"]);
    // An image in the place of another's.
    fs::rename(dir.join("out/lab-2.img"), dir.join("kept.img")).unwrap();
    fs::copy(dir.join("out/lab-1.img"), dir.join("out/lab-2.img")).unwrap();
    fail(hcimage(dir).arg("run"), 1, &["out/lab-2.img is the image of node lab-1, not of lab-2"]);
    fs::rename(dir.join("kept.img"), dir.join("out/lab-2.img")).unwrap();
    assert_eq!(names(dir), before);

    fs::remove_dir_all(dir.join("out")).unwrap();
    // Of its base's kernel Raspberry Pi OS has no VLANs.
    write_cluster(dir, "pc", "vlan = 20\n");
    succeed(hcimage(dir).args(["build", "--k3s"]).arg(k3s_release().join(K3S_VERSION)));
    let words = ["node lab-2 is in the VLAN 20, which QEMU's network does not have"];
    fail(hcimage(dir).args(["run", "--memory", "64", "--keep", "kept"]), 3, &words);
    assert!(!dir.join("kept").exists());
}
