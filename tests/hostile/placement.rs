//! Links and directories of a base that would make a secret readable, or let an account of the base replace what hcimage
//! wrote.

use hcimage_testkit::hcimage::build;

use super::limits::{Copy, refuses, succeeds};

const BASE: &str = "pi-os-bookworm-like";

/// The FAT has neither owners nor modes.
#[test]
fn no_secret_follows_a_link_onto_the_fat() {
    for (link, target, path) in [
        ("/etc/rancher", "/boot/firmware/rancher", "/etc/rancher/"),
        ("/etc/hcimage", "../boot/firmware", "/etc/hcimage/"),
    ] {
        let copy = Copy::of(BASE);
        copy.debugfs(&[format!("symlink {link} {target}")]);
        let said = refuses(
            &build(copy.dir.path(), "cm4", &copy.image),
            &[path, "boot partition", "remove the link"],
        );
        assert!(!copy.path("hc-1-cm4.img").exists(), "{}", said.stderr);
    }
}

#[test]
fn no_file_lies_where_another_account_can_replace_it() {
    let dir = |mode: u32, uid: u32, gid: u32, path: &str| {
        let set = |field: &str, value: u32| format!("set_inode_field {path} {field} {value}");
        vec![
            format!("mkdir {path}"),
            format!("set_inode_field {path} mode 0{:o}", 0o40_000 | mode),
            set("uid", uid),
            set("gid", gid),
        ]
    };
    for (commands, path, by) in [
        (dir(0o777, 1000, 1000, "/etc/hcimage"), "/etc/hcimage", "the user 1000"),
        (dir(0o777, 0, 0, "/etc/hcimage"), "/etc/hcimage", "every account"),
        (dir(0o775, 0, 100, "/etc/rancher"), "/etc/rancher", "the group 100"),
        (vec!["set_inode_field /etc/systemd mode 040777".to_owned()], "/etc/systemd", "every account"),
        // The directory itself is root's, the one above is not.
        (vec!["set_inode_field /usr uid 1000".to_owned()], "/usr", "the user 1000"),
    ] {
        let copy = Copy::of(BASE);
        copy.debugfs(&commands);
        refuses(&build(copy.dir.path(), "cm4", &copy.image), &[path, by, "give that directory to root"]);
    }
    let copy = Copy::of(BASE);
    copy.debugfs(&dir(0o700, 0, 0, "/etc/hcimage"));
    succeeds(&build(copy.dir.path(), "cm4", &copy.image));
}
