//! Who may log in, and what the clock shows: the files of a built node, judged together as the node would read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::checkers::checker;
use hcimage_testkit::external_tool::Outcome;
use hcimage_testkit::hcimage::{fail, hcimage, succeed};
use hcimage_testkit::tools::{self, assert_same_bytes, check, debugfs, run};
use hcimage_testkit::tree::root_tree;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti me@laptop";
const HASH: &str =
    "$6$saltsalt$hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh";

/// A cluster of one node.
pub(crate) fn cluster(board: &str, more: &str) -> String {
    format!(
        "schema = 1\nname = \"lab\"\n{more}\n[[nodes]]\nname = \"hc-1\"\nrole = \"server\"\nboard = \"{board}\"\n"
    )
}

/// `hcimage build` of that cluster file.
pub(crate) fn build(dir: &Path, text: &str, base: &Path, output: &str) -> Command {
    fs::write(dir.join("cluster.toml"), text).expect("writing a cluster file");
    let mut command = hcimage(dir);
    command.env("SOURCE_DATE_EPOCH", "1790000000").args(["build", "--output", output, "--base"]).arg(base);
    command.arg("--k3s").arg(k3s_release().join(K3S_VERSION));
    command
}

/// The one image in the output directory.
pub(crate) fn image(dir: &Path, output: &str) -> PathBuf {
    let names = fs::read_dir(dir.join(output)).expect("the output directory");
    let mut images = names
        .map(|name| name.expect("a name").path())
        .filter(|path| path.extension().is_some_and(|e| e == "img"));
    images.next().expect("an image")
}

/// A file of an image, as text.
pub(crate) fn dump(image: &Path, path: &str, scratch: &Path) -> String {
    tools::dump(image, path, scratch).unwrap_or_else(|| panic!("{path} is not in {}", image.display()))
}

/// Mode, owner and group, by debugfs.
pub(crate) fn owner(image: &Path, path: &str) -> (String, String, String) {
    let stat = debugfs(image, &format!("stat {path}"));
    let after = |key: &str| {
        let rest = stat.split(key).nth(1).unwrap_or_else(|| panic!("{path}: no {key} in {stat}"));
        rest.split_whitespace().next().expect("a value").to_owned()
    };
    (after("Mode:"), after("User:"), after("Group:"))
}

fn users(rest: &str) -> String {
    format!(
        "time-zone = \"Europe/Berlin\"\n[[users]]\nname = \"admin\"\nssh-keys = [\"{KEY}\"]\n{rest}\n\
         [[users]]\nname = \"guest\"\npassword-hash = {{ file = \"hash.txt\" }}\nsudo = false\n"
    )
}

/// The accounts' files and directories of an image in a directory, so that pwck and grpck can look at them as a root.
fn check_accounts(image: &Path, scratch: &Path) {
    let root = scratch.join("root");
    fs::create_dir_all(root.join("etc")).expect("a root");
    for file in ["passwd", "shadow", "group", "gshadow"] {
        fs::write(root.join("etc").join(file), dump(image, &format!("/etc/{file}"), scratch))
            .expect("a copy");
    }
    let tree = root_tree(image);
    for program in ["pwck", "grpck"] {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", program, "--quiet", "--read-only", "--root"]).arg(&root);
        let output = command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().expect("running unshare");
        let Outcome { status, stdout, stderr } = Outcome::of(&output);
        let said = format!("{stdout}{stderr}");
        // 2: something is wrong, as with the shells below. Anything else is no verdict.
        assert!(matches!(status.code(), Some(0 | 2)), "{program}: {status}: {said}");
        // What the base has is not in this root: shells, and directories of packages.
        let of_ours = said
            .lines()
            .filter(|line| ["admin", "guest", "delete line", "sudo"].iter().any(|w| line.contains(w)));
        let of_ours: Vec<&str> =
            of_ours.filter(|line| !line.contains("directory") && !line.contains("program")).collect();
        assert!(of_ours.is_empty(), "{program}: {said}");
    }
    let passwd = fs::read_to_string(root.join("etc/passwd")).expect("passwd");
    for user in ["admin", "guest"] {
        let line = passwd.lines().find(|line| line.starts_with(&format!("{user}:"))).expect("an account");
        let fields: Vec<&str> = line.split(':').collect();
        assert!(tree.contains_key(fields[6].trim_end_matches('/')) || fields[6] == "/bin/bash", "{line}");
        let owned = |mode: &str| (mode.to_owned(), fields[2].to_owned(), fields[3].to_owned());
        assert_eq!(owner(image, fields[5]), owned("0700"), "{line}");
        if user == "admin" {
            assert_eq!(owner(image, &format!("{}/.ssh", fields[5])), owned("0700"));
            assert_eq!(owner(image, &format!("{}/.ssh/authorized_keys", fields[5])), owned("0600"));
            assert_eq!(
                dump(image, &format!("{}/.ssh/authorized_keys", fields[5]), scratch),
                format!("{KEY}\n")
            );
        }
    }
    fs::remove_dir_all(root).expect("removing the root");
}

/// Everything that is the same on all bases.
fn check_access(image: &Path, base: &Path, scratch: &Path) {
    check(image, scratch);
    check_accounts(image, scratch);
    let shadow: BTreeMap<String, String> = dump(image, "/etc/shadow", scratch)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, rest)| (name.to_owned(), rest.split(':').next().unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(
        (shadow["root"].as_str(), shadow["admin"].as_str(), shadow["guest"].as_str()),
        ("*", "*", HASH)
    );
    assert_eq!(owner(image, "/etc/shadow"), owner(base, "/etc/shadow"));
    let stat = debugfs(image, "stat /etc/localtime");
    assert!(stat.contains("Fast link dest: \"/usr/share/zoneinfo/Europe/Berlin\""), "{stat}");
    let enabled = debugfs(image, "stat /etc/systemd/system/multi-user.target.wants/ssh.service");
    assert!(enabled.contains("ssh.service"), "{enabled}");
    let sshd = dump(image, "/etc/ssh/sshd_config.d/00-hcimage.conf", scratch);
    assert!(sshd.contains("PasswordAuthentication no\n"), "{sshd}");
}

#[test]
fn accounts_on_raspberry_pi_os() {
    for (name, timezone) in
        [("pi-os-bookworm-like", true), ("pi-os-bullseye-like", true), ("pi-os-trixie-like", true)]
    {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let scratch = dir.path();
        fs::write(scratch.join("hash.txt"), HASH).expect("writing a hash");
        let base = base(name);
        succeed(&mut build(scratch, &cluster("cm4", &users("")), &base, "out"));
        let image = image(scratch, "out");
        check_access(&image, &base, scratch);
        if timezone {
            assert_eq!(dump(&image, "/etc/timezone", scratch), "Europe/Berlin\n");
        }
        // The numbers begin behind the one of `pi`, which stays.
        let passwd = dump(&image, "/etc/passwd", scratch);
        assert!(passwd.contains("\nadmin:x:1001:1001::/home/admin:/bin/bash\n"), "{passwd}");
        let shell = if name == "pi-os-trixie-like" { "/usr/sbin/nologin" } else { "/bin/bash" };
        assert!(passwd.contains(&format!("\npi:x:1000:1000:,,,:/home/pi:{shell}\n")), "{passwd}");
        assert!(dump(&image, "/etc/group", scratch).contains("sudo:x:27:pi,admin\n"));
        assert!(dump(&image, "/etc/gshadow", scratch).contains("\nadmin:!::\n"));
        assert!(dump(&image, "/etc/subuid", scratch).ends_with("admin:165536:65536\nguest:231072:65536\n"));
        assert_eq!(owner(&image, "/etc/sudoers.d/99-hcimage"), ("0440".into(), "0".into(), "0".into()));
        let rules = dump(&image, "/etc/sudoers.d/99-hcimage", scratch);
        fs::write(scratch.join("rules"), &rules).expect("a copy");
        run(checker("visudo").args(["-cf"]).arg(scratch.join("rules")));
        assert!(rules.contains("admin ALL=(ALL:ALL) NOPASSWD: ALL") && !rules.contains("guest"), "{rules}");
        // The question for the first user's name is gone, and the console's login is there.
        let masked = debugfs(&image, "stat /etc/systemd/system/userconfig.service");
        assert!(masked.contains("Fast link dest: \"/dev/null\""), "{masked}");
        for gone in [
            "/etc/systemd/system/multi-user.target.wants/userconfig.service",
            "/etc/ssh/sshd_config.d/rename_user.conf",
        ] {
            assert!(debugfs(&image, &format!("stat {gone}")).contains("File not found"), "{gone}");
        }
        let login = debugfs(&image, "stat /etc/systemd/system/getty.target.wants/getty@tty1.service");
        assert!(login.contains("getty@.service"), "{login}");
        if name == "pi-os-trixie-like" {
            let cloud = dump(&image, "/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg", scratch);
            assert!(cloud.contains("users: []\n"), "{cloud}");
            assert_eq!(dump(&image, "/etc/machine-id", scratch), "uninitialized\n");
        }
        let preset = dump(&image, "/etc/systemd/system-preset/00-hcimage.preset", scratch);
        assert!(preset.contains("enable ssh.service\n"), "a first boot's preset-all: {preset}");

        // No password is in the manifest, nor what one could guess it by; and a second build finds all done.
        let manifest = fs::read_to_string(image.with_extension("img.manifest.json")).expect("the manifest");
        assert!(!manifest.contains(HASH), "{manifest}");
        let first = image.with_file_name("first.img");
        fs::rename(&image, &first).expect("moving the image");
        succeed(&mut build(scratch, &cluster("cm4", &users("")), &first, "twice"));
        assert_same_bytes(&first, &self::image(scratch, "twice"));
    }
}

/// `admin` is a group of Ubuntu's cloud images, whose members may become root, whatever the cluster file says.
#[test]
fn an_account_that_is_called_as_a_group_of_the_system() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let scratch = dir.path();
    fs::write(scratch.join("hash.txt"), HASH).expect("writing a hash");
    let base = base("ubuntu-cloud-amd64-like");
    succeed(&mut build(scratch, &cluster("pc", &users("sudo = false")), &base, "out"));
    let image = image(scratch, "out");
    check_access(&image, &base, scratch);
    let passwd = dump(&image, "/etc/passwd", scratch);
    assert!(passwd.contains("\nadmin:x:1000:100::/home/admin:/bin/bash\n"), "{passwd}");
    for file in ["/etc/group", "/etc/gshadow"] {
        assert_eq!(
            dump(&image, file, scratch),
            dump(&base, file, scratch).replace("\nguest", "") + &added(file)
        );
    }
    // What sudo itself reads of it: neither account may.
    assert!(dump(&image, "/etc/sudoers", scratch).contains("%admin ALL=(ALL) ALL"));
}

/// What the second account, whose name nobody has, adds to a file of groups.
fn added(file: &str) -> String {
    if file == "/etc/group" { "guest:x:1001:\n" } else { "guest:!::\n" }.to_owned()
}

/// `pi` itself is asked for, without sudo: the rule by which the base lets it become root goes away.
#[test]
fn the_account_that_the_base_has() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let scratch = dir.path();
    let text = cluster("cm4", &format!("[[users]]\nname = \"pi\"\nsudo = false\nssh-keys = [\"{KEY}\"]\n"));
    succeed(&mut build(scratch, &text, &base("pi-os-bookworm-like"), "out"));
    let image = image(scratch, "out");
    let passwd = dump(&image, "/etc/passwd", scratch);
    assert!(passwd.contains("\npi:x:1000:1000:,,,:/home/pi:/bin/bash\n"), "{passwd}");
    assert!(dump(&image, "/etc/shadow", scratch).contains("\npi:*:"));
    assert!(dump(&image, "/etc/group", scratch).contains("\nsudo:x:27:\n"));
    assert_eq!(owner(&image, "/home/pi/.ssh/authorized_keys"), ("0600".into(), "1000".into(), "1000".into()));
}

#[test]
fn what_the_image_cannot_have_is_refused() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let (pc, pi) = (base("debian-pc-amd64"), base("pi-os-bookworm-like"));
    for (base, board, more, code, words) in [
        (
            &pc,
            "pc",
            users(""),
            3,
            ["letting admin become root on an image without the package sudo", "sudo = false"],
        ),
        (
            &pi,
            "cm4",
            "time-zone = \"Europe/Atlantis\"".to_owned(),
            3,
            ["the time zone Europe/Atlantis", "zoneinfo"],
        ),
        (
            &pi,
            "cm4",
            format!("[[users]]\nname = \"systemd-timesync\"\nssh-keys = [\"{KEY}\"]\n"),
            2,
            ["belongs to the system", "choose another"],
        ),
    ] {
        fs::write(dir.path().join("hash.txt"), HASH).expect("writing a hash");
        let mut command = build(dir.path(), &cluster(board, &more), base, "out");
        fail(&mut command, code, &words);
    }
    // Debian on a PC has all but sudo.
    fs::write(dir.path().join("hash.txt"), HASH).expect("writing a hash");
    let text = cluster("pc", &users("sudo = false"));
    succeed(&mut build(dir.path(), &text, &pc, "pc"));
    check_access(&image(dir.path(), "pc"), &pc, dir.path());
}
