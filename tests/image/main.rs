//! Images: base in, node image out, judged by e2fsck, fsck.fat, sfdisk, sgdisk, debugfs, mtools and ext4-view.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_wrap,
    unreachable_pub,
    missing_docs,
    reason = "a test fails by panicking, and its helpers are for all its files"
)]

mod access;
mod networks;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::base::{K3S_VERSION, base, make_release};
use support::hcimage::{build, hcimage, succeed};
use support::tools::{debugfs, judge, mtype};
use support::tree::{boot_tree, hex, root_tree};
use tempfile::TempDir;

/// A base, the board that it is for, and where it mounts its FAT partition.
struct Case {
    base: &'static str,
    board: &'static str,
    boot: &'static str,
}

/// A node image and what was said of it.
struct Node {
    folder: TempDir,
    base: PathBuf,
    image: PathBuf,
    manifest: Value,
    case: Case,
}

const MANIFEST: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n";

/// What the node is to be.
const ARGUMENTS: [&str; 12] = [
    "--hostname",
    "node-7",
    "--address",
    "192.168.7.2/24",
    "--gateway",
    "192.168.7.1",
    "--dns",
    "192.168.7.1",
    "--manifest",
    "shop.yaml",
    "--data-disk",
    "k8s-data",
];

fn node(case: Case) -> Node {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let base = base(case.base);
    fs::write(folder.path().join("shop.yaml"), MANIFEST).expect("writing a manifest");
    let mut command = build(folder.path(), case.board, &base);
    command.args(ARGUMENTS).args(["--output", "node.img"]);
    succeed(&mut command);
    let image = folder.path().join("node.img");
    let manifest = fs::read_to_string(folder.path().join("node.img.manifest.json"))
        .expect("the manifest beside the image");
    let manifest = serde_json::from_str(&manifest).expect("the manifest is JSON");
    Node { folder, base, image, manifest, case }
}

impl Node {
    fn text(&self, path: &str) -> String {
        let file = self.folder.path().join("dumped");
        if let Some(name) = path.strip_prefix(&format!("{}/", self.case.boot)) {
            return String::from_utf8(mtype(&self.image, name)).expect("a text");
        }
        debugfs(&self.image, &format!("dump {path} {}", file.display()));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
        fs::remove_file(&file).expect("removing a dump");
        text
    }

    /// Everything that is the same for every base.
    fn judge(&self) {
        judge(&self.image, self.folder.path());
        self.nothing_else_changed();
        self.same_bytes_again();
        self.nothing_is_done_twice();
        assert_eq!(self.text("/etc/hostname"), "node-7\n");
        assert!(self.text("/etc/hosts").contains("127.0.1.1\tnode-7"), "{}", self.text("/etc/hosts"));
        let fstab = self.text("/etc/fstab");
        assert!(fstab.contains("LABEL=k8s-data /k8s-data ext4 defaults,nofail 0 2\n"), "{fstab}");
        assert!(!fstab.lines().any(|line| line.split_whitespace().nth(2) == Some("swap")), "{fstab}");
        assert_eq!(self.text("/var/lib/rancher/k3s/server/manifests/shop.yaml"), MANIFEST);
        assert!(
            !self.text("/etc/rancher/k3s/config.yaml").contains("prefer-bundled-bin"),
            "iptables is new enough"
        );
        assert!(
            !self.text("/etc/systemd/system/k3s.service.env").contains("KUBECONFIG_MODE"),
            "nobody asked"
        );
        let enabled = debugfs(&self.image, "ls -p /etc/systemd/system/multi-user.target.wants");
        assert!(enabled.contains("hc-firstboot.service") && !enabled.contains("/k3s.service/"), "{enabled}");
    }

    /// The change list is the whole difference between base and image, and true for each path.
    fn nothing_else_changed(&self) {
        let (before, after) = (root_tree(&self.base), root_tree(&self.image));
        let boot_prefix = format!("{}/", self.case.boot);
        let changes = self.manifest["changes"].as_array().expect("a list of changes");
        let (mut listed, mut listed_boot) = (BTreeSet::new(), BTreeSet::new());
        for change in changes {
            let path = change["path"].as_str().expect("a path");
            let now = &change["now"];
            if let Some(name) = path.strip_prefix(&boot_prefix) {
                assert_eq!(now["sha256"], hex(&mtype(&self.image, name)), "{path}");
                listed_boot.insert(name.to_owned());
                continue;
            }
            listed.insert(path.to_owned());
            // By debugfs: ext4-view 1.0 reads what lies on the disk below unwritten extents, as of a fresh swap file,
            // where the kernel, debugfs and hcimage read zeros.
            let old = before.get(path).filter(|node| node.kind == "Regular");
            assert_eq!(change["old_sha256"].as_str(), old.map(|_| self.dumped(path)).as_deref(), "{path}");
            let Some(node) = after.get(path) else {
                assert_eq!(now["kind"], "removed", "{path}");
                continue;
            };
            match now["kind"].as_str().expect("a kind") {
                "file" => assert_eq!(now["sha256"], *node.content, "{path}"),
                "link" => assert_eq!(now["target"], *node.content, "{path}"),
                "folder" => assert_eq!(node.kind, "Directory", "{path}"),
                other => panic!("{path} is said to be {other}, but is there"),
            }
            if let Some(mode) = now["mode"].as_str() {
                let owner = (now["uid"].as_u64(), now["gid"].as_u64());
                assert_eq!(mode, format!("{:04o}", node.mode), "{path}");
                assert_eq!(owner, (Some(node.uid.into()), Some(node.gid.into())), "{path}");
            }
        }
        let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for path in paths {
            assert!(
                listed.contains(path) || before.get(path) == after.get(path),
                "{path} changed, but is not listed"
            );
        }
        let scratch = self.folder.path();
        let (before, after) = (boot_tree(&self.base, scratch), boot_tree(&self.image, scratch));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            assert!(
                listed_boot.contains(name) || before.get(name) == after.get(name),
                "{name} on the FAT changed"
            );
        }
    }

    /// The digest of a file of the base.
    fn dumped(&self, path: &str) -> String {
        let file = self.folder.path().join("dumped");
        debugfs(&self.base, &format!("dump {path} {}", file.display()));
        let digest = hex(&fs::read(&file).expect("reading a dump"));
        fs::remove_file(&file).expect("removing a dump");
        digest
    }

    fn same_bytes_again(&self) {
        let mut command = build(self.folder.path(), self.case.board, &self.base);
        succeed(command.args(ARGUMENTS).args(["--output", "again.img"]));
        let again = self.folder.path().join("again.img");
        support::tools::run(Command::new("cmp").arg(&self.image).arg(&again));
        fs::remove_file(again).expect("removing the second image");
    }

    /// Built once more from what was built: nothing is left to do.
    fn nothing_is_done_twice(&self) {
        let mut command = build(self.folder.path(), self.case.board, &self.image);
        command.args(ARGUMENTS).args(["--output", "twice.img", "--json"]);
        let said: Value = serde_json::from_str(&succeed(&mut command)).expect("JSON");
        let manifest = self.folder.path().join("twice.img.manifest.json");
        assert_eq!(said["changes"], 0, "{}", fs::read_to_string(manifest).unwrap_or_default());
        let twice = self.folder.path().join("twice.img");
        support::tools::run(Command::new("cmp").arg(&self.image).arg(&twice));
        fs::remove_file(twice).expect("removing the third image");
    }

    fn masked(&self, unit: &str) -> bool {
        debugfs(&self.image, &format!("stat /etc/systemd/system/{unit}"))
            .contains("Fast link dest: \"/dev/null\"")
    }

    fn exists(&self, path: &str) -> bool {
        !debugfs(&self.image, &format!("stat {path}")).contains("File not found")
    }

    /// One line, with the cgroup words, and what the base had before them.
    fn judge_cmdline(&self) {
        let text = self.text(&format!("{}/cmdline.txt", self.case.boot));
        let old = String::from_utf8(mtype(&self.base, "cmdline.txt")).expect("a text");
        assert_eq!(text.trim(), format!("{} cgroup_memory=1 cgroup_enable=memory", old.trim()));
        assert_eq!(text.lines().count(), 1);
    }
}

#[test]
fn debian_on_a_pi() {
    let node = node(Case { base: "debian-pi-arm64", board: "cm4", boot: "/boot/firmware" });
    node.judge();
    node.judge_cmdline();
    let extra = node.text("/etc/default/raspi-extra-cmdline");
    assert!(extra.contains("cgroup_memory=1 cgroup_enable=memory"), "{extra}");
    judge_keyfile(&node);
    assert!(node.masked("dphys-swapfile.service") && !node.exists("/var/swap"));
}

#[test]
fn raspberry_pi_os_bookworm() {
    let node = node(Case { base: "pi-os-bookworm-like", board: "cm4", boot: "/boot/firmware" });
    node.judge();
    node.judge_cmdline();
    judge_keyfile(&node);
    assert!(node.masked("dphys-swapfile.service") && !node.exists("/var/swap"));
    assert!(node.text("/etc/dphys-swapfile").lines().any(|line| line == "CONF_SWAPSIZE=0"));
    for link in ["/etc/rc2.d/S01dphys-swapfile", "/etc/rc0.d/K01dphys-swapfile"] {
        assert!(!node.exists(link), "{link}");
    }
}

#[test]
fn raspberry_pi_os_bullseye() {
    let node = node(Case { base: "pi-os-bullseye-like", board: "cm4", boot: "/boot" });
    node.judge();
    node.judge_cmdline();
    let dhcpcd = node.text("/etc/dhcpcd.conf");
    let block: Vec<&str> = dhcpcd.lines().skip_while(|line| *line != "interface eth0").collect();
    let wanted = [
        "static ip_address=192.168.7.2/24",
        "static routers=192.168.7.1",
        "static domain_name_servers=192.168.7.1",
    ];
    for line in wanted {
        assert!(block.contains(&line), "{line} is not below `interface eth0`:\n{dhcpcd}");
    }
    assert!(node.masked("dphys-swapfile.service") && !node.exists("/var/swap"));
}

#[test]
fn raspberry_pi_os_trixie() {
    let node = node(Case { base: "pi-os-trixie-like", board: "cm4", boot: "/boot/firmware" });
    node.judge();
    node.judge_cmdline();
    judge_keyfile(&node);
    assert_eq!(node.text("/etc/machine-id"), "uninitialized\n", "the base's first boot depends on it");
    assert!(node.text("/etc/rpi/swap.conf.d/90-hcimage.conf").contains("Mechanism=none"));
    let cloud = node.text("/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg");
    assert!(cloud.contains("preserve_hostname: true"), "{cloud}");
}

#[test]
fn debian_on_a_pc() {
    let node = node(Case { base: "debian-pc-amd64", board: "pc", boot: "/boot/efi" });
    node.judge();
    judge_keyfile(&node);
    let grub = node.text("/boot/grub/grub.cfg");
    let kernels: Vec<&str> = grub.lines().filter(|line| line.trim_start().starts_with("linux")).collect();
    assert!(
        !kernels.is_empty()
            && kernels.iter().all(|line| line.trim_end().ends_with("cgroup_memory=1 cgroup_enable=memory")),
        "{grub}"
    );
    assert!(node.text("/etc/default/grub.d/90-hcimage.cfg").contains("cgroup_enable=memory"));
}

fn judge_keyfile(node: &Node) {
    let path = "/etc/NetworkManager/system-connections/hcimage.nmconnection";
    let keyfile = node.text(path);
    assert!(keyfile.contains("address1=192.168.7.2/24"), "{keyfile}");
    let stat = debugfs(&node.image, &format!("stat {path}"));
    assert!(stat.contains("Mode:  0600") && stat.contains("User:     0   Group:     0"), "{stat}");
}

/// A bundle that has no room in the base: partition and file system grow, on MBR and on GPT.
#[test]
fn an_image_that_is_too_small_is_grown() {
    let release = make_release(&["--pad-images", "700000000"]);
    for (name, board) in [("pi-os-bookworm-like", "cm4"), ("debian-pc-amd64", "pc")] {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let base = base(name);
        let mut command = hcimage(folder.path());
        command.args(["build", "--board", board, "--output", "node.img", "--base"]).arg(&base);
        let said = succeed(command.arg("--k3s").arg(release.path().join(K3S_VERSION)).arg("--json"));
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let image = folder.path().join("node.img");
        let grown = said["grown"].as_u64().expect("a number of bytes");
        assert!(grown > 0 && size(&image) == size(&base) + grown, "{said}");
        judge(&image, folder.path());
        let arch = if board == "pc" { "amd64" } else { "arm64" };
        let archive = format!("k3s-airgap-images-{arch}.tar.zst");
        let path = format!("/var/lib/rancher/k3s/agent/images/{archive}");
        debugfs(&image, &format!("dump {path} {}", folder.path().join("dumped").display()));
        let original = release.path().join(K3S_VERSION).join(&archive);
        support::tools::run(Command::new("cmp").arg(original).arg(folder.path().join("dumped")));
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).len()
}

#[test]
fn inspect_ls_and_cat_read_any_base() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for (name, boot, system) in [
        ("debian-pi-arm64", "/boot/firmware", "Debian on a Raspberry Pi bookworm"),
        ("pi-os-bookworm-like", "/boot/firmware", "Raspberry Pi OS bookworm"),
        ("pi-os-bullseye-like", "/boot", "Raspberry Pi OS bullseye"),
        ("debian-pc-amd64", "/boot/efi", "Debian on a PC bookworm"),
    ] {
        let base = base(name);
        let said = succeed(hcimage(folder.path()).arg("inspect").arg(&base));
        assert!(said.contains(system) && said.contains(boot), "{said}");
        let json = succeed(hcimage(folder.path()).args(["inspect", "--json"]).arg(&base));
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert!(json["system"]["free_bytes"].as_u64().is_some_and(|free| free > 0), "{json}");
        let listed = succeed(hcimage(folder.path()).arg("ls").arg(format!("{}:{boot}", base.display())));
        let wanted = if boot == "/boot/efi" { "EFI" } else { "config.txt" };
        assert!(listed.contains(wanted), "{listed}");
        // Through a link in the middle, and on either partition.
        let shell =
            succeed(hcimage(folder.path()).arg("cat").arg(format!("{}:/etc/os-release", base.display())));
        assert!(shell.contains("ID=debian"), "{shell}");
    }
}
