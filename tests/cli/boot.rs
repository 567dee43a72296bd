//! Images whose boot configuration was changed by hand, with mtools and debugfs: what leads out of the image is refused,
//! what depends on the medium is warned of, and `inspect` shows the way.

use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, k3s_release};
use hcimage_testkit::hcimage::{build, fail, hcimage, succeed, succeed_loudly};
use hcimage_testkit::tools::{debugfs_put, dump, mtype, partitions, run};
use serde_json::Value;

use crate::damage::{Copy, copy};

/// `hcimage plan` for an image.
fn plan(copy: &Copy, board: &str) -> Command {
    let mut command = hcimage(copy.dir.path());
    command.args(["plan", "--board", board, "--base"]).arg(&copy.image);
    command.arg("--k3s").arg(k3s_release().join(K3S_VERSION));
    command
}

/// Puts a file on the boot partition with mtools.
fn put(copy: &Copy, name: &str, bytes: &[u8]) {
    let file = copy.dir.path().join("put");
    fs::write(&file, bytes).unwrap();
    let place = format!("{}@@{}", copy.image.display(), partitions(&copy.image).1.start);
    run(Command::new("mcopy").args(["-o", "-i", &place]).arg(&file).arg(format!("::{name}")));
    fs::remove_file(file).unwrap();
}

fn root_file(copy: &Copy, path: &str) -> String {
    dump(&copy.image, path, copy.dir.path()).unwrap_or_else(|| panic!("{path} is missing"))
}

/// Each text with a change in it is refused with these words; then the file is as it was.
fn refused_on_boot(copy: &Copy, board: &str, name: &str, changes: &[(&str, &str, &str)]) {
    let old = String::from_utf8(mtype(&copy.image, name)).unwrap();
    for &(from, to, words) in changes {
        assert!(old.contains(from), "{name} has no {from:?}: {old}");
        let new = if from.is_empty() { format!("{old}{to}") } else { old.replace(from, to) };
        put(copy, name, new.as_bytes());
        fail(&mut plan(copy, board), 4, &["does not boot", name, words]);
    }
    put(copy, name, old.as_bytes());
}

#[test]
fn a_pi_that_would_boot_something_else_is_refused() {
    let copy = copy("pi-os-bookworm-like");
    const ROOT: &str = "root=PARTUUID=5a0b7c12-02";
    refused_on_boot(
        &copy,
        "cm4",
        "cmdline.txt",
        &[
            (ROOT, "root=PARTUUID=deadbeef-02", "use PARTUUID=5a0b7c12-02"),
            (ROOT, "root=/dev/nfs nfsroot=10.0.0.1:/srv/root", "over the network"),
            (ROOT, "root=/dev/sda1", "partition 1"),
            ("quiet", "overlayroot=tmpfs", "in memory"),
            ("quiet", "boot=overlay", "in memory"),
            ("quiet", "rootflags=subvol=@", "ext4 does not know"),
        ],
    );
    refused_on_boot(
        &copy,
        "cm4",
        "config.txt",
        &[
            ("", "\r\n[all]\r\nkernel=mine.img\r\n", "mine.img does not exist"),
            ("", "[pi4]\ninitramfs mine.gz followkernel\n", "mine.gz does not exist"),
            ("arm_64bit=1", "arm_64bit=0", "use arm_64bit=1"),
        ],
    );
    put(&copy, "autoboot.txt", b"[all]\nboot_partition=2\n");
    fail(&mut plan(&copy, "cm4"), 4, &["autoboot.txt, line 2", "use boot_partition=1"]);
    put(&copy, "autoboot.txt", b"boot_partition=1\n[tryboot]\nboot_partition=2\n");

    let fstab = root_file(&copy, "/etc/fstab");
    for (from, to, words) in [
        ("PARTUUID=5a0b7c12-02", "PARTUUID=deadbeef-02", "root partition"),
        ("PARTUUID=5a0b7c12-01", "UUID=DEAD-BEEF", "boot partition"),
        ("PARTUUID=5a0b7c12-01", "LABEL=\"system-boot\"", "none has this label"),
    ] {
        debugfs_put(&copy.image, &fstab.replace(from, to), "/etc/fstab", copy.dir.path());
        fail(&mut plan(&copy, "cm4"), 4, &["/etc/fstab, line", words]);
    }
    debugfs_put(&copy.image, &fstab, "/etc/fstab", copy.dir.path());
    let told = succeed_loudly(&mut plan(&copy, "cm4")).stderr;
    assert!(!told.contains("warning"), "{told}");
}

#[test]
fn a_pc_whose_grub_looks_elsewhere_is_refused() {
    let copy = copy("debian-pc-amd64");
    const ID: &str = "5a0b7c64-0000-4000-8000-000000000001";
    refused_on_boot(
        &copy,
        "pc",
        "EFI/BOOT/grub.cfg",
        &[(ID, "deadbeef-0000-4000-8000-000000000001", "of another disk")],
    );
    let menu = root_file(&copy, "/boot/grub/grub.cfg");
    for (from, to, words) in [
        ("root=UUID=5a0b7c64", "root=UUID=deadbeef", "root partition"),
        ("/boot/vmlinuz-", "/boot/gone-", "names no file"),
        ("/boot/initrd.img-", "/boot/gone-", "names no file"),
    ] {
        debugfs_put(&copy.image, &menu.replace(from, to), "/boot/grub/grub.cfg", copy.dir.path());
        fail(&mut plan(&copy, "pc"), 4, &["/boot/grub/grub.cfg, line", words]);
    }
}

#[test]
fn what_depends_on_the_medium_or_waits_for_a_disk_is_a_warning() {
    let copy = copy("pi-os-bookworm-like");
    let cmdline = String::from_utf8(mtype(&copy.image, "cmdline.txt")).unwrap();
    put(&copy, "cmdline.txt", cmdline.replace("PARTUUID=5a0b7c12-02", "/dev/mmcblk0p2").as_bytes());
    let fstab = root_file(&copy, "/etc/fstab");
    let more = "UUID=00000000-1111-4000-8000-000000000001 /data ext4 defaults 0 2\n/dev/sda1 /mnt/usb ext4 defaults,nofail 0 2\n";
    debugfs_put(&copy.image, &format!("{fstab}{more}"), "/etc/fstab", copy.dir.path());
    debugfs_put(&copy.image, "secret UUID=1 none luks\n", "/etc/crypttab", copy.dir.path());
    let told = succeed_loudly(&mut plan(&copy, "cm4")).stderr;
    let warnings: Vec<&str> = told.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 3, "{told}");
    for words in ["/dev/mmcblk0p2", "/etc/fstab, line 4", "add the option nofail", "/etc/crypttab, line 1"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // A board without a slot for a card.
    put(&copy, "cmdline.txt", cmdline.replace("PARTUUID=5a0b7c12-02", "/dev/nvme0n1p2").as_bytes());
    fail(&mut plan(&copy, "pi3"), 4, &["/dev/nvme0n1p2", "boots from SD, USB"]);
}

#[test]
fn inspect_shows_the_way_and_where_it_leads_out() {
    let copy = copy("pi-os-bookworm-like");
    let inspect = || {
        let mut command = hcimage(copy.dir.path());
        command.arg("inspect").arg(&copy.image);
        command
    };
    let said = succeed(&mut inspect());
    assert!(
        said.contains("boots         yes") && said.contains("leads to partition 2 (root, \"rootfs\")"),
        "{said}"
    );
    let cmdline = String::from_utf8(mtype(&copy.image, "cmdline.txt")).unwrap();
    put(&copy, "cmdline.txt", cmdline.replace("5a0b7c12-02", "deadbeef-02").as_bytes());
    let said = succeed(&mut inspect());
    assert!(said.contains("boots         no") && said.contains("! root"), "{said}");
    let json: Value = serde_json::from_str(&succeed(inspect().arg("--json"))).unwrap();
    assert_eq!(json["system"]["boot"]["boots"], false);
    let root = json["system"]["boot"]["chain"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["for"] == "root")
        .unwrap();
    assert_eq!(root["result"], "nowhere");
}

#[test]
fn a_byte_order_mark_is_removed_and_utf16_is_refused() {
    let copy = copy("pi-os-bookworm-like");
    let marked = |bytes: &[u8]| [b"\xef\xbb\xbf", bytes].concat();
    let (cmdline, config) = (mtype(&copy.image, "cmdline.txt"), mtype(&copy.image, "config.txt"));
    put(&copy, "cmdline.txt", &marked(&cmdline));
    put(&copy, "config.txt", &marked(&config));
    put(&copy, "meta-data", &marked(b"instance-id: a\r\n"));
    succeed(build(copy.dir.path(), "cm4", &copy.image).args(["--output", "node.img"]));
    let node = copy.dir.path().join("node.img");
    assert!(mtype(&node, "cmdline.txt").starts_with(b"console=serial0,115200 "));
    assert!(mtype(&node, "config.txt").starts_with(&config[..20]));
    assert_eq!(mtype(&node, "meta-data"), b"instance-id: a\r\n");

    let utf16: Vec<u8> =
        String::from_utf8(cmdline.clone()).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect();
    put(&copy, "cmdline.txt", &utf16);
    fail(&mut plan(&copy, "cm4"), 4, &["cmdline.txt", "UTF-16", "save it as UTF-8"]);
    put(&copy, "cmdline.txt", &cmdline);
    put(&copy, "config.txt", &[b"\xff\xfe".to_vec(), utf16].concat());
    fail(&mut plan(&copy, "cm4"), 4, &["config.txt", "UTF-16", "save it as UTF-8"]);
}

/// The files that a person writes on another machine: cluster file, keys and manifests.
#[test]
fn texts_of_another_machines_editor_are_read() {
    let copy = copy("pi-os-bookworm-like");
    let dir = copy.dir.path();
    let write = |name: &str, text: &str| {
        fs::write(dir.join(name), format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap()
    };
    write(
        "kim.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f kim\n",
    );
    write("shop.yaml", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n");
    let cluster = |mount: &str| {
        format!(
            "schema = 1\nname = \"lab\"\nmanifests = [\"shop.yaml\"]\n\n[[users]]\nname = \"kim\"\nssh-key-files = [\"kim.pub\"]\n\n\
             [data-disk]\nmount = \"{mount}\"\n\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\n"
        )
    };
    let plan = |dir: &Path| {
        let mut command = hcimage(dir);
        command.args(["plan", "cluster.toml", "--base"]).arg(&copy.image);
        command.arg("--k3s").arg(k3s_release().join(K3S_VERSION));
        command
    };
    write("cluster.toml", &cluster("/srv/data"));
    let said = succeed(&mut plan(dir));
    assert!(
        said.contains("AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f kim\n"),
        "{said}"
    );

    // The same files, and a mount point over what they bring.
    write("cluster.toml", &cluster("/home"));
    fail(&mut plan(dir), 2, &["/home/kim", "accounts", "another mount point"]);
    write("cluster.toml", &cluster("/var/lib/rancher/k3s/agent"));
    fail(&mut plan(dir), 2, &["would hide", "/var/lib/rancher/k3s/agent"]);

    let utf16: Vec<u8> = cluster("/srv/data").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(dir.join("cluster.toml"), [b"\xff\xfe".to_vec(), utf16].concat()).unwrap();
    fail(&mut plan(dir), 2, &["cluster.toml", "UTF-16", "save it as UTF-8"]);
}
