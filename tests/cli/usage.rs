//! Wrong usage is told before any work is done.

use std::fs;

use hcimage_testkit::base::base;
use hcimage_testkit::hcimage::{build, fail, hcimage, names, succeed};

/// Fails with code 2 and leaves the directory as it was.
fn refused(arguments: &[&str], words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = hcimage(dir.path());
    fail(command.args(["build", "--board", "cm4", "--base", "none.img"]).args(arguments), 2, words);
    assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
}

#[test]
fn an_invalid_address_is_refused() {
    refused(&["--address", "192.168.1.300/24"], &["192.168.1.300/24", "--address"]);
    refused(&["--address", "192.168.1.10"], &["192.168.1.10", "/24"]);
    refused(&["--address", "192.168.1.0/24"], &["192.168.1.0/24", "network"]);
    refused(&["--address", "192.168.1.10/24", "--gateway", "10.0.0.1"], &["10.0.0.1", "192.168.1.0/24"]);
    // k3s does not start without a default route.
    refused(&["--address", "192.168.1.10/24"], &["--gateway"]);
    refused(&["--address", "fd00::2/64", "--gateway", "fd00::1"], &["fd00::2/64", "IPv4"]);
}

#[test]
fn an_invalid_time_server_is_refused() {
    refused(&["--ntp", "bad host"], &["bad host", "--ntp"]);
}

#[test]
fn an_invalid_hostname_is_refused() {
    refused(&["--hostname", "my_node"], &["my_node", "--hostname"]);
    refused(&["--hostname=-x"], &["-x", "--hostname"]);
}

#[test]
fn an_unknown_board_is_answered_with_the_known_ones() {
    let dir = tempfile::tempdir().unwrap();
    fail(hcimage(dir.path()).args(["build", "--board", "cm9"]), 2, &["\"cm9\"", "cm4, cm5, pc"]);
}

#[test]
fn a_board_without_a_default_base_asks_for_one() {
    let dir = tempfile::tempdir().unwrap();
    fail(hcimage(dir.path()).args(["build", "--board", "pc"]), 2, &["no default base", "--base"]);
    assert!(!names(dir.path()).iter().any(|name| name.ends_with(".img")));
}

#[test]
fn a_manifest_that_k3s_would_not_apply_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text, said) in [
        ("My_App.yaml", "", "lowercase letters"),
        ("traefik.yaml", "", "choose another one"),
        ("shop.yaml", "kind: Namespace\n", "apiVersion"),
        ("broken.yaml", "a: [\n", "line"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        refused(&["--manifest", path.to_str().unwrap()], &[name, said]);
    }
}

#[test]
fn an_existing_output_is_kept_unless_replacing_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("node.img");
    fs::write(&output, "precious").unwrap();
    let base = base("pi-os-bookworm-like");
    let command = || {
        let mut command = build(dir.path(), "cm4", &base);
        command.args(["--output", "node.img"]);
        command
    };
    fail(&mut command(), 1, &["node.img exists already", "--overwrite"]);
    assert_eq!(fs::read_to_string(&output).unwrap(), "precious");
    succeed(command().arg("--overwrite"));
    assert!(output.metadata().unwrap().len() > 1 << 20);
}

#[test]
fn the_base_is_never_the_output() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("mine.img");
    fs::write(&copy, "precious").unwrap();
    for output in ["mine.img", "./mine.img"] {
        let mut command = build(dir.path(), "cm4", &copy);
        fail(command.args(["--overwrite", "--output", output]), 1, &["mine.img", "base image", "--output"]);
    }
    assert_eq!(fs::read_to_string(&copy).unwrap(), "precious");

    fs::create_dir(dir.path().join("images")).unwrap();
    let mut command = build(dir.path(), "cm4", &copy);
    fail(command.args(["--overwrite", "--output", "images"]), 1, &["images", "not a regular file"]);
    fs::write(dir.path().join("new.img.manifest.json"), "precious").unwrap();
    fail(build(dir.path(), "cm4", &copy).args(["--output", "new.img"]), 1, &["new.img.manifest.json exists"]);
}

/// As `nohup` starts it, and a shell in the background.
#[test]
fn signals_that_the_parent_ignores_stay_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let inner = build(dir.path(), "cm4", &base("pi-os-bookworm-like"));
    let mut command = std::process::Command::new("sh");
    command.args([
        "-c",
        "trap '' INT HUP; \"$@\" & child=$!; sleep 0.1; kill -HUP $child; wait $child",
        "sh",
    ]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(dir.path());
    for (name, value) in inner.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    succeed(&mut command);
    assert!(dir.path().join("hc-1-cm4.img").exists());
}

#[test]
fn booting_an_image_of_another_board_or_without_its_disk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (pi, pc) = (base("pi-os-bookworm-like"), base("debian-pc-amd64"));
    fail(hcimage(dir.path()).args(["run", "--board", "pc"]).arg(&pi), 3, &["aarch64", "pc", "--board"]);
    let mut command = hcimage(dir.path());
    fail(command.args(["run", "--board", "cm4", "--uefi"]).arg(pi), 2, &["cm4 does not start by UEFI"]);
    let mut command = hcimage(dir.path());
    fail(command.args(["run", "--board", "pc", "--data-disk", "nothere"]).arg(pc), 1, &["nothere"]);
}

#[test]
fn an_unwritable_output_is_refused_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let base = base("pi-os-bookworm-like");
    // Neither root nor anybody else can make a file there.
    for output in ["missing/node.img", "/proc/node.img"] {
        let mut command = build(dir.path(), "cm4", &base);
        fail(command.args(["--output", output]), 1, &["writing", output]);
    }
    assert!(!dir.path().join("missing").exists());
}

#[test]
fn the_summary_is_json_where_asked() {
    let dir = tempfile::tempdir().unwrap();
    let said = succeed(build(dir.path(), "cm4", &base("pi-os-bookworm-like")).arg("--json"));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["schema"], 1);
    let node = &said["nodes"][0];
    assert_eq!(node["hostname"], "hc-1");
    assert_eq!(node["image"], "hc-1-cm4.img");
    assert_eq!(node["manifest"], "hc-1-cm4.img.manifest.json");
}

#[test]
fn cat_of_what_is_not_there_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let place = format!("{}:/etc/nothing", base("pi-os-bookworm-like").display());
    fail(hcimage(dir.path()).arg("cat").arg(&place), 1, &["/etc/nothing", "not found"]);
    fail(hcimage(dir.path()).arg("ls").arg("no-colon.img"), 2, &["pi.img:/etc/fstab"]);
}

#[test]
fn without_internet_it_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = hcimage(dir.path());
    // Nobody listens on the discard port, so the connection is refused at once.
    command.args(["build", "--board", "cm4", "--k3s-channels", "http://127.0.0.1:9/channels", "--base"]);
    fail(command.arg(base("pi-os-bookworm-like")), 1, &["127.0.0.1:9", "--k3s DIR"]);
}

#[test]
fn boards_are_listed_for_people_and_programs() {
    let dir = tempfile::tempdir().unwrap();
    let said = succeed(hcimage(dir.path()).arg("boards"));
    for word in ["cm4 ", "turing-pi-2-cm5", "zero2w", "agent only", "no default base"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let json = succeed(hcimage(dir.path()).args(["boards", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let pi5 = json.as_array().unwrap().iter().find(|board| board["name"] == "pi5").unwrap();
    assert_eq!(pi5["kernel"], "kernel_2712.img");
    assert!(pi5["notes"].as_str().unwrap().contains("BOOT_ORDER"), "{pi5}");
}
