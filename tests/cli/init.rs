//! `hcimage init` without a terminal.

use std::fs;

use hcimage_testkit::hcimage::{fail, hcimage, names, succeed};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti me@laptop\n";

#[test]
fn without_options_it_writes_one_node() {
    let dir = tempfile::tempdir().unwrap();
    let said = succeed(hcimage(dir.path()).arg("init"));
    assert!(said.contains("cluster.toml"), "{said}");
    assert_eq!(names(dir.path()), [".gitignore", "cluster.toml"]);
    let ignored = fs::read_to_string(dir.path().join(".gitignore")).unwrap();
    assert!(ignored.contains("\n*.secrets.toml\n"), "{ignored}");
    let text = fs::read_to_string(dir.path().join("cluster.toml")).unwrap();
    assert_eq!(text.matches("\n[[nodes]]").count(), 1);
}

/// `*.secrets.toml` is made by the first build; git must not take it up then.
#[test]
fn a_gitignore_of_the_users_own_stays() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".gitignore"), "mine\n").unwrap();
    let said = succeed(hcimage(dir.path()).arg("init"));
    assert!(!said.contains(".gitignore"), "{said}");
    assert_eq!(fs::read_to_string(dir.path().join(".gitignore")).unwrap(), "mine\n");
}

#[test]
fn options_say_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("me.pub"), KEY).unwrap();
    let options =
        ["lab.toml", "--name", "lab", "--agents", "3", "--subnet", "10.1.0.0/24", "--ssh-key", "me.pub"];
    succeed(hcimage(dir.path()).arg("init").args(options));
    let text = fs::read_to_string(dir.path().join("lab.toml")).unwrap();
    for line in ["name = \"lab-4\"", "role = \"agent\"", "address = \"10.1.0.14\"", "gateway = \"10.1.0.1\""]
    {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    let path = dir.path().canonicalize().unwrap().join("me.pub");
    assert!(text.contains(path.to_str().unwrap()), "{text}");
}

#[test]
fn a_file_that_exists_is_kept_unless_replacing_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cluster.toml"), "precious").unwrap();
    fail(hcimage(dir.path()).arg("init"), 1, &["cluster.toml exists already", "--overwrite"]);
    assert_eq!(fs::read_to_string(dir.path().join("cluster.toml")).unwrap(), "precious");
    succeed(hcimage(dir.path()).args(["init", "--overwrite"]));
    assert!(fs::read_to_string(dir.path().join("cluster.toml")).unwrap().starts_with("# The cluster home"));
}

#[test]
fn options_of_no_valid_cluster_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (options, words) in [
        (&["--agents", "2"][..], &["--subnet", "--api"][..]),
        (&["--servers", "2", "--subnet", "10.0.0.0/24"], &["odd number"]),
        (&["--board", "cm9"], &["\"cm9\"", "cm4, cm5, pc"]),
        (&["--subnet", "10.42.0.0/24"], &["overlaps 10.42.0.0/16"]),
        (&["--agents", "250", "--subnet", "10.0.0.0/24"], &["not inside the network"]),
        (&["--ssh-key", "none.pub"], &["cannot read", "none.pub: No such file"]),
        (&["--gateway", "10.0.0.1"], &["--subnet"]),
        (&["--name", "My Home"], &["My Home", "lowercase letters"]),
    ] {
        fail(hcimage(dir.path()).arg("init").args(options), 2, words);
        assert!(names(dir.path()).is_empty(), "{options:?}: {:?}", names(dir.path()));
    }
    fail(
        hcimage(dir.path()).args(["init", "no/such/directory.toml"]),
        1,
        &["writing no/such/directory.toml"],
    );
}
