//! Plans for facts made by hand: every feature, on every kind of base.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hc_common::network::NetworkStack;

use crate::arch::Arch;
use crate::board::Boards;
use crate::cluster::{self, LoadContext};
use crate::formats::accounts::{group, passwd, shadow};
use crate::formats::k3s_config::{PATH, SECRET_PATH};
use crate::formats::kernel_modules::KernelModules;
use crate::formats::{config_txt, dhcpcd_conf, dphys_swapfile, fstab, interfaces, sshd_config, sudoers};
use crate::fs::{Attributes, ImagePath, Space};
use crate::os::{Bootloader, CloudInit, Family, FileState, Kernel, MachineId, Snapshot, Swap, System};
use crate::source::artifact::Artifact;
use crate::source::digest::Sha256Digest;
use crate::source::k3s_release::K3sBundle;

use super::*;

const MODULES: [&str; 8] =
    ["overlay", "br_netfilter", "nf_conntrack", "veth", "bridge", "vxlan", "8021q", "rp1_pci"];

/// Files that features need to be there.
const TEXTS: [(&str, &str); 14] = [
    ("/boot/firmware/cmdline.txt", "console=tty1 root=LABEL=root\n"),
    ("/boot/firmware/config.txt", "arm_64bit=1\n"),
    ("/boot/grub/grub.cfg", "menuentry 'a' {\n\tlinux /vmlinuz-6 root=LABEL=root ro\n}\n"),
    (fstab::PATH, "LABEL=root / ext4 defaults 0 1\n/var/swap none swap sw 0 0\n"),
    (passwd::PATH, "root:x:0:0:root:/root:/bin/bash\n"),
    (group::PATH, "root:x:0:\nadm:x:4:\nsudo:x:27:\n"),
    (shadow::PATH, "root:*:19000:0:99999:7:::\n"),
    (sshd_config::MAIN_PATH, "Include /etc/ssh/sshd_config.d/*.conf\n"),
    (sudoers::MAIN_PATH, "@includedir /etc/sudoers.d\n"),
    ("/lib/systemd/system/ssh.service", "[Unit]\n"),
    ("/lib/systemd/system/userconfig.service", "[Unit]\n"),
    (dphys_swapfile::PATH, "CONF_SWAPSIZE=100\n"),
    (dhcpcd_conf::PATH, "hostname\n"),
    (interfaces::PATH, "source /etc/network/interfaces.d/*\nauto eth0\niface eth0 inet dhcp\n"),
];

const CLUSTER: &str = r#"
schema = 1
name = "lab"
time-zone = "Europe/Berlin"

[k3s]
datastore = "external"

[k3s.server]
kubelet-arg = ["max-pods=200"]

[external-datastore]
endpoint = "postgres://k3s:password@db.home.lan:5432/k3s"

[[users]]
name = "kim"
sudo = true
ssh-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f kim"]

[registries.mirrors."docker.io"]
endpoint = ["https://mirror.home.lan"]
"#;

const WIRED: &str = r#"
[network]
subnet = "192.168.7.0/24"
gateway = "192.168.7.1"
dns = ["192.168.7.1"]
domain = "home.lan"

[[nodes]]
name = "lab-1"
role = "server"
board = "BOARD"
address = "192.168.7.11"
interface = "eth0"

[[nodes]]
name = "lab-2"
role = "agent"
board = "BOARD"
address = "192.168.7.12"
interface = "eth0"
"#;

const DHCP: &str = r#"
[[nodes]]
name = "lab-1"
role = "server"
board = "BOARD"
"#;

const WIFI: &str = r#"
[network.wifi]
ssid = "home"
psk = "very-secret"
country = "DE"

[[nodes]]
name = "lab-1"
role = "server"
board = "BOARD"
wifi = true
interface = "wlan0"
"#;

fn path(text: &str) -> ImagePath {
    ImagePath::parse(text).unwrap()
}

/// A base with nothing but [`TEXTS`], of which those of `interests` were taken.
fn snapshot(bootloader: &Bootloader, interests: &[Interest]) -> Snapshot {
    let attributes = Attributes { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
    let state = |path: &ImagePath| match TEXTS.iter().find(|(text, _)| *text == path.as_str()) {
        Some((_, text)) => FileState::Text((*text).to_owned(), attributes),
        None => FileState::Absent,
    };
    let mut files = Snapshot::default();
    let arguments = bootloader.arguments_file();
    files.put(arguments, state(arguments));
    for interest in interests {
        let one = match interest {
            Interest::Path(one) => path(one),
            Interest::Boot(name) => path(&format!("/boot/firmware/{name}")),
            Interest::Dir(dir) => {
                files.put_whole(&path(dir));
                continue;
            }
            Interest::Homes => {
                files.put_whole(&path("/home"));
                continue;
            }
        };
        files.put(&one, state(&one));
    }
    files
}

fn bootloader(family: Family) -> Bootloader {
    match family {
        Family::DebianPc | Family::UbuntuPc => Bootloader::Grub { config: path("/boot/grub/grub.cfg") },
        _ => Bootloader::PiFirmware {
            cmdline: path("/boot/firmware/cmdline.txt"),
            prefix: String::new(),
            kernels: Vec::new(),
            device_trees: vec!["bcm2711-rpi-cm4.dtb".to_owned()],
        },
    }
}

fn facts(family: Family, network: NetworkStack, arch: Arch, interests: &[Interest]) -> Facts {
    let bootloader = bootloader(family);
    let list: String = MODULES.iter().map(|name| format!("kernel/{name}.ko:\n")).collect();
    Facts {
        system: System { family, codename: "test".to_owned() },
        pretty_name: "Test".to_owned(),
        arch,
        files: snapshot(&bootloader, interests),
        bootloader,
        boot_dir: path("/boot/firmware"),
        network: vec![network],
        resolver: false,
        wpa_supplicant: true,
        swap: vec![
            Swap::Fstab { device: "/var/swap".to_owned(), file: Some(path("/var/swap")) },
            Swap::RpiSwap,
            Swap::Unit { unit: "data.swap".to_owned() },
        ],
        old_iptables: true,
        time_zones: BTreeSet::from(["Europe/Berlin".parse().unwrap()]),
        cloud_init: Some(CloudInit::default()),
        user_setup: Vec::new(),
        root_growth: Vec::new(),
        machine_id: MachineId::Absent,
        packages: 1,
        hostname: Some("base".to_owned()),
        space: Space { bytes: 1 << 30, inodes: 1 << 16 },
        kernels: vec![Kernel { release: "6".to_owned(), modules: KernelModules::parse(&list, "") }],
        written: 0,
    }
}

fn k3s() -> K3sBundle {
    let file = |name: &str| Artifact {
        name: name.to_owned(),
        path: PathBuf::from(name),
        size: 1,
        sha256: Sha256Digest::of(b"x"),
        promised_by: "test".to_owned(),
        unpacked_size: Some(7),
    };
    K3sBundle {
        version: "v1.36.2+k3s1".parse().unwrap(),
        binary: file("k3s-arm64"),
        airgap_images: file("k3s-airgap-images-arm64.tar.zst"),
    }
}

/// What `made` makes of each node of a cluster file.
fn each_node<T>(
    text: &str,
    board: &str,
    facts_of: impl Fn(Arch) -> Facts,
    made: impl Fn(&Facts, &Request<'_>) -> T,
) -> Vec<T> {
    let boards = Boards::load(None).unwrap();
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let context = LoadContext { boards: &boards, dir: Path::new(""), read: &read, is_outside: &|_| false };
    let text = format!("{CLUSTER}{text}").replace("BOARD", board);
    let cluster =
        cluster::parse(&text, "cluster.toml", &context).map_err(|report| report.to_string()).unwrap();
    let board = boards.get(board).unwrap();
    let (facts, k3s) = (facts_of(board.architecture), k3s());
    let secrets = NodeSecrets { files: Vec::new(), not_before: 0 };
    let request = |node| Request {
        cluster: &cluster.cluster,
        node,
        board,
        secrets: Some(&secrets),
        k3s: &k3s,
        firstboot: b"program",
        time: 1_700_000_000,
    };
    cluster.cluster.nodes.iter().map(|node| made(&facts, &request(node))).collect()
}

/// The plans of all nodes of a cluster file.
fn plans(text: &str, board: &str, facts_of: impl Fn(Arch) -> Facts) -> Vec<Result<Plan, PlanError>> {
    each_node(text, board, facts_of, plan)
}

const STACKS: [NetworkStack; 5] = [
    NetworkStack::Dhcpcd,
    NetworkStack::NetworkManager,
    NetworkStack::Networkd,
    NetworkStack::Netplan,
    NetworkStack::Ifupdown,
];

fn bases() -> impl Iterator<Item = (Family, &'static str, NetworkStack)> {
    let families = [
        (Family::RaspberryPiOs, "turing-pi-2-cm4"),
        (Family::UbuntuPi, "cm4"),
        (Family::DebianPi, "turing-pi-2-cm4"),
        (Family::DebianPc, "pc"),
        (Family::UbuntuPc, "pc"),
    ];
    families.into_iter().flat_map(|(family, board)| STACKS.map(|stack| (family, board, stack)))
}

#[test]
fn every_file_that_a_plan_reads_is_one_of_interest() {
    let mut made = 0;
    for (family, board, stack) in bases() {
        for network in [
            DHCP.to_owned(),
            WIRED.to_owned(),
            WIFI.to_owned(),
            WIRED.replace("interface =", "vlan = 7\ninterface ="),
        ] {
            for plan in plans(&network, board, |arch| facts(family, stack, arch, &files_of_interest())) {
                match plan {
                    Ok(plan) => {
                        made += 1;
                        assert!(plan.edits.len() > 20, "{family:?} {stack}");
                    }
                    // What a stack cannot do; everything else is a fault.
                    Err(PlanError::Unsupported { .. }) => {}
                    Err(error) => panic!("{family:?} {stack}: {error:?}"),
                }
            }
        }
    }
    assert!(made > 60, "{made}");
}

#[test]
fn a_file_that_was_not_taken_is_an_error_and_not_an_absent_file() {
    let all = files_of_interest();
    for (i, left_out) in all.iter().enumerate() {
        let others: Vec<_> = all.iter().filter(|one| *one != left_out).copied().collect();
        let needed = bases().any(|(family, board, stack)| {
            [WIRED, WIFI].iter().any(|network| {
                let facts = |arch| {
                    let mut facts = facts(family, stack, arch, &others);
                    facts.swap.push(Swap::DphysSwapfile { file: None });
                    facts
                };
                plans(network, board, facts).iter().any(|plan| matches!(plan, Err(PlanError::NotTaken(_))))
            })
        });
        assert!(needed, "{i}: nothing reads {left_out:?}");
    }
}

#[test]
fn no_edit_is_lost_when_two_mechanisms_swap_to_the_same_file() {
    let facts = |arch| {
        let mut facts =
            facts(Family::RaspberryPiOs, NetworkStack::NetworkManager, arch, &files_of_interest());
        facts.files.put(
            &path(dphys_swapfile::PATH),
            FileState::Text(String::new(), Attributes { mode: 0o644, uid: 0, gid: 0, mtime: 0 }),
        );
        facts.swap.push(Swap::DphysSwapfile { file: Some(path("/var/swap")) });
        facts
    };
    let plan = plans(DHCP, "cm4", facts).remove(0).unwrap();
    let removed =
        plan.edits.iter().filter(|edit| edit.path == path("/var/swap") && edit.action == Action::Remove);
    assert_eq!(removed.count(), 1);
}

#[test]
fn the_seed_lists_each_artifact_with_its_unpacked_size() {
    let facts = |arch| facts(Family::RaspberryPiOs, NetworkStack::NetworkManager, arch, &files_of_interest());
    let plan = plans(DHCP, "cm4", facts).remove(0).unwrap();
    let seed = plan.edits.iter().find(|edit| edit.path.as_str() == hc_firstboot::seed::SEED_PATH).unwrap();
    let Action::Write(Content::Bytes(text), _) = &seed.action else { panic!("{seed:?}") };
    let seed = hc_firstboot::seed::Seed::parse(std::str::from_utf8(text).unwrap()).unwrap();
    let bundle: Vec<_> =
        seed.bundle.iter().map(|file| (file.path.to_str().unwrap(), file.unpacked_size)).collect();
    let images = "/var/lib/rancher/k3s/agent/images/k3s-airgap-images-arm64.tar.zst";
    assert_eq!(bundle, [("/usr/local/bin/k3s", Some(7)), (images, Some(7))]);
    assert_eq!(seed.k3s.modules, ["vxlan"]);
}

#[test]
fn paths_of_interest_are_well_formed() {
    for interest in files_of_interest() {
        if let Interest::Path(text) | Interest::Dir(text) = interest {
            assert_eq!(path(text).as_str(), text);
        }
    }
    assert!(files_of_interest().contains(&Interest::Boot(config_txt::NAME)));
}

#[test]
fn every_setting_of_k3s_is_in_the_table() {
    let facts = |arch| facts(Family::RaspberryPiOs, NetworkStack::NetworkManager, arch, &files_of_interest());
    let keys = |facts: &Facts, request: &Request<'_>| {
        let all = contribution::contributions(&FEATURES, facts, request).unwrap();
        let settings = all.into_iter().flat_map(|(_, contribution)| contribution.settings);
        settings.map(|(key, _)| key).collect::<Vec<_>>()
    };
    let keys = each_node(WIRED, "cm4", facts, keys).concat();
    assert!(keys.len() > 30, "{keys:?}");
    for key in keys {
        assert!(crate::formats::k3s_config::keys::find(key).is_some(), "{key}");
    }
}

#[test]
fn settings_of_the_user_and_secret_ones_are_in_the_file_that_is_read_last() {
    let facts = |arch| facts(Family::RaspberryPiOs, NetworkStack::NetworkManager, arch, &files_of_interest());
    let plans = plans(WIRED, "cm4", facts);
    let [Ok(server), Ok(agent)] = plans.as_slice() else { panic!("{plans:?}") };
    let text = |plan: &Plan, path: &str| {
        let edit = plan.edits.iter().find(|edit| edit.path.as_str() == path)?;
        match &edit.action {
            Action::Write(Content::Secret(text), _) => Some(text.expose().to_owned()),
            Action::Write(Content::Bytes(text), _) => Some(String::from_utf8(text.to_vec()).unwrap()),
            _ => None,
        }
    };
    let ours = ["image-gc-high-threshold=75", "image-gc-low-threshold=65"];
    let ours = [&ours[..], &["container-log-max-size=5Mi", "container-log-max-files=3"]].concat();
    let list = |arguments: &[&str]| {
        let items = arguments.iter().map(|argument| format!("  - \"{argument}\"\n"));
        format!("kubelet-arg:\n{}", items.collect::<String>())
    };
    let expected = format!(
        "datastore-endpoint: \"postgres://k3s:password@db.home.lan:5432/k3s\"\n{}",
        list(&[&ours[..], &["max-pods=200"]].concat())
    );
    assert_eq!(text(server, SECRET_PATH), Some(expected));
    assert!(!text(server, PATH).unwrap().contains("kubelet-arg"), "k3s would take only the other list");

    assert_eq!(text(agent, SECRET_PATH), None);
    let config = text(agent, PATH).unwrap();
    assert!(config.contains(&list(&ours)) && !config.contains("datastore"), "{config}");
}
