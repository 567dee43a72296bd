//! Images: base in, node image out, judged by e2fsck, fsck.fat, sfdisk, sgdisk, debugfs, mtools and ext4-view.

#![cfg(test)]

mod access;
mod cluster;
mod facts;
mod first_boots;
mod networks;
mod real;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use access::dump;
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release, make_release};
use hcimage_testkit::hcimage::{build, fail, hcimage, succeed, succeed_loudly};
use hcimage_testkit::tools::{assert_same_bytes, check, debugfs, debugfs_put, entries, mtype, run};
use hcimage_testkit::tree::{boot_tree, hex, root_tree};
use serde_json::Value;
use tempfile::TempDir;

const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests/";

/// A base, the board that it is for, where it mounts its FAT partition, and what the node is to be.
struct Case {
    base: &'static str,
    board: &'static str,
    boot: &'static str,
    arguments: &'static [&'static str],
}

impl Case {
    /// With a static address.
    fn new(base: &'static str, board: &'static str, boot: &'static str) -> Self {
        Self { base, board, boot, arguments: &ARGUMENTS }
    }

    /// With the address that the network gives.
    fn by_dhcp(base: &'static str, board: &'static str, boot: &'static str) -> Self {
        Self { arguments: &BY_DHCP, ..Self::new(base, board, boot) }
    }
}

/// A node image and what was said of it.
struct Node {
    dir: TempDir,
    base: PathBuf,
    image: PathBuf,
    manifest: Value,
    case: Case,
}

/// The base whose `/boot` is a file system of its own, from this sector on.
const UBUNTU_CLOUD: &str = "ubuntu-cloud-amd64-like";
const UBUNTU_CLOUD_BOOT: u64 = 227_328;

/// What a node is to be whose address the network gives.
const BY_DHCP: [&str; 6] = ["--hostname", "node-7", "--manifest", "shop.yaml", "--data-disk", "k8s-data"];

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
    let dir = tempfile::tempdir().expect("a directory for the test");
    let base = base(case.base);
    fs::write(dir.path().join("shop.yaml"), MANIFEST).expect("writing a manifest");
    let mut command = build(dir.path(), case.board, &base);
    command.args(case.arguments).args(["--output", "node.img"]);
    succeed(&mut command);
    let image = dir.path().join("node.img");
    let manifest =
        fs::read_to_string(dir.path().join("node.img.manifest.json")).expect("the manifest beside the image");
    let manifest = serde_json::from_str(&manifest).expect("the manifest is JSON");
    Node { dir, base, image, manifest, case }
}

impl Node {
    fn text(&self, path: &str) -> String {
        if let Some(name) = path.strip_prefix(&format!("{}/", self.case.boot)) {
            return String::from_utf8(mtype(&self.image, name)).expect("a text");
        }
        dump(&self.image, path, self.dir.path())
    }

    /// Everything that is the same for every base.
    fn check(&self) {
        check(&self.image, self.dir.path());
        self.nothing_else_changed();
        self.same_bytes_again();
        self.nothing_is_done_twice();
        assert_eq!(self.text("/etc/hostname"), "node-7\n");
        assert!(self.text("/etc/hosts").contains("127.0.1.1\tnode-7"), "{}", self.text("/etc/hosts"));
        let fstab = self.text("/etc/fstab");
        assert!(
            fstab.contains("LABEL=k8s-data /k8s-data ext4 defaults,noatime,nosuid,nodev,nofail 0 2\n"),
            "{fstab}"
        );
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
            if path == "/boot/grub/grub.cfg" && self.case.base == UBUNTU_CLOUD {
                continue; // on a third file system: see `ubuntu_cloud_image`
            }
            if let Some(name) = path.strip_prefix(&boot_prefix) {
                let digest = (!may_be_secret(path)).then(|| hex(&mtype(&self.image, name)));
                assert_eq!(now["sha256"].as_str(), digest.as_deref(), "{path}");
                listed_boot.insert(name.to_owned());
                continue;
            }
            listed.insert(path.to_owned());
            // By debugfs: ext4-view 1.0 reads what lies on the disk below unwritten extents, as of a fresh swap file,
            // where the kernel, debugfs and hcimage read zeros.
            let old = before.get(path).filter(|node| node.kind == "Regular" && !may_be_secret(path));
            assert_eq!(change["old_sha256"].as_str(), old.map(|_| self.dumped(path)).as_deref(), "{path}");
            let Some(node) = after.get(path) else {
                assert_eq!(now["kind"], "removed", "{path}");
                continue;
            };
            match now["kind"].as_str().expect("a kind") {
                "file" if may_be_secret(path) => assert_eq!(now["sha256"], Value::Null, "{path}"),
                "file" => {
                    assert_eq!(now["sha256"], *node.content, "{path}");
                    self.names_no_disk_id(path);
                }
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
        assert!(listed.len() > 20, "{listed:?}");
        let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for path in paths {
            assert!(
                listed.contains(path) || before.get(path) == after.get(path),
                "{path} changed, but is not listed"
            );
        }
        let scratch = self.dir.path();
        let (before, after) = (boot_tree(&self.base, scratch), boot_tree(&self.image, scratch));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            assert!(
                listed_boot.contains(name) || before.get(name) == after.get(name),
                "{name} on the FAT changed"
            );
        }
    }

    /// A first boot of Raspberry Pi OS changes the disk's id, and fixes only what its own files say of it.
    fn names_no_disk_id(&self, path: &str) {
        let small = self.manifest["changes"].as_array().is_some_and(|changes| {
            let size = changes.iter().find(|change| change["path"] == path);
            size.and_then(|change| change["now"]["size"].as_u64()).is_some_and(|size| size < 1 << 20)
        });
        let mended = ["/etc/fstab", "/boot/grub/grub.cfg"].contains(&path);
        if small && !mended {
            let text = debugfs(&self.image, &format!("cat {path}"));
            assert!(!text.contains("PARTUUID="), "{path}: {text}");
        }
    }

    /// The digest of a file of the base.
    fn dumped(&self, path: &str) -> String {
        let file = self.dir.path().join("dumped");
        debugfs(&self.base, &format!("dump {path} {}", file.display()));
        let digest = hex(&fs::read(&file).expect("reading a dump"));
        fs::remove_file(&file).expect("removing a dump");
        digest
    }

    fn same_bytes_again(&self) {
        let mut command = build(self.dir.path(), self.case.board, &self.base);
        succeed(command.args(self.case.arguments).args(["--output", "again.img"]));
        let again = self.dir.path().join("again.img");
        assert_same_bytes(&self.image, &again);
        fs::remove_file(again).expect("removing the second image");
    }

    /// Built once more from what was built: nothing is left to do.
    fn nothing_is_done_twice(&self) {
        let mut command = build(self.dir.path(), self.case.board, &self.image);
        command.args(self.case.arguments).args(["--output", "twice.img", "--json"]);
        let said: Value = serde_json::from_str(&succeed(&mut command)).expect("JSON");
        let manifest = self.dir.path().join("twice.img.manifest.json");
        assert_eq!(said["nodes"][0]["partition_table"], Value::Null);
        assert_eq!(said["nodes"][0]["changes"], 0, "{}", fs::read_to_string(manifest).unwrap_or_default());
        let twice = self.dir.path().join("twice.img");
        assert_same_bytes(&self.image, &twice);
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
    fn check_cmdline(&self) {
        self.check_cmdline_at("cmdline.txt");
    }

    fn check_cmdline_at(&self, name: &str) {
        let text = self.text(&format!("{}/{name}", self.case.boot));
        let old = String::from_utf8(mtype(&self.base, name)).expect("a text");
        let old = self.after_the_init_program(&old);
        assert_eq!(text.trim(), format!("{} cgroup_memory=1 cgroup_enable=memory", old.trim()));
        assert_eq!(text.lines().count(), 1);
    }
}

impl Node {
    /// What Raspberry Pi OS runs in place of init until bookworm is done already: its word is gone, and the disk has an id
    /// of its own, which all that name it know. Any other text is as it was.
    fn after_the_init_program(&self, cmdline: &str) -> String {
        const WORD: &str = " init=/usr/lib/raspberrypi-sys-mods/firstboot";
        let id = |image: &Path| {
            let said = run(Command::new("sfdisk").arg("--disk-id").arg(image));
            said.trim().trim_start_matches("0x").to_owned()
        };
        if !cmdline.contains(WORD) {
            assert_eq!(id(&self.base), id(&self.image), "the base takes care of it, or needs none");
            return cmdline.to_owned();
        }
        let (old, new) = (id(&self.base), id(&self.image));
        assert_ne!(old, new);
        let told = self.manifest["partition_table"].as_str().expect("a change of the table");
        assert!(told.contains(&new) && told.contains(&old), "{told}");
        let fstab = self.text("/etc/fstab");
        assert!(!fstab.contains(&old) && fstab.contains(&format!("PARTUUID={new}-02  /")), "{fstab}");
        assert!(fstab.contains(&format!("PARTUUID={new}-01")), "{fstab}");
        let boot_code = |image: &Path| {
            let mut code = [0; 440];
            fs::File::open(image).and_then(|mut file| file.read_exact(&mut code)).expect("a first sector");
            code
        };
        assert_eq!(boot_code(&self.base), boot_code(&self.image));
        assert_ne!(boot_code(&self.image), [0; 440]);
        cmdline.replace(WORD, "").replace(&old, &new)
    }
}

/// What is listed without its digest, by which one could guess at it.
fn may_be_secret(path: &str) -> bool {
    path.starts_with(MANIFESTS) || path == "/etc/shadow" || path.ends_with("/user-data")
}

#[test]
fn debian_on_a_pi() {
    let node = node(Case::new("debian-pi-arm64", "cm4", "/boot/firmware"));
    node.check();
    node.check_cmdline();
    let extra = node.text("/etc/default/raspi-extra-cmdline");
    assert!(extra.contains("cgroup_memory=1 cgroup_enable=memory"), "{extra}");
    check_keyfile(&node);
    assert!(node.masked("dphys-swapfile.service") && !node.exists("/var/swap"));
}

/// The table of Debian 13's image: see docs/decisions/0012.
#[test]
fn debian_on_a_pi_with_a_hybrid_mbr() {
    let node = node(Case::new("debian-pi-hybrid-arm64", "cm4", "/boot/firmware"));
    node.check();
    node.check_cmdline();
    let change = node.manifest["partition_table"].as_str().expect("a change of the table");
    assert!(change.contains("FAT first"), "{change}");
    let [before, after] = [&node.base, &node.image].map(|image| entries(image, true));
    let started = |entries: &[String]| -> Vec<String> {
        entries.iter().map(|entry| entry.split(",size").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(started(&before), ["1:start=2048", "2:start=1", "3:start=1048576"]);
    assert_eq!(started(&after), ["1:start=2048", "3:start=1", "4:start=1048576"]);
    // The partitions themselves, with their ids, are those of the base.
    assert_eq!(entries(&node.base, false), entries(&node.image, false));
    assert!(node.text("/etc/fstab").contains("PARTUUID=5a0b7c1e-0000-4000-8000-000000000011 / ext4 "));
    assert!(node.masked("systemd-firstboot.service"));
    assert!(!node.exists("/etc/cloud"), "there is no cloud-init to be kept from anything");
}

#[test]
fn raspberry_pi_os_bookworm() {
    let node = node(Case::new("pi-os-bookworm-like", "cm4", "/boot/firmware"));
    node.check();
    node.check_cmdline();
    check_keyfile(&node);
    assert!(node.masked("dphys-swapfile.service") && !node.exists("/var/swap"));
    assert!(node.text("/etc/dphys-swapfile").lines().any(|line| line == "CONF_SWAPSIZE=0"));
    for link in ["/etc/rc2.d/S01dphys-swapfile", "/etc/rc0.d/K01dphys-swapfile"] {
        assert!(!node.exists(link), "{link}");
    }
}

/// 32-bit programs below a kernel that may be a 64-bit one.
#[test]
fn raspberry_pi_os_bookworm_of_32_bits() {
    let node = node(Case::new("pi-os-bookworm-armhf-like", "pi2", "/boot/firmware"));
    node.check();
    node.check_cmdline();
    check_keyfile(&node);
    for path in ["/usr/local/bin/k3s", "/usr/local/lib/hcimage/hc-firstboot"] {
        let program = node.dir.path().join("program");
        debugfs(&node.image, &format!("dump {path} {}", program.display()));
        let header = run(Command::new("readelf").arg("-hW").arg(&program));
        for words in ["ELF32", "ARM\n", "Version5 EABI, hard-float ABI"] {
            assert!(header.contains(words), "{path}: no {words:?} in {header}");
        }
        let segments = run(Command::new("readelf").arg("-lW").arg(&program));
        assert!(!segments.contains("INTERP"), "{path} would need the image's C library");
    }
    let images = "/var/lib/rancher/k3s/agent/images/k3s-airgap-images-arm.tar.zst";
    let archive = node.dir.path().join("images");
    debugfs(&node.image, &format!("dump {images} {}", archive.display()));
    assert_same_bytes(&k3s_release().join(K3S_VERSION).join("k3s-airgap-images-arm.tar.zst"), &archive);
}

#[test]
fn raspberry_pi_os_bullseye() {
    let node = node(Case::new("pi-os-bullseye-like", "cm4", "/boot"));
    node.check();
    node.check_cmdline();
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
    let node = node(Case::new("pi-os-trixie-like", "cm4", "/boot/firmware"));
    node.check();
    node.check_cmdline();
    check_keyfile(&node);
    assert_eq!(node.text("/etc/machine-id"), "uninitialized\n", "the base's first boot depends on it");
    assert!(node.text("/etc/rpi/swap.conf.d/90-hcimage.conf").contains("Mechanism=none"));
    let cloud = node.text("/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg");
    assert!(cloud.contains("preserve_hostname: true"), "{cloud}");
}

#[test]
fn debian_on_a_pc() {
    let node = node(Case::new("debian-pc-amd64", "pc", "/boot/efi"));
    node.check();
    check_keyfile(&node);
    let grub = node.text("/boot/grub/grub.cfg");
    let kernels: Vec<&str> = grub.lines().filter(|line| line.trim_start().starts_with("linux")).collect();
    assert!(
        !kernels.is_empty()
            && kernels.iter().all(|line| line.trim_end().ends_with("cgroup_memory=1 cgroup_enable=memory")),
        "{grub}"
    );
    assert!(node.text("/etc/default/grub.d/90-hcimage.cfg").contains("cgroup_enable=memory"));
}

#[test]
fn ubuntu_on_a_pi_with_a_flat_boot_dir() {
    let node = node(Case::new("ubuntu-pi-24.04-like", "pi4", "/boot/firmware"));
    node.check();
    node.check_cmdline();
    // A static address is netplan's here, and cloud-init must not set up the same interface by DHCP.
    let changes = node.manifest["changes"].as_array().expect("a list of changes");
    let paths = changes.iter().filter_map(|change| change["path"].as_str());
    let netplan: Vec<&str> = paths.filter(|path| path.starts_with("/etc/netplan/")).collect();
    let [path] = netplan.as_slice() else { panic!("{netplan:?}") };
    assert!(node.text(path).contains("192.168.7.2/24"), "{}", node.text(path));
    let cloud = node.text("/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg");
    assert!(cloud.contains("network:\n  config: disabled\n"), "{cloud}");
    // The seed's default account, whose password everybody knows, is not made; what is said besides stays.
    assert!(cloud.contains("\nusers: []\n"), "{cloud}");
    let seed = String::from_utf8(mtype(&node.base, "user-data")).expect("a text");
    assert!(seed.contains("password: ubuntu") && seed.contains("ssh_pwauth: false"), "{seed}");
    let seed = node.text("/boot/firmware/user-data");
    let settings: Vec<&str> =
        seed.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(settings == ["{}"] && seed.contains("#hostname: ubuntu"), "{seed}");
}

/// The words go into the directory that `os_prefix` names, and nothing into the one of a trial.
#[test]
fn ubuntu_on_a_pi_with_a_boot_prefix() {
    let node = node(Case::by_dhcp("ubuntu-pi-26.04-like", "pi5", "/boot/firmware"));
    node.check();
    node.check_cmdline_at("current/cmdline.txt");
    check_cloud_network(&node);
}

/// Nothing but cloud-init sets up the network there, so it must go on.
fn check_cloud_network(node: &Node) {
    let cloud = node.text("/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg");
    assert!(cloud.contains("preserve_hostname: true") && !cloud.contains("network:"), "{cloud}");
}

/// A cloud image has no seed: cloud-init would set up nothing, and the port would stay without an address.
fn check_own_dhcp(node: &Node) {
    let cloud = node.text("/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg");
    assert!(cloud.contains("network:\n  config: disabled\n"), "{cloud}");
    let netplan = node.text("/etc/netplan/99-hcimage.yaml");
    assert!(netplan.contains("dhcp4: true"), "{netplan}");
}

/// 22.04's kernel for the Pi has no vxlan in its main package: refused by name, with both fixes.
#[test]
fn a_kernel_without_vxlan_is_refused() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let mut command = build(dir.path(), "cm4", &base("ubuntu-pi-22.04-like"));
    let words = ["5.15.0-1061-raspi", "vxlan", "host-gw", "wireguard-native", "linux-modules-extra"];
    fail(&mut command, 3, &words);

    // Where the cluster does without it, it is good enough.
    let cluster = "schema = 1\nname = \"lab\"\n\n[k3s]\nflannel-backend = \"host-gw\"\n\n\
                   [[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\n";
    fs::write(dir.path().join("cluster.toml"), cluster).expect("writing a cluster file");
    let mut command = hcimage(dir.path());
    command.args(["plan", "--k3s"]).arg(k3s_release().join(K3S_VERSION));
    succeed(command.arg("--base").arg(base("ubuntu-pi-22.04-like")));
}

/// GRUB's configuration lies on a file system of its own, which is judged too.
#[test]
fn ubuntu_cloud_image() {
    let node = node(Case::by_dhcp(UBUNTU_CLOUD, "pc", "/boot/efi"));
    node.check();
    check_own_dhcp(&node);
    let place = format!("{}?offset={}", node.image.display(), 512 * UBUNTU_CLOUD_BOOT);
    run(Command::new("e2fsck").args(["-fn", &place]));
    let grub = run(Command::new("debugfs").args(["-R", "cat /grub/grub.cfg", &place]));
    check_grub(&grub, 3);
    assert!(node.text("/etc/default/grub.d/90-hcimage.cfg").contains("cgroup_enable=memory"));
    assert!(!node.exists("/boot/grub/grub.cfg"), "the root has only the mount point");
}

#[test]
fn debian_cloud_image_for_arm64() {
    let node = node(Case::by_dhcp("debian-cloud-arm64-like", "pc-arm64", "/boot/efi"));
    node.check();
    check_own_dhcp(&node);
    check_grub(&node.text("/boot/grub/grub.cfg"), 3);
}

fn check_grub(config: &str, entries: usize) {
    let lines = config.lines().filter(|line| line.trim_start().starts_with("linux"));
    let with_words = lines.clone().filter(|line| line.ends_with(" cgroup_memory=1 cgroup_enable=memory"));
    assert_eq!((lines.count(), with_words.count()), (entries, entries), "{config}");
}

/// All that could switch swap on, in one base: found, and stopped for good.
#[test]
fn every_kind_of_swap_is_stopped() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let copy = dir.path().join("base.img");
    run(Command::new("cp").arg("--sparse=always").arg(base("ubuntu-pi-24.04-like")).arg(&copy));
    let put = |text: &str, path: &str| debugfs_put(&copy, text, path, dir.path());
    let fstab = "LABEL=writable / ext4 defaults 0 1\nLABEL=system-boot /boot/firmware vfat defaults 0 1\n\
                 /swap.img\tnone\tswap\tsw\t0\t0\nUUID=6b86b273-ff34-4ce1-9d6b-804eff5a3f57 none swap sw 0 0\n";
    put(fstab, "/etc/fstab");
    put("placeholder", "/swap.img");
    put("[Swap]\nWhat=/extra\n", "/etc/systemd/system/extra.swap");
    put("[zram0]\n", "/etc/systemd/zram-generator.conf");
    put("placeholder", "/usr/lib/systemd/system-generators/zram-generator");
    let status = dump(&copy, "/var/lib/dpkg/status", dir.path());
    put(
        &format!("{status}\nPackage: zram-tools\nStatus: install ok installed\nVersion: 0.3.7-1\n"),
        "/var/lib/dpkg/status",
    );
    let inspected = succeed(hcimage(dir.path()).args(["inspect", "--json"]).arg(&copy));
    let inspected: Value = serde_json::from_str(&inspected).expect("JSON");
    let wanted = [
        "zram-generator",
        "zramswap.service",
        "fstab (/swap.img)",
        "fstab (UUID=6b86b273-ff34-4ce1-9d6b-804eff5a3f57)",
        "extra.swap",
    ];
    assert_eq!(inspected["system"]["swap"], serde_json::json!(wanted));

    succeed(build(dir.path(), "pi4", &copy).args(["--output", "node.img"]));
    let image = dir.path().join("node.img");
    check(&image, dir.path());
    assert!(!dump(&image, "/etc/fstab", dir.path()).contains("swap"));
    assert!(debugfs(&image, "stat /swap.img").contains("File not found"));
    for path in [
        "/etc/systemd/system/extra.swap",
        "/etc/systemd/system/zramswap.service",
        "/etc/systemd/system-generators/zram-generator",
    ] {
        let stat = debugfs(&image, &format!("stat {path}"));
        assert!(stat.contains("Fast link dest: \"/dev/null\""), "{path}: {stat}");
    }
    let after = succeed(hcimage(dir.path()).args(["inspect", "--json"]).arg(&image));
    let after: Value = serde_json::from_str(&after).expect("JSON");
    let left: Vec<&str> =
        after["system"]["swap"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(left, ["zramswap.service"], "the package is still there, its service is masked");
}

/// systemd would switch a partition of this type on without a line in fstab; tests/boot/vlan.rs asks a running kernel.
#[test]
fn a_swap_partition_on_a_gpt_is_stopped() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let copy = dir.path().join("base.img");
    run(Command::new("cp").arg("--sparse=always").arg(base("debian-pc-amd64")).arg(&copy));
    let file = fs::OpenOptions::new().write(true).open(&copy).expect("the copy");
    file.set_len(size(&copy) + (64 << 20)).expect("room for a partition");
    run(Command::new("sgdisk").args(["-e", "-n", "9:0:0", "-t", "9:8200"]).arg(&copy));
    let inspected = succeed(hcimage(dir.path()).args(["inspect", "--json"]).arg(&copy));
    let inspected: Value = serde_json::from_str(&inspected).expect("JSON");
    let swap = inspected["system"]["swap"].to_string();
    assert!(swap.contains("partition 9"), "{swap}");
    succeed(build(dir.path(), "pc", &copy).args(["--output", "node.img"]));
    let masked = "stat /etc/systemd/system-generators/systemd-gpt-auto-generator";
    let masked = debugfs(&dir.path().join("node.img"), masked);
    assert!(masked.contains("Fast link dest: \"/dev/null\""), "{masked}");
}

/// sgdisk and parted complain of a backup that is elsewhere, and Raspberry Pi Imager writes only whole sectors.
#[test]
fn every_image_ends_as_tools_want_it() {
    for (name, board, is_gpt) in [("debian-pc-amd64", "pc", true), ("pi-os-bookworm-like", "cm4", false)] {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let copy = dir.path().join("base.img");
        run(Command::new("cp").arg("--sparse=always").arg(base(name)).arg(&copy));
        let file = fs::OpenOptions::new().write(true).open(&copy).expect("the copy");
        file.set_len(size(&copy) + (1 << 20) + 100).expect("a longer copy");
        succeed(build(dir.path(), board, &copy).args(["--output", "node.img"]));
        let image = dir.path().join("node.img");
        assert_eq!(size(&image), size(&copy) - 100 + 512, "{name}");
        check(&image, dir.path());
        let verdict = Command::new("sgdisk").arg("--verify").arg(&image).output().expect("sgdisk");
        let verdict = String::from_utf8_lossy(&verdict.stdout).into_owned();
        assert!(!is_gpt || verdict.contains("No problems found"), "{name}: {verdict}");
        let manifest = fs::read(dir.path().join("node.img.manifest.json")).expect("the manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        let told = manifest["partition_table"].as_str().unwrap_or_default();
        assert_eq!(told.contains("GPT: backup at the end"), is_gpt, "{name}: {manifest}");
    }
}

/// What is published is packed: it can be looked at as it is, and is unpacked once.
#[test]
fn a_packed_image_is_inspected_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let base = base("pi-os-bullseye-like");
    let raw = succeed(hcimage(dir.path()).arg("inspect").arg(&base));
    let mut archive = Command::new("tar");
    archive.args(["--sparse", "--zstd", "-cf", "image.tar.zst", "--transform", "s/.*/disk.raw/"]);
    archive.arg("--absolute-names").arg(&base).current_dir(dir.path());
    run(&mut archive);
    let run = |arguments: &[&str]| succeed_loudly(hcimage(dir.path()).args(arguments));
    let first = run(&["inspect", "image.tar.zst"]);
    assert_eq!(first.stdout, raw);
    assert!(first.stderr.contains("unpacking image.tar.zst"), "{}", first.stderr);
    let again = run(&["cat", "image.tar.zst:/etc/hostname"]);
    assert_eq!(again.stdout, "raspberrypi\n");
    assert!(!again.stderr.contains("unpacking"), "{}", again.stderr);
}

/// QEMU boots a raw image: what is none is told from a damaged one, with what unpacks it.
#[test]
fn run_says_how_to_unpack() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let plain = dir.path().join("plain");
    fs::write(&plain, vec![7; 4096]).expect("a file");
    for (command, hint) in [
        ("xz -c plain > packed", "xz -dk"),
        ("gzip -c plain > packed", "gzip -dk"),
        ("zstd -qc plain > packed", "zstd -dk"),
        ("tar -cf packed plain", "tar -xf"),
        ("rm -f packed; zip -q - plain > packed", "unzip"),
        ("qemu-img create -q -f qcow2 packed 1M", "qemu-img convert -O raw"),
    ] {
        run(Command::new("sh").args(["-ec", command]).current_dir(dir.path()));
        fail(hcimage(dir.path()).args(["run", "--board", "cm4", "packed"]), 3, &["packed", hint]);
    }
}

fn check_keyfile(node: &Node) {
    let path = "/etc/NetworkManager/system-connections/hcimage.nmconnection";
    let keyfile = node.text(path);
    assert!(keyfile.contains("address1=192.168.7.2/24"), "{keyfile}");
    let stat = debugfs(&node.image, &format!("stat {path}"));
    assert!(stat.contains("Mode:  0600") && stat.contains("User:     0   Group:     0"), "{stat}");
}

/// A bundle that has no room in the base: partition and file system grow, on MBR and on GPT.
#[test]
fn an_image_that_is_too_small_is_grown() {
    let release = make_release(&["aarch64", "x86_64"], &["--pad-images", "700000000"]);
    for (name, board) in [("pi-os-bookworm-like", "cm4"), ("debian-pc-amd64", "pc")] {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let base = base(name);
        let mut command = hcimage(dir.path());
        command.args(["build", "--board", board, "--output", "node.img", "--base"]).arg(&base);
        let said = succeed(command.arg("--k3s").arg(release.path().join(K3S_VERSION)).arg("--json"));
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let image = dir.path().join("node.img");
        let grown = said["nodes"][0]["grown"].as_u64().expect("a number of bytes");
        assert!(grown > 0 && size(&image) == size(&base) + grown, "{said}");
        check(&image, dir.path());
        let arch = if board == "pc" { "amd64" } else { "arm64" };
        let archive = format!("k3s-airgap-images-{arch}.tar.zst");
        let path = format!("/var/lib/rancher/k3s/agent/images/{archive}");
        debugfs(&image, &format!("dump {path} {}", dir.path().join("dumped").display()));
        let original = release.path().join(K3S_VERSION).join(&archive);
        assert_same_bytes(&original, &dir.path().join("dumped"));
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).len()
}

#[test]
fn inspect_ls_and_cat_read_any_base() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    for (name, boot, system) in [
        ("debian-pi-arm64", "/boot/firmware", "Debian on a Raspberry Pi bookworm"),
        ("pi-os-bookworm-like", "/boot/firmware", "Raspberry Pi OS bookworm"),
        ("pi-os-bookworm-armhf-like", "/boot/firmware", "Raspberry Pi OS bookworm"),
        ("pi-os-bullseye-like", "/boot", "Raspberry Pi OS bullseye"),
        ("debian-pc-amd64", "/boot/efi", "Debian on a PC bookworm"),
        ("ubuntu-pi-22.04-like", "/boot/firmware", "Ubuntu on a Raspberry Pi jammy"),
        ("ubuntu-cloud-amd64-like", "/boot/efi", "Ubuntu on a PC noble"),
    ] {
        let base = base(name);
        let said = succeed(hcimage(dir.path()).arg("inspect").arg(&base));
        let row = format!("{:13} {system}", "system");
        assert!(said.lines().any(|line| line == row), "no {row:?} in {said}");
        let mounted =
            |line: &str| line.contains("  at sector ") && line.split_whitespace().last() == Some(boot);
        assert_eq!(
            said.lines().filter(|line| mounted(line)).count(),
            1,
            "{boot} is not mounted once: {said}"
        );
        let json = succeed(hcimage(dir.path()).args(["inspect", "--json"]).arg(&base));
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert!(json["system"]["free_bytes"].as_u64().is_some_and(|free| free > 0), "{json}");
        let listed = succeed(hcimage(dir.path()).arg("ls").arg(format!("{}:{boot}", base.display())));
        let wanted = if boot == "/boot/efi" { "EFI" } else { "config.txt" };
        assert!(listed.lines().any(|line| line.split_whitespace().last() == Some(wanted)), "{listed}");
        // Through a link in the middle, and on either partition.
        let shell =
            succeed(hcimage(dir.path()).arg("cat").arg(format!("{}:/etc/os-release", base.display())));
        let id = match name {
            "pi-os-bookworm-armhf-like" => "ID=raspbian",
            _ if name.starts_with("ubuntu") => "ID=ubuntu",
            _ => "ID=debian",
        };
        assert!(shell.contains(id), "{shell}");
    }
}

/// Every fact of base-os-facts, as `inspect` tells it.
#[test]
fn inspect_tells_how_a_base_behaves() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    for (name, wanted) in [
        (
            "pi-os-trixie-like",
            serde_json::json!({
                "machine_id": "uninitialized", "user_setup": ["userconf", "cloud-init"], "swap": ["rpi-swap"],
                "root_growth": ["resize-word"], "os_prefix": "", "cgroup_version": 1 + 1,
            }),
        ),
        (
            "pi-os-bookworm-like",
            serde_json::json!({
                "machine_id": "empty", "user_setup": ["userconf"], "cloud_init": null,
                "root_growth": ["init-program"], "swap": ["dphys-swapfile (/var/swap)"],
            }),
        ),
        (
            "pi-os-bookworm-armhf-like",
            serde_json::json!({
                "pretty_name": "Raspbian GNU/Linux 12 (bookworm)", "architecture": "armv7",
                "kernels": [
                    { "release": "6.12.25+rpt-rpi-v6", "modules": 10 },
                    { "release": "6.12.25+rpt-rpi-v7", "modules": 10 },
                    { "release": "6.12.25+rpt-rpi-v7l", "modules": 10 },
                    { "release": "6.12.25+rpt-rpi-v8", "modules": 10 },
                ],
            }),
        ),
        (
            "ubuntu-pi-26.04-like",
            serde_json::json!({
                "pretty_name": "Ubuntu 26.04 LTS", "release": "resolute", "os_prefix": "current/",
                "kernel_words": "/boot/firmware/current/cmdline.txt", "named_kernels": ["vmlinuz"],
                "cloud_init": { "disabled": false, "datasources": ["NoCloud", "None"], "seed": "fs_label system-boot" },
                "user_setup": ["cloud-init"], "root_growth": ["cloud-init"], "memory_cgroup_word": false,
                "swap": [],
            }),
        ),
        (
            "debian-pi-hybrid-arm64",
            serde_json::json!({
                "machine_id": "uninitialized", "user_setup": ["systemd-firstboot"], "root_growth": ["growfs"],
                "cloud_init": null,
            }),
        ),
        (
            "debian-cloud-arm64-like",
            serde_json::json!({
                "family": "debian-pc", "architecture": "aarch64", "root_growth": ["cloud-init", "growfs"],
                "kernel_words": "/boot/grub/grub.cfg", "os_prefix": null,
            }),
        ),
    ] {
        let json = succeed(hcimage(dir.path()).args(["inspect", "--json"]).arg(base(name)));
        let json: Value = serde_json::from_str(&json).expect("JSON");
        for (key, value) in wanted.as_object().expect("an object") {
            assert_eq!(&json["system"][key], value, "{name}: {key}");
        }
    }
    let json = succeed(hcimage(dir.path()).args(["inspect", "--json"]).arg(base("ubuntu-cloud-amd64-like")));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let mounts: Vec<_> = json["partitions"].as_array().expect("a list").iter().collect();
    let at = |number: u64| {
        let partition = mounts.iter().find(|partition| partition["number"] == number).expect("a partition");
        partition["mounted_at"].as_str().unwrap_or("nowhere").to_owned()
    };
    assert_eq!([at(1), at(14), at(15), at(16)], ["/", "nowhere", "/boot/efi", "/boot"]);
}
