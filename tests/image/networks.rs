//! The network services that no base of ours uses as it comes: a copy of one is given their links and files, by debugfs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::access::{build, cluster, dump, image, owner};
use hcimage_testkit::base::base;
use hcimage_testkit::hcimage::{build as build_node, fail, succeed};
use hcimage_testkit::tools::{assert_same_bytes, check, debugfs, debugfs_put, partitions, run};

/// A copy of a base without NetworkManager's link, after some commands of debugfs; `FILE` stands for a file with `text`.
fn changed(name: &str, commands: &[&str], text: &str, scratch: &Path) -> PathBuf {
    let image = scratch.join("base.img");
    run(Command::new("cp").arg("--sparse=always").arg(base(name)).arg(&image));
    let file = scratch.join("file");
    fs::write(&file, text).expect("writing a file for debugfs");
    let start = partitions(&image).0.start;
    let off = "unlink /etc/systemd/system/multi-user.target.wants/NetworkManager.service";
    for command in [off].iter().chain(commands) {
        let command = command.replace("FILE", &file.display().to_string());
        let target = format!("{}?offset={start}", image.display());
        run(Command::new("debugfs").args(["-w", "-R", &command]).arg(target));
    }
    // Taking a name away leaves the count of its links behind.
    let target = format!("{}?offset={start}", image.display());
    let _ = Command::new("e2fsck").args(["-fy", &target]).output().expect("running e2fsck");
    image
}

const NETWORK: &str = "[network]\nsubnet = \"192.168.7.0/24\"\ngateway = \"192.168.7.1\"\ndns = [\"192.168.7.1\", \"1.1.1.1\"]\ndomain = \"home.lan\"\n";
const ADDRESS: &str = "address = \"192.168.7.2\"\n";

const WANTS: &str = "/etc/systemd/system/multi-user.target.wants";

fn node(board: &str, network: &str, of_node: &str) -> String {
    format!("{}{of_node}{network}", cluster(board, ""))
}

/// Built, sound, and the same when it is built once more from what was built.
fn built(scratch: &Path, text: &str, base: &Path) -> PathBuf {
    succeed(&mut build(scratch, text, base, "out"));
    let first = scratch.join("first.img");
    let made = image(scratch, "out");
    for outcome in ["img", "img.manifest.json"] {
        fs::rename(made.with_extension(outcome), first.with_extension(outcome))
            .expect("moving what was built");
    }
    check(&first, scratch);
    succeed(&mut build(scratch, text, &first, "twice"));
    assert_same_bytes(&first, &image(scratch, "twice"));
    first
}

#[test]
fn ifupdown_as_on_debians_images_for_the_pi() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let scratch = dir.path();
    let unit = format!("symlink {WANTS}/networking.service /lib/systemd/system/networking.service");
    let base = changed(
        "debian-pc-amd64",
        &[
            "mkdir /etc/network",
            "mkdir /etc/network/interfaces.d",
            "write FILE /etc/network/interfaces",
            &unit,
        ],
        "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\nallow-hotplug eth0\niface eth0 inet dhcp\n",
        scratch,
    );
    let image = built(scratch, &node("pc", NETWORK, ADDRESS), &base);
    let text = dump(&image, "/etc/network/interfaces", scratch);
    assert!(
        text.contains("allow-hotplug eth0\niface eth0 inet static\n    address 192.168.7.2/24\n"),
        "{text}"
    );
    assert!(!text.contains("dhcp") && !text.contains("auto eth0"), "{text}");
    // Nothing on this image carries name servers there.
    let names = dump(&image, "/etc/resolv.conf", scratch);
    assert!(names.contains("search home.lan\nnameserver 192.168.7.1\nnameserver 1.1.1.1\n"), "{names}");
    let seed = dump(&image, "/etc/hcimage/seed.toml", scratch);
    assert!(seed.contains("stack = \"ifupdown\"\n"), "{seed}");
}

#[test]
fn netplan_and_systemd_networkd() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let scratch = dir.path();
    let cloud = "network:\n  version: 2\n  ethernets:\n    eth0: {dhcp4: true}\n";
    let commands = ["write FILE /etc/netplan/50-cloud-init.yaml"];
    let netplan = changed("pi-os-trixie-like", &commands, cloud, scratch);
    let node_image = built(scratch, &node("cm4", NETWORK, ADDRESS), &netplan);
    let text = dump(&node_image, "/etc/netplan/99-hcimage.yaml", scratch);
    assert!(text.contains("- \"192.168.7.2/24\"\n"), "{text}");
    assert_eq!(owner(&node_image, "/etc/netplan/99-hcimage.yaml"), ("0600".into(), "0".into(), "0".into()));
    assert_eq!(dump(&node_image, "/etc/netplan/50-cloud-init.yaml", scratch), cloud, "it is the base's");
    let cloud = dump(&node_image, "/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg", scratch);
    assert!(cloud.contains("network:\n  config: disabled\n"), "{cloud}");

    let scratch = dir.path().join("networkd");
    fs::create_dir(&scratch).expect("a directory");
    let unit =
        format!("symlink {WANTS}/systemd-networkd.service /lib/systemd/system/systemd-networkd.service");
    let networkd = changed("debian-pc-amd64", &[&unit], "", &scratch);
    let node_image = built(&scratch, &node("pc", NETWORK, ADDRESS), &networkd);
    let text = dump(&node_image, "/etc/systemd/network/00-hcimage.network", &scratch);
    assert!(text.contains("Address=192.168.7.2/24\nGateway=192.168.7.1\n"), "{text}");
}

/// The modules of Debian's own kernel, which the look-alikes do not list.
const VLAN_MODULE: &str = "kernel/net/8021q/8021q.ko.xz:\n";

/// On a port that has no address itself, whatever service sets it up; firstboot and k3s are told of the VLAN's interface.
#[test]
fn a_vlan_on_every_service_that_knows_them() {
    const ON_PORT: &str = "address = \"192.168.7.2\"\nvlan = 20\n";
    let service = |name: &str| format!("symlink {WANTS}/{name}.service /lib/systemd/system/{name}.service");
    let networkd = service("systemd-networkd");
    let (networking, dir) = (service("networking"), "mkdir /etc/network");
    for (commands, interface, wanted) in [
        (
            &[networkd.as_str()][..],
            "vlan20",
            &[
                ("/etc/systemd/network/00-hcimage.netdev", "Kind=vlan\n\n[VLAN]\nId=20\n"),
                ("/etc/systemd/network/00-hcimage-port.network", "VLAN=vlan20\n"),
                ("/etc/systemd/network/00-hcimage.network", "Name=vlan20\n"),
            ][..],
        ),
        (
            &[dir, "write FILE /etc/network/interfaces", networking.as_str()][..],
            "eth0.20",
            &[(
                "/etc/network/interfaces",
                "auto eth0\nauto eth0.20\niface eth0 inet manual\niface eth0.20 inet static\n    address 192.168.7.2/24\n",
            )][..],
        ),
    ] {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let scratch = dir.path();
        let base = changed("debian-pc-amd64", commands, "auto eth0\niface eth0 inet dhcp\n", scratch);
        check_vlan(scratch, &node("pc", NETWORK, ON_PORT), &base, interface, wanted);
    }
    let dir = tempfile::tempdir().expect("a directory for the test");
    let path = "/etc/NetworkManager/system-connections/hcimage";
    let (main, port) = (format!("{path}.nmconnection"), format!("{path}-port.nmconnection"));
    let by_mac = format!("{ON_PORT}mac = \"dc:a6:32:01:02:03\"\n");
    let wanted = [
        (main.as_str(), "interface-name=vlan20\n\n[vlan]\nid=20\nparent=7d0c3c0e-"),
        (port.as_str(), "mac-address=dc:a6:32:01:02:03\n\n[ipv4]\nmethod=disabled\n"),
    ];
    let base = base("debian-pi-arm64");
    let made = check_vlan(dir.path(), &node("cm4", NETWORK, &by_mac), &base, "vlan20", &wanted);
    assert_eq!(owner(&made, &port), ("0600".into(), "0".into(), "0".into()));
}

fn check_vlan(scratch: &Path, text: &str, base: &Path, interface: &str, wanted: &[(&str, &str)]) -> PathBuf {
    let made = built(scratch, text, base);
    for (path, words) in wanted {
        let text = dump(&made, path, scratch);
        assert!(text.contains(words), "{path}: {text}");
    }
    let seed = dump(&made, "/etc/hcimage/seed.toml", scratch);
    for line in [&format!("link = \"{interface}\""), "vlan = 20"] {
        assert!(seed.lines().any(|found| found == line), "no {line:?} in {seed}");
    }
    let k3s = dump(&made, "/etc/rancher/k3s/config.yaml", scratch);
    assert!(k3s.contains(&format!("flannel-iface: \"{interface}\"\n")), "{k3s}");
    made
}

/// dhcpcd makes no VLAN, and a kernel without the module none at all.
#[test]
fn a_vlan_that_the_image_cannot_have_is_refused() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let scratch = dir.path();
    let refuse = |base: &Path, code: i32, words: &[&str]| {
        fail(&mut build(scratch, &node("cm4", "", "vlan = 20\n"), base, "out"), code, words);
    };
    refuse(
        &base("pi-os-bullseye-like"),
        3,
        &["8021q (the node's address is in a VLAN)", "another base image"],
    );
    let with_module = with_module("pi-os-bullseye-like", VLAN_MODULE, scratch);
    refuse(&with_module, 3, &["VLAN 20 on an image with dhcpcd", "bookworm or later", "without a tag"]);
}

/// A base whose kernels have one module more, a line of modules.dep.
fn with_module(name: &str, line: &str, scratch: &Path) -> PathBuf {
    let image = scratch.join("with-module.img");
    run(Command::new("cp").arg("--sparse=always").arg(base(name)).arg(&image));
    let kernels = modules_of(&image);
    assert!(!kernels.is_empty(), "{name} has no kernel in /lib/modules");
    for kernel in kernels {
        let path = format!("/lib/modules/{kernel}/modules.dep");
        debugfs_put(&image, &(dump(&image, &path, scratch) + line), &path, scratch);
    }
    image
}

/// Debian 13 as it is, is refused: see tests/matrix.
#[test]
fn debian_with_the_driver_of_a_pi_5s_network_is_taken_for_one() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let driver = "kernel/drivers/misc/rp1/rp1_pci.ko.xz:\n";
    let base = with_module("debian-pi-trixie-like", driver, dir.path());
    for board in ["pi5", "cm5"] {
        succeed(build_node(dir.path(), board, &base).args(["--output", &format!("{board}.img")]));
    }
}

fn modules_of(image: &Path) -> Vec<String> {
    let listed = debugfs(image, "ls -p /lib/modules");
    let names = listed.lines().filter_map(|line| line.split('/').nth(5));
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned).collect()
}

const WIFI: &str = "[network.wifi]\nssid = \"Home\"\npsk = { file = \"psk.txt\" }\ncountry = \"DE\"\n";
const PSK: &str = "correct horse battery";

/// Whatever reads it, the password is for root alone and in no manifest, and the radio is on.
#[test]
fn wireless_networks() {
    for (name, path, words) in [
        (
            "pi-os-bookworm-like",
            "/etc/NetworkManager/system-connections/hcimage.nmconnection",
            "psk=correct\\shorse\\sbattery\n",
        ),
        ("pi-os-bullseye-like", "/etc/wpa_supplicant/wpa_supplicant.conf", "country=DE\n"),
    ] {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let scratch = dir.path();
        fs::write(scratch.join("psk.txt"), PSK).expect("writing a password");
        let base = base(name);
        let said = debugfs(&base, "cat /var/lib/systemd/rfkill/platform-fe300000.mmcnr:wlan");
        assert!(said.contains("1\n"), "the base has its radio off: {said}");
        let image = built(
            scratch,
            &node("cm4", &format!("{NETWORK}{WIFI}"), &format!("{ADDRESS}wifi = true\n")),
            &base,
        );
        let text = dump(&image, path, scratch);
        assert!(text.contains(words), "{text}");
        assert_eq!(owner(&image, path), ("0600".into(), "0".into(), "0".into()));
        let manifest = fs::read_to_string(image.with_extension("img.manifest.json")).expect("the manifest");
        assert!(!manifest.contains(PSK) && manifest.contains(path), "{manifest}");
        let radio = dump(&image, "/var/lib/systemd/rfkill/platform-fe300000.mmcnr:wlan", scratch);
        assert_eq!(radio, "0\n");
        let rules = dump(&image, "/etc/modprobe.d/hcimage-wifi.conf", scratch);
        assert!(rules.contains("ieee80211_regdom=DE\n"), "{rules}");
        let seed = dump(&image, "/etc/hcimage/seed.toml", scratch);
        assert!(seed.contains("\nlink = \"wlan0\"\n") && !seed.contains("stack ="), "{seed}");
        if name == "pi-os-bookworm-like" {
            let state = dump(&image, "/var/lib/NetworkManager/NetworkManager.state", scratch);
            assert!(state.contains("WirelessEnabled=true\n"), "{state}");
        } else {
            let dhcpcd = dump(&image, "/etc/dhcpcd.conf", scratch);
            assert!(dhcpcd.contains("interface wlan0\nstatic ip_address=192.168.7.2/24\n"), "{dhcpcd}");
        }
    }
}

#[test]
fn two_services_are_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let units = ["networking", "systemd-networkd"]
        .map(|unit| format!("symlink {WANTS}/{unit}.service /lib/systemd/system/{unit}.service"));
    let commands =
        ["mkdir /etc/network", "write FILE /etc/network/interfaces", units[0].as_str(), units[1].as_str()];
    let text = "auto eth0\niface eth0 inet dhcp\n";
    let base = changed("debian-pc-amd64", &commands, text, dir.path());
    let mut command = build(dir.path(), &node("pc", NETWORK, ADDRESS), &base, "out");
    fail(&mut command, 3, &["on an image with ifupdown and systemd-networkd", "exactly one of"]);
}
