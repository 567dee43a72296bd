//! Images that boot: built, started in QEMU with their own kernel and arguments, and read when the power is off.
//!
//! The k3s in them is the stand-in `k3s-double`; the machine is QEMU's generic one. What is proved is that the image
//! boots, that firstboot does its work on a real systemd, and that the second boot needs it no more.

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

mod cluster;
mod cuts;
mod damaged;
mod guest;
#[path = "../support/mod.rs"]
mod support;
mod switch;
mod timing;

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use guest::{K3S_IS, add_unit, say_what_becomes_of_k3s};
use hc_firstboot::report::End;
use hcimage::board::Boards;
use hcimage::interrupt::Interrupt;
use hcimage::run::{Forward, Machine, Network, Vm, VmError};
use support::base::base;
use support::hcimage::{build, succeed};
use support::tools::{debugfs, judge, mtype, partitions, run};
use tempfile::TempDir;

/// QEMU without hardware help is slow, and so is a busy machine: these only end what hangs.
const REPORT: Duration = Duration::from_secs(1200);
const POWER_OFF: Duration = Duration::from_secs(300);

/// In QEMU's own network, but not the address that its DHCP would give.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 50);

/// By how much the card is larger than the image on it, in bytes.
const CARD_IS_LARGER: u64 = 1 << 30;

/// Where a partition may end before the end of its disk: whole MiB, and the second GPT.
const ALIGNMENT: u64 = 1 << 20;

/// What the test's own unit says at its end.
const PROBE_DONE: &str = "PROBE-DONE";

struct Node {
    folder: TempDir,
    board: &'static str,
    port: u16,
}

#[test]
fn a_pi_image_boots_and_its_node_is_ready() {
    Node::build("debian-pi-arm64", "cm4").prove();
}

#[test]
fn a_pc_image_boots_and_its_node_is_ready() {
    Node::build("debian-pc-amd64", "pc").prove();
}

/// The other way round: a node whose disk is missing says so, in one sentence, and does not start k3s.
#[test]
fn a_node_without_its_data_disk_says_so() {
    let node = Node::build("debian-pc-amd64", "pc");
    let (vm, mut console) = (node.start(&[]), Vec::new());
    node.wait_for_end(&vm, &mut console, End::Failed);
    node.power_off(vm, &mut console);
    let status = node.status();
    assert!(status.contains("k8s-data"), "{status}");
    assert!(!node.enabled(), "k3s must not be enabled on a node that is not ready for it");
}

impl Node {
    fn build(base_name: &str, board: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = build(folder.path(), board, &base(base_name));
        command.args([
            "--output",
            "node.img",
            "--address",
            &format!("{ADDRESS}/24"),
            "--gateway",
            "10.0.2.2",
        ]);
        command.args(["--data-disk", "k8s-data", "--data-folder", "media/photos"]);
        succeed(&mut command);
        // Free at this moment; another program may take it first, and then QEMU says so.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        Self { folder, board, port }
    }

    /// Two units of the test's own: one keeps what only the running kernel knows and says when it has, the other says
    /// at every boot what became of k3s.
    fn add_probes(&self) {
        add_unit(
            &self.image(),
            self.folder.path(),
            "probe.service",
            &format!(
                "[Service]\nType=exec\nExecStart=/bin/sh -c 'until test -e /var/lib/hcimage/finished; \
                 do sleep 1; done; cat /proc/swaps >/var/log/probe.swaps; \
                 cat /proc/cmdline >/var/log/probe.cmdline; cat /proc/mounts >/var/log/probe.mounts; \
                 cat /sys/fs/cgroup/cgroup.controllers >/var/log/probe.cgroups; sync; \
                 echo {PROBE_DONE} >/dev/console'\n"
            ),
        );
        say_what_becomes_of_k3s(&self.image(), self.folder.path());
    }

    fn wait_for_probe(&self, vm: &Vm, console: &mut Vec<String>) {
        // It may have come before the last line of the report.
        if console.iter().any(|line| line.contains(PROBE_DONE)) {
            return;
        }
        let waited = vm.wait_for("run the test's probe", REPORT, |line| {
            console.push(line.to_owned());
            line.contains(PROBE_DONE)
        });
        assert!(waited.is_ok(), "{waited:?}\n{}", console.join("\n"));
    }

    /// What the kernel itself said while the node was up.
    fn judge_probe(&self) {
        let swaps = self.read("/var/log/probe.swaps");
        assert_eq!(swaps.lines().count(), 1, "only the heading: {swaps}");
        let cmdline = self.read("/var/log/probe.cmdline");
        assert!(cmdline.contains("cgroup_memory=1") && cmdline.contains("cgroup_enable=memory"), "{cmdline}");
        let mounts = self.read("/var/log/probe.mounts");
        assert!(mounts.lines().any(|line| line.contains(" /k8s-data ext4 ")), "{mounts}");
        let cgroups = self.read("/var/log/probe.cgroups");
        assert!(cgroups.split_whitespace().any(|word| word == "memory"), "{cgroups}");
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("node.img")
    }

    fn prove(&self) {
        let data = self.data_disk();
        let mut console = Vec::new();
        self.add_probes();
        self.flash_onto_a_larger_card();
        let vm = self.start(&[&data]);
        self.wait_for_end(&vm, &mut console, End::Ready);
        self.wait_for_probe(&vm, &mut console);
        self.ping(&vm, &mut console);
        self.power_off(vm, &mut console);
        self.judge_first_boot(&data);

        let state = self.read("/var/lib/hcimage/state.json");
        let status = self.status();
        let mut console = Vec::new();
        let vm = self.start(&[&data]);
        self.ping(&vm, &mut console);
        self.power_off(vm, &mut console);
        assert!(!console.iter().any(|line| line.contains("HCIMAGE-REPORT")), "firstboot acted again");
        assert_eq!(self.read("/var/lib/hcimage/state.json"), state, "firstboot acted again");
        assert_eq!(self.status(), status);
        judge(&self.image(), self.folder.path());
        self.prove_that_k3s_waits_for_its_disk();
    }

    /// A later boot without the disk: k3s must not write onto the card in its place.
    fn prove_that_k3s_waits_for_its_disk(&self) {
        let mut console = Vec::new();
        let vm = self.start(&[]);
        let waited = vm.wait_for("give k3s up", REPORT, |line| {
            console.push(line.to_owned());
            line.contains(K3S_IS)
        });
        let last = console.last().map(String::as_str).unwrap_or_default();
        assert!(waited.is_ok() && last.contains("inactive"), "{waited:?}\n{}", console.join("\n"));
        self.power_off(vm, &mut console);
    }

    fn flash_onto_a_larger_card(&self) {
        let image = OpenOptions::new().write(true).open(self.image()).unwrap();
        image.set_len(image.metadata().unwrap().len() + CARD_IS_LARGER).unwrap();
    }

    /// The root partition ends where the card does, and its file system where the partition does.
    fn judge_growth(&self) {
        let card = fs::metadata(self.image()).unwrap().len();
        let (root, _) = partitions(&self.image());
        let unused = card - (root.start + root.size);
        assert!(unused <= ALIGNMENT, "{unused} bytes behind the root partition are unused");
        let place = format!("{}?offset={}", self.image().display(), root.start);
        let superblock = run(Command::new("dumpe2fs").arg("-h").arg(place));
        let number = |name: &str| -> u64 {
            let line = superblock.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {superblock}")).trim().parse().unwrap()
        };
        let block = number("Block size:");
        let outside = root.size - number("Block count:") * block;
        assert!(outside < block, "the file system leaves {outside} bytes of its partition unused");
    }

    fn data_disk(&self) -> PathBuf {
        let path = self.folder.path().join("data.img");
        File::create(&path).unwrap().set_len(64 << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-L", "k8s-data"]).arg(&path));
        path
    }

    fn start(&self, disks: &[&Path]) -> Vm {
        let boards = Boards::load(None).unwrap();
        let machine = Machine {
            board: boards.get(self.board).unwrap(),
            image: &self.image(),
            kernel_from: None,
            disks: disks.iter().map(|path| path.to_path_buf()).collect(),
            memory: 1024,
            network: Network::Alone {
                forward: Some(Forward { host: self.port, guest: SocketAddrV4::new(ADDRESS, 6443) }),
            },
            clock: None,
        };
        Vm::start(&machine, &Interrupt::new()).unwrap()
    }

    fn wait_for_end(&self, vm: &Vm, console: &mut Vec<String>, wanted: End) {
        let mut end = None;
        let waited = vm.wait_for("report", REPORT, |line| {
            console.push(line.to_owned());
            end = [End::Ready, End::Failed].into_iter().find(|end| line.trim() == end.sentinel());
            end.is_some()
        });
        assert!(waited.is_ok() && end == Some(wanted), "{waited:?} {end:?}\n{}", console.join("\n"));
    }

    /// Waits until the API behind the forwarded port answers.
    fn ping(&self, vm: &Vm, console: &mut Vec<String>) {
        let deadline = Instant::now() + REPORT;
        loop {
            let url = format!("https://127.0.0.1:{}/ping", self.port);
            let output = Command::new("curl").args(["-sk", "--max-time", "5", &url]).output().unwrap();
            if output.stdout == b"pong" {
                return;
            }
            assert!(Instant::now() < deadline, "the API did not answer\n{}", console.join("\n"));
            match vm.wait_for("say more", Duration::from_secs(1), |line| {
                console.push(line.to_owned());
                false
            }) {
                Err(VmError::Timeout { .. }) => {}
                other => panic!("{other:?}\n{}", console.join("\n")),
            }
        }
    }

    fn power_off(&self, vm: Vm, console: &mut Vec<String>) {
        let status = vm.power_off(POWER_OFF, |line| console.push(line.to_owned()));
        assert!(status.as_ref().is_ok_and(|status| status.success()), "{status:?}\n{}", console.join("\n"));
    }

    fn judge_first_boot(&self, data: &Path) {
        judge(&self.image(), self.folder.path());
        self.judge_growth();
        run(Command::new("e2fsck").arg("-fn").arg(data));
        assert!(self.status().contains("node hc-1 Ready"), "{}", self.status());
        assert!(self.enabled(), "firstboot enables k3s");
        let folder = run(Command::new("debugfs").args(["-R", "stat /media/photos"]).arg(data));
        assert!(folder.contains("Type: directory"), "{folder}");

        self.judge_probe();
        let journal = self.journal();
        let at = |text: &str| journal.find(text).unwrap_or_else(|| panic!("no {text:?} in\n{journal}"));
        // Only after the bundle was looked at, so by firstboot and not by the boot itself.
        assert!(at("bundle: done") < at("Starting k3s.service"), "{journal}");
        at("Started k3s.service");
        at(&format!("{ADDRESS}"));
        let swap = debugfs(&self.image(), "stat /var/swap");
        assert!(swap.contains("File not found"), "{swap}");
    }

    fn enabled(&self) -> bool {
        debugfs(&self.image(), "ls -p /etc/systemd/system/multi-user.target.wants").contains("/k3s.service/")
    }

    fn status(&self) -> String {
        String::from_utf8(mtype(&self.image(), "hcimage-status.txt")).unwrap()
    }

    fn read(&self, path: &str) -> String {
        let file = self.folder.path().join("dumped");
        debugfs(&self.image(), &format!("dump {path} {}", file.display()));
        let text = fs::read_to_string(&file).unwrap();
        fs::remove_file(file).unwrap();
        text
    }

    /// The journal of the first boot, read by journalctl from the powered-off disk.
    fn journal(&self) -> String {
        let folder = self.folder.path().join("journal");
        fs::create_dir(&folder).unwrap();
        debugfs(&self.image(), &format!("rdump /var/log/journal {}", folder.display()));
        let text = run(Command::new("journalctl").arg("-D").arg(folder.join("journal")).args([
            "--no-pager",
            "-o",
            "short",
        ]));
        fs::remove_dir_all(folder).unwrap();
        text
    }
}
