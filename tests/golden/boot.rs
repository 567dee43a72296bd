//! What an image's boot configuration names is followed: each base as it is leads to its own root, and a change of any of
//! its files that leads elsewhere is refused or warned of.
//!
//! The facts of a base are changed as a hand would change the image: `tests/image/boot.rs` does that with real images.

use hcimage::board::{Board, Boards};
use hcimage::formats::config_txt;
use hcimage::os::{BootStep, Bootloader, Facts, Leads, boot_chain, waits};
use hcimage_testkit::facts;

/// What comes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Fine,
    Warning,
    Refused,
}

use Want::{Fine, Refused, Warning};

/// The facts with one text changed.
fn changed(base: &str, path: &str, from: &str, to: &str) -> Facts {
    let facts = facts::of(base);
    let mut value = serde_json::to_value(&facts).unwrap();
    let boot = facts.boot_dir.as_str();
    let path = path.strip_prefix("BOOT").map_or_else(|| path.to_owned(), |name| format!("{boot}{name}"));
    let state = &mut value["files"]["states"][&path];
    let old = state["text"][0].as_str().unwrap_or_default().to_owned();
    assert!(old.contains(from), "{base}: {path} has no {from:?}: {old}");
    let new = if from.is_empty() { format!("{old}{to}") } else { old.replace(from, to) };
    let attributes = serde_json::json!({ "mode": 420, "uid": 0, "gid": 0, "mtime": 0 });
    *state = serde_json::json!({ "text": [new, attributes] });
    let mut facts: Facts = serde_json::from_value(value).unwrap();
    if let Bootloader::PiFirmware { settings, .. } = &mut facts.bootloader {
        if path.ends_with("/config.txt") {
            *settings = config_txt::settings(&new, &|_| None).unwrap();
        } else if path.ends_with("/autoboot.txt") {
            settings.extend(config_txt::autoboot(&new));
        }
    }
    facts
}

fn of(steps: &[BootStep], is: fn(&Leads) -> bool) -> Vec<String> {
    steps.iter().filter(|step| is(&step.leads)).map(ToString::to_string).collect()
}

fn faults(steps: &[BootStep]) -> Vec<String> {
    of(steps, |leads| matches!(leads, Leads::Nowhere(_)))
}

fn doubts(steps: &[BootStep]) -> Vec<String> {
    of(steps, |leads| matches!(leads, Leads::Unsure(_)))
}

#[track_caller]
fn judge(facts: &Facts, board: &Board, want: Want, words: &str, what: &str) {
    let steps = boot_chain(facts, Some(board.hardware()));
    let (faults, doubts) = (faults(&steps), doubts(&steps));
    let said = match want {
        Fine => {
            assert!(faults.is_empty() && doubts.is_empty(), "{what}: {faults:?} {doubts:?}");
            return;
        }
        Warning => {
            assert!(faults.is_empty(), "{what} is refused: {faults:?}");
            doubts
        }
        Refused => faults,
    };
    assert!(said.iter().any(|text| text.contains(words)), "{what}: {words:?} is not in {said:?}");
}

#[test]
fn each_base_leads_to_its_own_root_on_each_board() {
    let boards = Boards::load(None).unwrap();
    for base in facts::bases() {
        let facts = facts::of(&base);
        let steps = boot_chain(&facts, None);
        assert_eq!((faults(&steps), doubts(&steps)), (Vec::new(), Vec::new()), "{base}");
        for what in ["kernel", "root", "fstab /", "fstab boot"] {
            assert!(steps.iter().any(|step| step.what == what), "{base} has no step for {what}");
        }
        assert!(waits(&facts).is_empty(), "{base}");
        for board in boards.iter().filter(|board| board.architecture == facts.arch) {
            let is_pi = matches!(facts.bootloader, Bootloader::PiFirmware { .. });
            if is_pi == board.kernel.is_some() {
                judge(&facts, board, Fine, "", &format!("{base} on {}", board.name));
            }
        }
    }
}

/// Base, board, file, what is replaced (nothing: added at the end), by what, and what comes of it.
type Change = (&'static str, &'static str, &'static str, &'static str, &'static str, Want, &'static str);

const BOOKWORM: &str = "pi-os-bookworm-like";
const UBUNTU: &str = "ubuntu-pi-24.04-like";
const UBUNTU_AB: &str = "ubuntu-pi-25.10-like";
const CMDLINE: &str = "BOOT/cmdline.txt";
const CONFIG: &str = "BOOT/config.txt";
const ROOT: &str = "root=PARTUUID=5a0b7c12-02";

#[track_caller]
fn all(changes: &[Change]) {
    let boards = Boards::load(None).unwrap();
    for (base, board, path, from, to, want, words) in changes {
        let facts = changed(base, path, from, to);
        judge(
            &facts,
            boards.get(board).unwrap(),
            *want,
            words,
            &format!("{base} on {board}, {path}: {to:?}"),
        );
    }
}

#[test]
fn the_root_of_the_kernels_arguments_is_the_images() {
    all(&[
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=PARTUUID=deadbeef-02", Refused, "use PARTUUID=5a0b7c12-02"),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=PARTUUID=5A0B7C12-02", Fine, ""),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=PARTUUID=5a0b7c12-01/PARTNROFF=1", Fine, ""),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=PARTUUID=5a0b7c12-01", Refused, "leads to partition 1"),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=\"PARTUUID=5a0b7c12-02\"", Fine, ""),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=LABEL=rootfs", Fine, ""),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=LABEL=writable", Refused, "none has this label"),
        (
            BOOKWORM,
            "cm4",
            CMDLINE,
            ROOT,
            "root=UUID=00000000-0000-4000-8000-000000000001",
            Refused,
            "another disk",
        ),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=/dev/disk/by-label/rootfs", Fine, ""),
        (
            BOOKWORM,
            "cm4",
            CMDLINE,
            ROOT,
            "root=/dev/disk/by-id/mmc-SD32G_0x1-part2",
            Refused,
            "serial number",
        ),
        (
            BOOKWORM,
            "cm4",
            CMDLINE,
            ROOT,
            "root=/dev/disk/by-path/platform-fe340000.mmc-part2",
            Warning,
            "plug",
        ),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=/dev/nfs nfsroot=10.0.0.1:/srv", Refused, "over the network"),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=/dev/mapper/vg-root", Refused, "no partition"),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=/dev/ram0", Refused, "no partition"),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "", Refused, "has no root="),
        // The last one counts.
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=/dev/nfs root=PARTUUID=5a0b7c12-02", Fine, ""),
        (
            BOOKWORM,
            "cm4",
            CMDLINE,
            ROOT,
            "root=PARTUUID=5a0b7c12-02 root=/dev/nfs",
            Refused,
            "over the network",
        ),
    ]);
}

#[test]
fn a_device_name_is_right_on_some_media_only() {
    all(&[
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=/dev/mmcblk0p2", Warning, "SD card or eMMC"),
        (BOOKWORM, "pi5", CMDLINE, ROOT, "root=/dev/nvme0n1p2", Warning, "NVMe"),
        (BOOKWORM, "zero2w", CMDLINE, ROOT, "root=/dev/mmcblk0p2", Fine, ""),
        (BOOKWORM, "zero2w", CMDLINE, ROOT, "root=/dev/mmcblk1p2", Warning, "SD card"),
        (BOOKWORM, "zero2w", CMDLINE, ROOT, "root=/dev/sda2", Refused, "the board boots from SD"),
        (BOOKWORM, "pi3", CMDLINE, ROOT, "root=/dev/nvme0n1p2", Refused, "boots from SD, USB"),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=/dev/mmcblk0p1", Refused, "partition 1"),
        (BOOKWORM, "cm4", CMDLINE, ROOT, "root=/dev/mmcblk0", Refused, "whole disk"),
        (BOOKWORM, "cm4", "/etc/fstab", "PARTUUID=5a0b7c12-02", "/dev/mmcblk0p2", Warning, "SD card"),
        (
            "debian-pc-amd64",
            "pc",
            "/etc/fstab",
            "UUID=5a0b7c64-0000-4000-8000-000000000001",
            "/dev/vda1",
            Warning,
            "virtual",
        ),
    ]);
}

#[test]
fn what_runs_on_the_root_is_the_system() {
    all(&[
        (BOOKWORM, "cm4", CMDLINE, "quiet", "overlayroot=tmpfs", Refused, "in memory"),
        (BOOKWORM, "cm4", CMDLINE, "quiet", "overlayroot=disabled", Fine, ""),
        (BOOKWORM, "cm4", CMDLINE, "quiet", "boot=overlay", Refused, "in memory"),
        (BOOKWORM, "cm4", CMDLINE, "quiet", "boot=local", Fine, ""),
        (BOOKWORM, "cm4", CMDLINE, "quiet", "boot=nfs", Refused, "something else"),
        (BOOKWORM, "cm4", CMDLINE, "quiet", "systemd.volatile=overlay", Refused, "in memory"),
        (BOOKWORM, "cm4", CMDLINE, "rootfstype=ext4", "rootfstype=btrfs", Refused, "use rootfstype=ext4"),
        (BOOKWORM, "cm4", CMDLINE, "rootfstype=ext4", "rootfstype=ext4,ext3", Fine, ""),
        (BOOKWORM, "cm4", CMDLINE, "quiet", "rootflags=subvol=@", Refused, "subvol=@"),
        (BOOKWORM, "cm4", CMDLINE, "quiet", "rootflags=noatime,commit=30", Fine, ""),
        (
            BOOKWORM,
            "cm4",
            CMDLINE,
            "init=/usr/lib/raspberrypi-sys-mods/firstboot",
            "init=/bin/sh",
            Refused,
            "a shell",
        ),
        (BOOKWORM, "cm4", CMDLINE, "sys-mods/firstboot", "sys-mods/gone", Refused, "names no file"),
        (BOOKWORM, "cm4", CMDLINE, "quiet", "systemd.unit=rescue.target", Refused, "rescue.target"),
        (BOOKWORM, "cm4", CMDLINE, "quiet", "single", Refused, "single"),
        (BOOKWORM, "cm4", CMDLINE, "quiet", "resume=UUID=1", Warning, "wait"),
        (
            UBUNTU,
            "cm4",
            "/etc/overlayroot.conf",
            "",
            "overlayroot=\"tmpfs:swap=1\"\n",
            Refused,
            "overlayroot.conf, line 1",
        ),
        (UBUNTU, "cm4", "/etc/overlayroot.conf", "", "#overlayroot=\"tmpfs\"\noverlayroot=\"\"\n", Fine, ""),
    ]);
}

#[test]
fn what_config_txt_names_is_on_the_boot_partition() {
    all(&[
        (BOOKWORM, "cm4", CONFIG, "", "kernel=gone.img\n", Refused, "/boot/firmware/gone.img does not exist"),
        (BOOKWORM, "cm4", CONFIG, "", "[pi4]\nkernel=gone.img\n", Refused, "gone.img"),
        (BOOKWORM, "cm4", CONFIG, "", "[cm4]\nkernel=gone.img\n", Refused, "gone.img"),
        (BOOKWORM, "pi4", CONFIG, "", "[cm4]\nkernel=gone.img\n", Fine, ""),
        (BOOKWORM, "cm4", CONFIG, "", "[pi5]\nkernel=gone.img\n", Fine, ""),
        (BOOKWORM, "pi5", CONFIG, "", "[pi5]\nkernel=gone.img\n", Refused, "gone.img"),
        (BOOKWORM, "cm4", CONFIG, "", "[none]\nkernel=gone.img\n", Fine, ""),
        (BOOKWORM, "cm4", CONFIG, "", "[tryboot]\nkernel=gone.img\n", Fine, ""),
        (BOOKWORM, "cm4", CONFIG, "", "[gpio4=1]\nkernel=gone.img\n", Warning, "gone.img"),
        (BOOKWORM, "cm4", CONFIG, "", "[board-type=0x14]\nkernel=gone.img\n", Warning, "gone.img"),
        (BOOKWORM, "cm4", CONFIG, "", "kernel=gone.img\nkernel=kernel8.img\n", Fine, ""),
        (BOOKWORM, "cm4", CONFIG, "", "initramfs gone.gz followkernel\n", Refused, "gone.gz"),
        (BOOKWORM, "cm4", CONFIG, "", "ramfsfile=initramfs8,gone\n", Refused, "gone"),
        (BOOKWORM, "cm4", CONFIG, "", "device_tree=gone.dtb\n", Refused, "gone.dtb"),
        (BOOKWORM, "cm4", CONFIG, "", "overlay_prefix=gone/\n", Warning, "overlay"),
        (BOOKWORM, "cm4", CONFIG, "", "start_file=gone.elf\n", Refused, "gone.elf"),
        (BOOKWORM, "pi5", CONFIG, "", "start_file=gone.elf\n", Fine, ""),
        (BOOKWORM, "cm4", CONFIG, "", "boot_ramdisk=1\n", Refused, "boot.img"),
        (BOOKWORM, "cm4", CONFIG, "arm_64bit=1", "arm_64bit=0", Refused, "32 bits"),
        (BOOKWORM, "cm4", CONFIG, "arm_64bit=1", "[pi3]\narm_64bit=0\n[all]", Fine, ""),
        (BOOKWORM, "cm4", CONFIG, "arm_64bit=1", "arm_64bit=0\nkernel=kernel8.img", Fine, ""),
        (UBUNTU, "cm4", CONFIG, "kernel=vmlinuz", "arm_64bit=0\nkernel=vmlinuz", Refused, "use arm_64bit=1"),
        (UBUNTU_AB, "cm4", CONFIG, "kernel=vmlinuz", "kernel=/vmlinuz", Refused, "/boot/firmware//vmlinuz"),
        // Without an initramfs the kernel knows no label.
        (UBUNTU, "cm4", CONFIG, "initramfs initrd.img followkernel", "", Refused, "without an initramfs"),
        (BOOKWORM, "cm4", CONFIG, "auto_initramfs=1", "", Fine, ""),
    ]);
}

#[test]
fn the_boot_partition_is_the_images() {
    all(&[
        (
            BOOKWORM,
            "cm4",
            "BOOT/autoboot.txt",
            "",
            "[all]\nboot_partition=2\n",
            Refused,
            "use boot_partition=1",
        ),
        (BOOKWORM, "cm4", "BOOT/autoboot.txt", "", "boot_partition=x\n", Refused, "boot_partition=1"),
        (
            BOOKWORM,
            "cm4",
            "BOOT/autoboot.txt",
            "",
            "boot_partition=1\n[tryboot]\nboot_partition=2\n",
            Fine,
            "",
        ),
        (BOOKWORM, "cm4", "BOOT/autoboot.txt", "", "boot_partition=0\n", Fine, ""),
        ("debian-pi-hybrid-arm64", "cm4", "BOOT/autoboot.txt", "", "boot_partition=1\n", Fine, ""),
        (
            BOOKWORM,
            "cm4",
            "/etc/fstab",
            "PARTUUID=5a0b7c12-01",
            "PARTUUID=deadbeef-01",
            Refused,
            "boot partition",
        ),
        (
            BOOKWORM,
            "cm4",
            "/etc/fstab",
            "PARTUUID=5a0b7c12-02",
            "PARTUUID=deadbeef-02",
            Refused,
            "root partition",
        ),
        (BOOKWORM, "cm4", "/etc/fstab", "PARTUUID=5a0b7c12-01", "UUID=\"5A0B-7C12\"", Fine, ""),
        (BOOKWORM, "cm4", "/etc/fstab", "PARTUUID=5a0b7c12-01", "UUID=5a0b7c12", Refused, "another disk"),
        (BOOKWORM, "cm4", "/etc/fstab", "PARTUUID=5a0b7c12-01", "LABEL=bootfs", Fine, ""),
        (BOOKWORM, "cm4", "/etc/fstab", "PARTUUID=5a0b7c12-01", "LABEL=\"bootfs\"", Fine, ""),
        (BOOKWORM, "cm4", "/etc/fstab", "PARTUUID=5a0b7c12-01", "/dev/disk/by-uuid/5A0B-7C12", Fine, ""),
        (
            BOOKWORM,
            "cm4",
            "/etc/fstab",
            "PARTUUID=5a0b7c12-01",
            "LABEL=rootfs",
            Refused,
            "leads to partition 2",
        ),
    ]);
}

#[test]
fn grub_finds_its_menu_and_the_kernel() {
    const PC: &str = "debian-pc-amd64";
    const MENU: &str = "/boot/grub/grub.cfg";
    const ROOT_ID: &str = "5a0b7c64-0000-4000-8000-000000000001";
    all(&[
        (
            PC,
            "pc",
            "BOOT/EFI/BOOT/grub.cfg",
            ROOT_ID,
            "00000000-0000-4000-8000-000000000001",
            Refused,
            "EFI/BOOT/grub.cfg, line 1",
        ),
        (
            PC,
            "pc",
            "BOOT/EFI/debian/grub.cfg",
            "/boot/grub'",
            "/grub'",
            Refused,
            "EFI/debian/grub.cfg, line 2",
        ),
        (PC, "pc", MENU, "=root 5a0b7c64-", "=root deadbeef-", Refused, "of another disk"),
        (PC, "pc", MENU, "root=UUID=5a0b7c64-", "root=UUID=deadbeef-", Refused, "root partition"),
        (PC, "pc", MENU, "/boot/vmlinuz-", "/boot/gone-", Refused, "/boot/gone-"),
        (PC, "pc", MENU, "/boot/initrd.img-", "/boot/gone-", Refused, "/boot/gone-"),
        (PC, "pc", MENU, "consoleblank=0", "overlayroot=tmpfs", Refused, "in memory"),
        ("ubuntu-cloud-amd64-like", "pc", MENU, "/vmlinuz-", "/boot/vmlinuz-", Refused, "(/boot, \"BOOT\")"),
        ("ubuntu-cloud-amd64-like", "pc", MENU, "LABEL=cloudimg-rootfs", "LABEL=root", Refused, "label"),
        (
            "ubuntu-cloud-amd64-like",
            "pc",
            MENU,
            "root=LABEL=cloudimg-rootfs ro  console",
            "root=/dev/sda1 ro  console",
            Warning,
            "USB or SATA",
        ),
    ]);
}

#[test]
fn a_disk_that_is_not_in_the_image_is_waited_for() {
    for (line, want) in [
        ("UUID=1234 /data ext4 defaults 0 2", Some("add the option nofail")),
        ("/dev/sda1 /mnt/usb\\040disk ext4 defaults 0 2", Some("/mnt/usb disk")),
        ("LABEL=usb /data ext4 defaults,nofail 0 2", None),
        ("LABEL=usb /data ext4 noauto 0 2", None),
        ("LABEL=usb /data ext4 x-systemd.automount 0 2", None),
        ("LABEL=rootfs /mnt ext4 defaults 0 2", None),
        ("tmpfs /tmp tmpfs defaults 0 0", None),
        ("/var/lib/disk.img /mnt ext4 loop 0 0", None),
        ("/srv/a /srv/b none bind 0 0", None),
        ("10.0.0.1:/srv /mnt nfs defaults 0 0", None),
        ("#UUID=1234 /data ext4 defaults 0 2", None),
    ] {
        let facts = changed(BOOKWORM, "/etc/fstab", "", &format!("{line}\n"));
        let said: Vec<String> = waits(&facts).iter().map(|wait| wait.step.to_string()).collect();
        match want {
            Some(words) => assert!(
                said.len() == 1 && said[0].contains(words) && said[0].contains("line 4"),
                "{line}: {said:?}"
            ),
            None => assert!(said.is_empty(), "{line}: {said:?}"),
        }
    }
    let facts =
        changed(BOOKWORM, "/etc/crypttab", "", "data UUID=1 none luks\nopt UUID=2 none luks,nofail\n");
    let said: Vec<String> = waits(&facts).iter().map(|wait| wait.step.to_string()).collect();
    assert!(said.len() == 1 && said[0].contains("/etc/crypttab, line 1"), "{said:?}");
}

/// Paths below systemd's directory, each with the text of a unit or the target of a link.
type Units<'a> = &'a [(&'a str, &'a str)];

fn with_units(units: Units<'_>) -> Facts {
    let mut value = serde_json::to_value(facts::of(BOOKWORM)).unwrap();
    for (path, content) in units {
        let attributes = serde_json::json!({ "mode": 420, "uid": 0, "gid": 0, "mtime": 0 });
        value["files"]["states"][format!("/etc/systemd/system/{path}")] = match content.starts_with('/') {
            true => serde_json::json!({ "link": content }),
            false => serde_json::json!({ "text": [content, attributes] }),
        };
    }
    serde_json::from_value(value).unwrap()
}

#[test]
fn an_enabled_mount_unit_of_a_disk_that_is_not_in_the_image_is_waited_for() {
    let disk = "[Mount]\nWhat=/dev/disk/by-uuid/1234\nWhere=/srv/usb\nType=ext4\n";
    let own = "/etc/systemd/system/srv-usb.mount";
    let cases: [(Units<'_>, Option<&str>); 7] = [
        (&[("srv-usb.mount", disk)], None),
        (&[("srv-usb.mount", disk), ("multi-user.target.wants/srv-usb.mount", own)], Some("90 seconds")),
        (&[("srv-usb.mount", disk), ("local-fs.target.requires/srv-usb.mount", own)], Some("emergency mode")),
        (&[("srv-usb.mount", "/dev/null"), ("local-fs.target.requires/srv-usb.mount", own)], None),
        (
            &[
                ("a.mount", "[Mount]\nWhat=nas:/a\nWhere=/a\nType=nfs\n"),
                ("x.target.wants/a.mount", "/etc/systemd/system/a.mount"),
            ],
            None,
        ),
        (
            &[
                ("a.mount", "[Mount]\nWhat=LABEL=rootfs\nWhere=/a\n"),
                ("x.target.wants/a.mount", "/etc/systemd/system/a.mount"),
            ],
            None,
        ),
        (
            &[
                ("a.mount", "[Mount]\nWhat=tmpfs\nWhere=/a\nType=tmpfs\n"),
                ("x.target.wants/a.mount", "/etc/systemd/system/a.mount"),
            ],
            None,
        ),
    ];
    for (units, want) in cases {
        let said: Vec<String> = waits(&with_units(units)).iter().map(|wait| wait.step.to_string()).collect();
        match want {
            Some(words) => assert!(said.len() == 1 && said[0].contains(words), "{units:?}: {said:?}"),
            None => assert!(said.is_empty(), "{units:?}: {said:?}"),
        }
    }
}
