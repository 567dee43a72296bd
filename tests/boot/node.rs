//! A single node: built, booted, and judged by what is on its powered-off card.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hc_firstboot::report::ReportStatus;
use hcimage::board::{Board, Boards, Storage};
use hcimage::interrupt::Interrupt;
use hcimage::run::{Accelerator, Disk, Forward, Machine, Network, Start, Vm, VmError};
use serde_json::Value;
use tempfile::TempDir;

use crate::guest::{K3S_IS, add_unit, keep, say_what_becomes_of_k3s};
use crate::{BY_KERNEL, POWER_OFF, REPORT};
use hcimage_testkit::base::base;
use hcimage_testkit::hcimage::{build, succeed};
use hcimage_testkit::oci_layout::{Layout, Packed, multi};
use hcimage_testkit::tools::{check, debugfs, debugfs_write, dump, entries, mtype, partitions, run};

/// In QEMU's own network, but not the address that its DHCP would give.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 50);

/// So many bytes the card is larger than the image.
const LARGER: u64 = 256 << 20;

/// What the test's own unit says at its end.
const PROBE_DONE: &str = "PROBE-DONE";

pub(crate) struct Node {
    dir: TempDir,
    board: Board,
    port: u16,
}

/// A layout with a container image for every processor.
fn shop(dir: &Path) -> PathBuf {
    let mut layout = Layout::new(&dir.join("shop"));
    let layer = layout.layer(Packed::Gzip, &[("etc/shop", b"open")]);
    let index = multi(&layout, &["amd64", "arm64", "arm/v7"], &[layer]);
    layout.add(Some("registry.example/shop/web:1.2"), index);
    layout.dir
}

impl Node {
    pub(crate) fn build(base_name: &str, board: &str) -> Self {
        Self::build_for(base_name, Boards::load(None).unwrap().get(board).unwrap().clone())
    }

    /// Built with an address and a data disk; a profile of the test's own says how QEMU stands in for the board.
    pub(crate) fn build_for(base_name: &str, board: Board) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = build(dir.path(), &board.name, &base(base_name));
        command.args([
            "--output",
            "node.img",
            "--address",
            &format!("{ADDRESS}/24"),
            "--gateway",
            "10.0.2.2",
        ]);
        command.args(["--data-disk", "k8s-data", "--data-folder", "media/photos"]);
        command.arg("--image-archive").arg(shop(dir.path()));
        succeed(&mut command);
        // Free at this moment; another program may take it first, and then QEMU says so.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let node = Self { dir, board, port };
        node.add_probes();
        node
    }

    /// As if the image were flashed to one.
    pub(crate) fn move_to_larger_card(&self) {
        self.resize_card(|image| image + LARGER);
    }

    /// As if the image were flashed to a card of this size, larger than the image.
    pub(crate) fn resize_card(&self, size: impl Fn(u64) -> u64) {
        let image = OpenOptions::new().write(true).open(self.image()).unwrap();
        image.set_len(size(image.metadata().unwrap().len())).unwrap();
    }

    /// Two units of the test's own: one keeps what only the running kernel knows and says when it has, the other says
    /// at every boot what became of k3s.
    fn add_probes(&self) {
        add_unit(
            &self.image(),
            self.dir.path(),
            "probe.service",
            &format!(
                "[Service]\nType=exec\nExecStart=/bin/sh -c 'until test -e /var/lib/hcimage/finished; \
                 do sleep 1; done; cat /proc/swaps >/var/log/probe.swaps; \
                 cat /proc/cmdline >/var/log/probe.cmdline; cat /proc/mounts >/var/log/probe.mounts; \
                 cat /sys/fs/cgroup/cgroup.controllers >/var/log/probe.cgroups; \
                 ip -oneline -4 address show scope global >/var/log/probe.addresses; \
                 ls /sys/firmware >/var/log/probe.firmware; \
                 cat /proc/device-tree/model >/var/log/probe.model; \
                 if command -v cloud-init; then cloud-init status --wait; fi; sync; \
                 echo {PROBE_DONE} >/dev/console'\n"
            ),
        );
        say_what_becomes_of_k3s(&self.image(), self.dir.path());
    }

    fn wait_for_probe(&self, vm: &Vm, console: &mut Vec<String>) {
        // It may have come before the last line of the report.
        if console.iter().any(|line| line.contains(PROBE_DONE)) {
            return;
        }
        let waited = vm.wait_for("run the test's probe", REPORT, |line| {
            keep(console, line);
            line.contains(PROBE_DONE)
        });
        assert!(waited.is_ok(), "{waited:?}\n{}", console.join("\n"));
    }

    /// What the kernel itself said while the node was up.
    fn check_probe(&self) {
        let swaps = self.read("/var/log/probe.swaps");
        assert_eq!(swaps.lines().count(), 1, "only the heading: {swaps}");
        let cmdline = self.read("/var/log/probe.cmdline");
        assert!(cmdline.contains("cgroup_memory=1") && cmdline.contains("cgroup_enable=memory"), "{cmdline}");
        let mounts = self.read("/var/log/probe.mounts");
        assert!(
            mounts.lines().any(|line| line.contains(" /k8s-data ext4 rw,nosuid,nodev,noatime ")),
            "{mounts}"
        );
        if self.board.storage == Storage::Card {
            assert!(mounts.lines().any(|line| line.contains(" / ext4 rw,noatime")), "{mounts}");
        }
        let cgroups = self.read("/var/log/probe.cgroups");
        assert!(cgroups.split_whitespace().any(|word| word == "memory"), "{cgroups}");
        // None by DHCP beside it, which QEMU's network offers.
        let addresses = self.read("/var/log/probe.addresses");
        assert!(
            addresses.contains(&format!(" {ADDRESS}/24 ")) && addresses.lines().count() == 1,
            "{addresses}"
        );
    }

    /// GRUB was started by the firmware, and gave the kernel the arguments of its own configuration.
    pub(crate) fn check_uefi(&self) {
        let firmware = self.read("/var/log/probe.firmware");
        assert!(firmware.lines().any(|name| name == "efi"), "{firmware}");
        let cmdline = self.read("/var/log/probe.cmdline");
        assert!(cmdline.starts_with("BOOT_IMAGE=/boot/vmlinuz-"), "{cmdline}");
        assert!(cmdline.contains("console=tty0 console=ttyS0,115200"), "{cmdline}");
    }

    /// The kernel found the board itself, and its card.
    pub(crate) fn check_raspberry_pi_3(&self) {
        let model = self.read("/var/log/probe.model");
        assert!(model.starts_with("Raspberry Pi 3 Model B"), "{model}");
        let mounts = self.read("/var/log/probe.mounts");
        assert!(
            mounts.lines().any(|line| line.starts_with("/dev/mmcblk0p1 /boot/firmware vfat ")),
            "{mounts}"
        );
        let cmdline = self.read("/var/log/probe.cmdline");
        assert!(cmdline.contains("root=LABEL=RASPIROOT"), "{cmdline}");
    }

    /// systemd starts the watchdog when it shuts down, and QEMU's Raspberry Pi takes that for a restart, with the root
    /// still mounted.
    pub(crate) fn leave_the_watchdog_off(&self) {
        let file = self.dir.path().join("watchdog.conf");
        fs::write(&file, "[Manager]\nRebootWatchdogSec=off\n").unwrap();
        let dir = "/etc/systemd/system.conf.d";
        debugfs_write(&self.image(), &format!("mkdir {dir}"));
        debugfs_write(&self.image(), &format!("write {} {dir}/watchdog.conf", file.display()));
    }

    /// Raspberry Pi OS has it in memory only, until bookworm; what it says is to be read from the powered-off card.
    pub(crate) fn keep_the_journal(&self) {
        let file = self.dir.path().join("journal.conf");
        fs::write(&file, "[Journal]\nStorage=persistent\n").unwrap();
        debugfs_write(
            &self.image(),
            &format!("write {} /etc/systemd/journald.conf.d/99-test.conf", file.display()),
        );
    }

    /// The id in the MBR.
    pub(crate) fn disk_id(&self) -> String {
        run(Command::new("sfdisk").arg("--disk-id").arg(self.image())).trim().to_owned()
    }

    /// Nobody was asked for a first account, nothing waited for an answer, and the console has its login.
    pub(crate) fn check_no_wizard(&self) {
        let journal = self.journal();
        assert!(!journal.contains("User configuration dialog"), "{journal}");
        assert!(journal.contains("Reached target multi-user.target"), "{journal}");
        assert!(journal.contains("Started getty@tty1.service"), "{journal}");
        let accounts = self.read("/etc/passwd");
        assert!(accounts.lines().filter(|line| line.contains(":/home/")).count() == 1, "{accounts}");
        let shadow = self.read("/etc/shadow");
        assert!(shadow.contains("\npi:!:"), "{shadow}");
    }

    /// cloud-init ran from the seed on the FAT, without trouble, kept off the network and made no account.
    pub(crate) fn check_cloud_init(&self) {
        let result: Value = serde_json::from_str(&self.read("/var/lib/cloud/data/result.json")).unwrap();
        let source = result["v1"]["datasource"].as_str().unwrap();
        assert!(source.starts_with("DataSourceNoCloud"), "{result}");
        assert_eq!(result["v1"]["errors"].as_array().map(Vec::len), Some(0), "{result}");
        let netplan = debugfs(&self.image(), "ls -p /etc/netplan");
        assert!(netplan.contains("hcimage.yaml/") && !netplan.contains("cloud-init"), "{netplan}");
        // The seed gives the default account a password that everybody knows.
        let accounts = self.read("/etc/passwd");
        assert!(!accounts.contains("/home/"), "{accounts}");
        let sshd = debugfs(&self.image(), "ls -p /etc/ssh/sshd_config.d");
        assert!(!sshd.contains("cloud-init"), "{sshd}");
    }

    /// The FAT is where a Raspberry Pi's firmware looks for it, and Linux has the partitions of the GPT.
    pub(crate) fn check_hybrid_mbr(&self) {
        let shown = entries(&self.image(), true);
        let has = |start: &str| shown.iter().any(|entry| entry.starts_with(start));
        assert!(has("1:start=2048,size=1046528,type=c"), "{shown:?}");
        assert!(has("3:start=1,size=2047,type=ee") && !has("2:"), "{shown:?}");
        let mounts = self.read("/var/log/probe.mounts");
        assert!(mounts.lines().any(|line| line.starts_with("/dev/vda15 /boot/firmware vfat ")), "{mounts}");
    }

    /// The root reaches to the end of the card, but for the second GPT and what alignment costs.
    pub(crate) fn check_growth(&self) {
        let (image, (root, _)) = (self.image(), partitions(&self.image()));
        let card = fs::metadata(&image).unwrap().len();
        assert!(card - (root.start + root.size) < 2 << 20, "{root:?} on a card of {card} bytes");
        let blocks = debugfs(&image, "show_super_stats -h");
        let blocks = blocks.lines().find_map(|line| line.strip_prefix("Block count:")).unwrap();
        let bytes = blocks.trim().parse::<u64>().unwrap() * 4096;
        // A last group that would be too small is left out.
        assert!(root.size - bytes < 16 << 20, "{bytes} bytes of {root:?}");
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("node.img")
    }

    /// The first boot: everything that was asked for is there, and the card is as it should be afterwards.
    pub(crate) fn prove_first_boot(&self, by: Start) {
        let data = self.data_disk();
        let mut console = Vec::new();
        let vm = self.start(by, &[&data]);
        self.wait_for_end(&vm, &mut console, ReportStatus::Ready);
        self.wait_for_probe(&vm, &mut console);
        self.ping(&vm, &mut console);
        self.power_off(vm, &mut console);
        self.check_first_boot(&data);
    }

    /// The boots after it: firstboot has nothing to do any more, and k3s waits for its disk.
    pub(crate) fn prove_later_boots(&self) {
        let state = self.read("/var/lib/hcimage/state.json");
        let status = self.status();
        // By its tag and by its digest.
        assert!(status.contains("2 container images"), "{status}");
        let mut console = Vec::new();
        let vm = self.start(BY_KERNEL, &[&self.data_path()]);
        self.ping(&vm, &mut console);
        self.power_off(vm, &mut console);
        assert!(!console.iter().any(|line| line.contains("HCIMAGE-REPORT")), "firstboot acted again");
        assert_eq!(self.read("/var/lib/hcimage/state.json"), state, "firstboot acted again");
        assert_eq!(self.status(), status);
        check(&self.image(), self.dir.path());
        self.prove_that_k3s_waits_for_its_disk();
    }

    /// A later boot without the disk, and with a stranger's that has its label: k3s must write neither onto that one nor onto
    /// the card in its place.
    fn prove_that_k3s_waits_for_its_disk(&self) {
        let mut console = Vec::new();
        let strangers = self.dir.path().join("strangers.img");
        self.make_disk(&strangers);
        let vm = self.start(BY_KERNEL, &[&strangers]);
        let waited = vm.wait_for("give k3s up", REPORT, |line| {
            keep(&mut console, line);
            line.contains(K3S_IS)
        });
        let last = console.last().map(String::as_str).unwrap_or_default();
        assert!(waited.is_ok() && last.contains("inactive"), "{waited:?}\n{}", console.join("\n"));
        self.power_off(vm, &mut console);
    }

    fn data_path(&self) -> PathBuf {
        self.dir.path().join("data.img")
    }

    fn data_disk(&self) -> PathBuf {
        let path = self.data_path();
        self.make_disk(&path);
        path
    }

    fn make_disk(&self, path: &Path) {
        File::create(path).unwrap().set_len(64 << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-L", "k8s-data"]).arg(path));
    }

    /// QEMU's Raspberry Pi may lose what is plugged into its USB while the driver starts. Then it is started once more,
    /// from the same card.
    pub(crate) fn start(&self, by: Start, disks: &[&Path]) -> Vm {
        if self.board.qemu.device_tree.is_none() {
            return self.start_once(by, disks);
        }
        let copy = |from: &Path, to: &Path| run(Command::new("cp").arg("--sparse=always").args([from, to]));
        let kept = self.dir.path().join("kept.img");
        copy(&self.image(), &kept);
        for _ in 0..5 {
            let vm = self.start_once(by, disks);
            let mut lost = false;
            let found = vm.wait_for("find its USB devices", REPORT, |line| {
                lost = line.contains("dwc2 ") && line.contains("Not connected");
                lost || line.contains("usb 1-1: New USB device found")
            });
            found.unwrap();
            if !lost {
                return vm;
            }
            eprintln!("QEMU has lost the USB devices of its Raspberry Pi: it is started once more");
            drop(vm);
            copy(&kept, &self.image());
        }
        panic!("QEMU lost the USB devices of its Raspberry Pi each time");
    }

    fn start_once(&self, by: Start, disks: &[&Path]) -> Vm {
        let machine = Machine {
            board: &self.board,
            disk: Disk::raw(self.image()),
            image: None,
            start: by,
            disks: disks.iter().map(|path| Disk::raw(*path)).collect(),
            named_disks: Vec::new(),
            memory: 1024,
            cpus: 2,
            accelerator: Accelerator::Tcg,
            network: Network::Alone {
                forward: Some(Forward { host: self.port, guest: SocketAddrV4::new(ADDRESS, 6443) }),
            },
            clock: None,
        };
        Vm::start(machine, &Interrupt::new()).unwrap()
    }

    pub(crate) fn wait_for_end(&self, vm: &Vm, console: &mut Vec<String>, wanted: ReportStatus) {
        let mut end = None;
        let waited = vm.wait_for("report", REPORT, |line| {
            keep(console, line);
            end = [ReportStatus::Ready, ReportStatus::Failed]
                .into_iter()
                .find(|end| line.trim() == end.sentinel());
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
                keep(console, line);
                false
            }) {
                Err(VmError::Timeout { .. }) => {}
                other => panic!("{other:?}\n{}", console.join("\n")),
            }
        }
    }

    pub(crate) fn power_off(&self, vm: Vm, console: &mut Vec<String>) {
        let status = vm.power_off(POWER_OFF, |line| keep(console, line));
        assert!(status.as_ref().is_ok_and(|status| status.success()), "{status:?}\n{}", console.join("\n"));
    }

    fn check_first_boot(&self, data: &Path) {
        check(&self.image(), self.dir.path());
        run(Command::new("e2fsck").arg("-fn").arg(data));
        assert!(self.status().contains("node hc-1 Ready"), "{}", self.status());
        assert!(self.enabled(), "firstboot enables k3s");
        let dir = run(Command::new("debugfs").args(["-R", "stat /media/photos"]).arg(data));
        assert!(dir.contains("Type: directory"), "{dir}");
        let fstab = self.read("/etc/fstab");
        let uuid = run(Command::new("blkid").args(["-p", "-s", "UUID", "-o", "value"]).arg(data));
        assert!(fstab.contains(&format!("UUID={} /k8s-data ", uuid.trim())), "{fstab}");

        let passwords = self.read("/etc/shadow");
        assert!(!passwords.contains(":$") && !passwords.contains("root::"), "{passwords}");
        let keys = debugfs(&self.image(), "ls -p /etc/ssh");
        assert!(keys.contains("/ssh_host_ed25519_key/"), "{keys}");
        self.check_probe();
        let journal = self.journal();
        let at = |text: &str| journal.find(text).unwrap_or_else(|| panic!("no {text:?} in\n{journal}"));
        // Only after the bundle was looked at, so by firstboot and not by the boot itself.
        assert!(at("bundle: done") < at("Starting k3s.service"), "{journal}");
        at("Started k3s.service");
        if self.board.storage == Storage::Card {
            // What journald itself says of its limit, in the words of its version.
            assert!(journal.contains("max 64.0M") || journal.contains("max 64M"), "{journal}");
        }
        // The base's own keys are not made twice at once.
        if let Some(made) = journal.find(" - Generate SSH host keys on the first boot.") {
            assert!(made < at("Started hc-firstboot.service"), "{journal}");
        }
        at(&format!("{ADDRESS}"));
        let swap = debugfs(&self.image(), "stat /var/swap");
        assert!(swap.contains("File not found"), "{swap}");
    }

    pub(crate) fn enabled(&self) -> bool {
        debugfs(&self.image(), "ls -p /etc/systemd/system/multi-user.target.wants").contains("/k3s.service/")
    }

    pub(crate) fn status(&self) -> String {
        String::from_utf8(mtype(&self.image(), "hcimage-status.txt")).unwrap()
    }

    fn read(&self, path: &str) -> String {
        dump(&self.image(), path, self.dir.path()).unwrap_or_else(|| panic!("no {path}"))
    }

    /// The journal of the first boot, read by journalctl from the powered-off disk.
    fn journal(&self) -> String {
        let dir = self.dir.path().join("journal");
        fs::create_dir(&dir).unwrap();
        debugfs(&self.image(), &format!("rdump /var/log/journal {}", dir.display()));
        let text = run(Command::new("journalctl").arg("-D").arg(dir.join("journal")).args([
            "--no-pager",
            "-o",
            "short",
        ]));
        fs::remove_dir_all(dir).unwrap();
        text
    }
}
