//! What the publishers' first boots would do against the node: asked for, found and stopped, by images that are changed for
//! it. tests/boot/publishers.rs boots such images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage_testkit::base::base;
use hcimage_testkit::checkers::checker;
use hcimage_testkit::external_tool::Outcome;
use hcimage_testkit::hcimage::{build, fail, hcimage, succeed};
use hcimage_testkit::tools::{self, check, debugfs, debugfs_put, debugfs_write, mtype, partitions, run};
use serde_json::Value;

/// A base of the test's own: a copy, and files that are put into it.
struct Changed {
    dir: tempfile::TempDir,
}

impl Changed {
    fn of(name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        run(Command::new("cp").arg("--sparse=always").arg(base(name)).arg(dir.path().join("base.img")));
        Self { dir }
    }

    fn base(&self) -> PathBuf {
        self.dir.path().join("base.img")
    }

    fn node(&self) -> PathBuf {
        self.dir.path().join("node.img")
    }

    /// A file on the root, with the directories above it.
    fn put(&self, path: &str, text: impl AsRef<str>) {
        for (at, _) in path.match_indices('/').skip(1) {
            let dir = &path[..at];
            if debugfs(&self.base(), &format!("stat {dir}")).contains("File not found") {
                debugfs_write(&self.base(), &format!("mkdir {dir}"));
            }
        }
        debugfs_put(&self.base(), text.as_ref(), path, self.dir.path());
    }

    /// A file on the boot partition.
    fn put_boot(&self, name: &str, text: impl AsRef<[u8]>) {
        let file = self.dir.path().join("text");
        fs::write(&file, text).expect("a text");
        let (_, boot) = partitions(&self.base());
        let drive = format!("{}@@{}", self.base().display(), boot.start);
        run(Command::new("mcopy").args(["-o", "-i", &drive]).arg(&file).arg(format!("::{name}")));
    }

    fn build(&self, board: &str) -> Command {
        let mut command = build(self.dir.path(), board, &self.base());
        command.args(["--output", "node.img", "--overwrite"]);
        command
    }

    fn read(&self, path: &str) -> Option<String> {
        tools::dump(&self.node(), path, self.dir.path())
    }

    fn inspected(&self, image: &Path) -> Value {
        let said = succeed(hcimage(self.dir.path()).args(["inspect", "--json"]).arg(image));
        serde_json::from_str(&said).expect("JSON")
    }
}

/// What systemctl says of units of an image.
fn is_enabled(image: &Path, scratch: &Path, units: &[&str]) -> Vec<String> {
    let root = scratch.join("units");
    for dir in ["etc", "usr/lib"] {
        fs::create_dir_all(root.join(dir)).expect("a directory");
    }
    debugfs(image, &format!("rdump /etc/systemd {}", root.join("etc").display()));
    debugfs(image, &format!("rdump /usr/lib/systemd {}", root.join("usr/lib").display()));
    let mut command = Command::new("systemctl");
    command.arg("--root").arg(&root).arg("is-enabled").args(units);
    // Its status is that of the last unit, and not zero for a masked one.
    let said = Outcome::of(&command.output().expect("running systemctl"));
    fs::remove_dir_all(root).expect("removing a copy");
    said.stdout.lines().map(str::to_owned).collect()
}

/// Nobody has accounts, and nobody is asked for one, whatever would ask.
#[test]
fn whatever_asks_on_the_first_boot_is_masked() {
    const OTHERS: [&str; 3] =
        ["initial-setup.service", "systemd-homed-firstboot.service", "oem-config.service"];
    for name in ["pi-os-bookworm-like", "pi-os-trixie-like"] {
        let changed = Changed::of(name);
        for unit in OTHERS {
            let text = "[Service]\nExecStart=/bin/sh\n[Install]\nWantedBy=multi-user.target\n";
            changed.put(&format!("/usr/lib/systemd/system/{unit}"), text);
        }
        changed.put("/etc/systemd/system/console-conf@.service", "[Service]\nExecStart=/bin/sh\n");
        changed.put("/etc/xdg/autostart/piwiz.desktop", "[Desktop Entry]\nExec=sudo piwiz\n");
        changed.put("/etc/sudoers.d/010_wiz-nopasswd", "rpi-first-boot-wizard ALL=(ALL) NOPASSWD: ALL\n");
        changed.put("/etc/lightdm/lightdm.conf", "[Seat:*]\nautologin-user=rpi-first-boot-wizard\n");
        let asking = ["userconfig.service", "systemd-firstboot.service", OTHERS[0], OTHERS[1], OTHERS[2]];
        let scratch = changed.dir.path();
        let before = is_enabled(&changed.base(), scratch, &asking);
        assert!(before.len() == asking.len() && !before.contains(&"masked".to_owned()), "{before:?}");
        assert_eq!(before[0], "enabled");

        succeed(&mut changed.build("cm4"));
        let image = changed.node();
        check(&image, scratch);
        assert_eq!(is_enabled(&image, scratch, &asking), ["masked"; 5], "{name}");
        assert_eq!(is_enabled(&image, scratch, &["getty@tty1.service"]), ["enabled"], "{name}");
        assert_eq!(is_enabled(&image, scratch, &["console-conf@tty1.service"]), ["masked"], "{name}");
        for gone in [
            "/etc/xdg/autostart/piwiz.desktop",
            "/etc/sudoers.d/010_wiz-nopasswd",
            "/etc/ssh/sshd_config.d/rename_user.conf",
        ] {
            assert_eq!(changed.read(gone), None, "{name}: {gone}");
        }
        let lightdm = changed.read("/etc/lightdm/lightdm.conf").expect("a file");
        assert_eq!(lightdm, "[Seat:*]\n#autologin-user=rpi-first-boot-wizard\n");
    }
}

#[test]
fn an_unknown_program_in_place_of_init_is_refused_by_name() {
    let changed = Changed::of("pi-os-bookworm-like");
    for word in ["init=/usr/lib/mine/setup", "systemd.run=/boot/firmware/firstrun.sh"] {
        changed.put_boot("cmdline.txt", format!("console=tty1 root=PARTUUID=5a0b7c12-02 rootwait {word}\n"));
        fail(&mut changed.build("cm4"), 4, &[word, "cmdline.txt", "remove the word"]);
        assert!(!changed.node().exists());
    }
}

/// The id that the kernel's arguments name is the disk's, or nobody knows what they mean.
#[test]
fn a_disk_id_that_is_not_the_disks_is_an_error() {
    let changed = Changed::of("pi-os-bookworm-like");
    run(Command::new("sfdisk").args(["--quiet", "--disk-id"]).arg(changed.base()).arg("0x12345678"));
    fail(&mut changed.build("cm4"), 4, &["12345678", "5a0b7c12"]);
}

/// Since Ubuntu 24.10 the package is `cloud-init-base`: what counts is what runs.
#[test]
fn cloud_init_is_found_by_its_programs() {
    let changed = Changed::of("ubuntu-pi-24.04-like");
    let status = tools::dump(&changed.base(), "/var/lib/dpkg/status", changed.dir.path()).expect("a list");
    assert!(status.contains("Package: cloud-init\n"));
    changed
        .put("/var/lib/dpkg/status", status.replace("Package: cloud-init\n", "Package: cloud-init-base\n"));
    succeed(&mut changed.build("cm4"));
    let seed = String::from_utf8(mtype(&changed.node(), "user-data")).expect("a text");
    assert!(!seed.contains("chpasswd") && !seed.contains("password: ubuntu"), "{seed}");
    let ours = changed.read("/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg").expect("a file of ours");
    assert!(ours.contains("users: []\n"), "{ours}");
}

/// By every file that cloud-init reads; what it makes of them in the end is what its own code in the base says.
#[test]
fn swap_by_cloud_init_is_found_and_stopped() {
    const MOUNTS: &str = "mounts:\n- [/dev/sda1, /data, ext4]\n- [/dev/sdb, none, swap, sw, '0', '0']\n";
    const SWAP: &str = "swap:\n  filename: /swap.img\n  size: 1G\n";
    let changed = Changed::of("ubuntu-pi-24.04-like");
    changed.put("/etc/cloud/cloud.cfg.d/50-mine.cfg", format!("{SWAP}{MOUNTS}"));
    changed.put_boot("user-data", format!("#cloud-config\n{SWAP}{MOUNTS}locale: C.UTF-8\n"));
    changed.put_boot("vendor-data", format!("#cloud-config\n{SWAP}"));
    changed
        .put("/var/lib/cloud/seed/nocloud/user-data", format!("## template: jinja\n#cloud-config\n{SWAP}"));
    let before = changed.inspected(&changed.base());
    let wanted = [
        "cloud-init (swap in /etc/cloud/cloud.cfg.d/50-mine.cfg)",
        "cloud-init (mounts in /etc/cloud/cloud.cfg.d/50-mine.cfg)",
        "cloud-init (swap in /boot/firmware/user-data)",
        "cloud-init (mounts in /boot/firmware/user-data)",
        "cloud-init (swap in /boot/firmware/vendor-data)",
        "cloud-init (swap in /var/lib/cloud/seed/nocloud/user-data)",
    ];
    assert_eq!(before["system"]["swap"], serde_json::json!(wanted));

    succeed(&mut changed.build("cm4"));
    let (image, scratch) = (changed.node(), changed.dir.path());
    check(&image, scratch);
    assert_eq!(changed.inspected(&image)["system"]["swap"], serde_json::json!([]));
    let seed = String::from_utf8(mtype(&image, "user-data")).expect("a text");
    assert_eq!(seed, "#cloud-config\nmounts:\n- [/dev/sda1, /data, ext4]\nlocale: C.UTF-8\n");

    // cloud-init of the base itself merges its files.
    let root = scratch.join("cloud");
    fs::create_dir_all(&root).expect("a directory");
    debugfs(&image, &format!("rdump /etc/cloud {}", root.display()));
    debugfs(&image, &format!("rdump /usr/lib/python3/dist-packages/cloudinit {}", root.display()));
    let script = "import json, sys\nfrom cloudinit import util\n\
                  merged = util.read_conf_with_confd(sys.argv[1])\n\
                  print(json.dumps({key: merged.get(key) for key in ('swap', 'mounts', 'users')}))\n";
    let mut command = checker("python3");
    command.env("PYTHONPATH", &root).args(["-c", script]).arg(root.join("cloud/cloud.cfg"));
    let merged: Value = serde_json::from_str(run(&mut command).trim()).expect("JSON");
    assert_eq!(merged["swap"]["size"], 0, "{merged}");
    assert_eq!(merged["mounts"], serde_json::json!([["/dev/sda1", "/data", "ext4"]]));
}

/// What may hold accounts or swap that nobody sees is not taken.
#[test]
fn user_data_that_cannot_be_seen_through_is_refused() {
    let changed = Changed::of("ubuntu-pi-24.04-like");
    let parts = "Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n\n--x\n\
                 Content-Type: text/cloud-config\n\nswap: {size: 1G, filename: /s}\n--x--\n";
    for (text, what) in [
        (parts.as_bytes(), "MIME"),
        (b"#include\nhttp://192.0.2.1/x\n", "#include"),
        (b"#cloud-config-archive\n- '#cloud-config'\n", "#cloud-config-archive"),
        (&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff], "gzip"),
    ] {
        changed.put_boot("user-data", text);
        fail(&mut changed.build("cm4"), 3, &["/boot/firmware/user-data", what, "#cloud-config"]);
    }
}

#[test]
fn what_user_data_does_against_the_node_is_a_warning() {
    let changed = Changed::of("ubuntu-pi-24.04-like");
    changed.put_boot(
        "user-data",
        "#cloud-config\nruncmd:\n- curl -sfL https://get.k3s.io | sh -\npower_state:\n  mode: reboot\n",
    );
    changed.put_boot("vendor-data", "#!/bin/sh\nreboot\n");
    let output = changed.build("cm4").output().expect("running hcimage");
    let said = Outcome::of(&output);
    assert!(said.status.success(), "{}", said.both());
    for words in [
        "runcmd in /boot/firmware/user-data handles k3s or another Kubernetes",
        "power_state in /boot/firmware/user-data restarts the node",
        "/boot/firmware/vendor-data runs a program",
    ] {
        assert!(said.stderr.contains("warning: ") && said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    let seed = String::from_utf8(mtype(&changed.node(), "user-data")).expect("a text");
    assert!(seed.contains("get.k3s.io"), "it is the owner's, and stays: {seed}");
}
