//! `hcimage run` says before anything starts why it does not, and leaves nothing behind.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::interrupt::{signal, with_default_interrupt};
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::hcimage::{build, fail, hcimage, names, succeed};
use hcimage_testkit::processes::{wait_for_children, wait_for_end};
use hcimage_testkit::tools::run;

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
fn what_is_to_be_run_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fail(hcimage(dir).arg("run"), 2, &["there is no cluster.toml", "hcimage init"]);
    fs::write(dir.join("node.img"), "").unwrap();
    fail(hcimage(dir).args(["run", "node.img"]), 2, &["is an image", "--board BOARD node.img"]);
    fail(hcimage(dir).args(["run", "--board", "cm4"]), 2, &["CLUSTER_FILE|IMAGE"]);
    for built in [["--k3s", "stable"], ["--lock", "my.lock"]] {
        let mut command = hcimage(dir);
        fail(command.args(["run", "--board", "cm4", "node.img"]).args(built), 2, &[built[0], "--board"]);
    }
    fail(hcimage(dir).args(["run", "--board", "cm4", "node.img", "--offline"]), 2, &["--offline", "--board"]);
}

/// A run that ends before it boots anything: its results can't be written.
fn not_run(dir: &Path) -> Command {
    let mut command = hcimage(dir);
    command.args(["run", "--junit", "nowhere/run.xml", "--k3s"]).arg(k3s_release().join(K3S_VERSION));
    command
}

#[test]
fn images_that_are_missing_or_out_of_date_are_built_first() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_cluster(dir, "cm4", "");
    let (building, ended) = ("building the cluster's images", "writing nowhere/run.xml");
    // What is mistyped is told before a build.
    fail(not_run(dir).args(["--console", "nobody"]), 2, &["--console nobody: the nodes are lab-1, lab-2"]);
    assert!(!dir.join("out").exists(), "it has built");
    fail(&mut not_run(dir), 1, &[building, "there is no out/lab-1.img yet", ended]);
    let made = |image: &str| dir.join(image).metadata().unwrap().modified().unwrap();
    let first = made("out/lab-2.img");

    let said = outcome(&mut not_run(dir)).stderr;
    assert!(said.contains(ended) && !said.contains(building), "{said}");
    assert_eq!(made("out/lab-2.img"), first, "what is current is built again");

    // All that images are made from, one after the other.
    fs::create_dir_all(dir.join("overlays/shop/manifests")).unwrap();
    fs::write(dir.join("shop.yaml"), "").unwrap();
    write_cluster(dir, "cm4", "[overlays.shop]\n");
    let text = fs::read_to_string(dir.join("cluster.toml")).unwrap();
    let text = text.replacen("\n", "\nmanifests = [\"shop.yaml\"]\n", 1);
    fs::write(dir.join("cluster.toml"), text).unwrap();
    let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let about = "about = \"A shop\"\n";
    for (changed, content, newer) in [
        ("overlays/shop/overlay.toml", about.to_owned(), "cluster.toml"),
        ("shop.yaml", map("one"), "shop.yaml"),
        ("overlays/shop/manifests/app.yaml", map("two"), "overlays/shop/manifests/app.yaml"),
        (
            "cluster.secrets.toml",
            fs::read_to_string(dir.join("cluster.secrets.toml")).unwrap(),
            "cluster.secrets.toml",
        ),
    ] {
        let before = made("out/lab-2.img");
        fs::write(dir.join(changed), content).unwrap();
        if newer == "cluster.toml" {
            // The first that is complete.
            fs::write(dir.join("shop.yaml"), map("zero")).unwrap();
            fs::write(dir.join("overlays/shop/manifests/app.yaml"), map("three")).unwrap();
        }
        let newer = format!("{newer} is newer than out/lab-1.img");
        fail(&mut not_run(dir), 1, &[building, &newer, ended]);
        assert_ne!(made("out/lab-2.img"), before, "what is out of date is not built again");
    }

    // Another folder's, with sudo: the images would be root's.
    fs::create_dir(dir.join("sub")).unwrap();
    fs::rename(dir.join("cluster.toml"), dir.join("lab's.toml")).unwrap();
    let mut command = hcimage(&dir.join("sub"));
    command.args(["run", "../lab's.toml", "--images", "my images"]).env("SUDO_UID", "1000");
    fail(
        &mut command,
        1,
        &[r"`hcimage build '../lab'\''s.toml' --output 'my images' --overwrite` as yourself"],
    );
}

/// A run of one image, killed or interrupted once its machine and its router run.
fn started(dir: &Path) -> (Child, Vec<String>) {
    let mut command = hcimage(dir);
    command.args(["run", "--board", "cm4", "node.img", "--junit", "results/run.xml"]);
    let mut command = with_default_interrupt(&command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let machines = wait_for_children(&mut child, "qemu-system", 2);
    (child, machines)
}

#[test]
fn the_end_of_a_run_leaves_no_machine_and_a_result() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    succeed(build(dir, "cm4", &base("pi-os-bookworm-like")).args(["--output", "node.img"]));
    let results = dir.join("results");
    let board = ["run", "--board", "cm4", "node.img"];
    let unwritable = ["--junit", "results/run.xml", "--keep", "kept"];
    fail(hcimage(dir).args(board).args(unwritable), 1, &["writing results/run.xml"]);
    assert!(!dir.join("kept").exists(), "it has begun");

    // kill -9: the kernel ends the machines, and the file has no result of an earlier run.
    fs::create_dir(&results).unwrap();
    fs::write(results.join("run.xml"), "of an earlier run").unwrap();
    let (mut child, machines) = started(dir);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for_end(&machines);
    let program =
        "import sys, xml.etree.ElementTree as e\nprint(e.parse(sys.argv[1]).getroot().get('failures'))";
    let mut failures = Command::new("python3");
    assert_eq!(run(failures.args(["-c", program]).arg(results.join("run.xml"))).trim(), "1");

    // A file that cannot be written any more hides nothing.
    let (child, machines) = started(dir);
    fs::remove_dir_all(&results).unwrap();
    signal("INT", &child);
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    let (unwritten, own) =
        (said.find("writing results/run.xml"), said.find("interrupted before all nodes were Ready"));
    assert!(own.is_some() && unwritten.is_some_and(|at| Some(at) < own), "{said}");
    wait_for_end(&machines);
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
