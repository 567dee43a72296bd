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
use crate::formats::{
    config_txt, dhcpcd_conf, dphys_swapfile, fstab, interfaces, kubelet_sysctl, sshd_config, sudoers,
};
use crate::fs::{Attributes, ImagePath, Space};
use crate::os::{
    Bootloader, CloudInit, Family, FileState, Kernel, MachineId, PartitionNames, PartitionRole, Snapshot,
    Swap, System,
};
use crate::overlays::Library;
use crate::packages::PackageSet;
use crate::source::artifact::Artifact;
use crate::source::digest::Sha256Digest;
use crate::source::k3s_release::K3sBundle;

use super::*;

const MODULES: [&str; 9] =
    ["overlay", "br_netfilter", "nf_conntrack", "veth", "bridge", "vxlan", "8021q", "rp1_pci", "nfsd"];

/// Files that features need to be there.
const TEXTS: [(&str, &str); 14] = [
    ("/boot/firmware/cmdline.txt", "console=tty1 root=LABEL=root\n"),
    ("/boot/firmware/config.txt", "arm_64bit=1\ninitramfs initramfs8 followkernel\n"),
    ("/boot/grub/grub.cfg", "menuentry 'a' {\n\tlinux /vmlinuz-6 root=LABEL=root ro\n\tinitrd /initrd\n}\n"),
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

/// The least that comes before the nodes.
const CLUSTER_TOP: &str = "schema = 1\nname = \"lab\"\n";

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
            Interest::Links(dir) => {
                files.put_links(&path(dir));
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
            settings: config_txt::settings("arm_64bit=1\ninitramfs initramfs8 followkernel\n", &|_| None)
                .unwrap(),
            boot_partition: 1,
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
        partitions: partitions(),
        boot_files: [
            "/boot/firmware/kernel8.img",
            "/boot/firmware/kernel7.img",
            "/boot/firmware/initramfs8",
            "/vmlinuz-6",
            "/initrd",
        ]
        .map(path)
        .into(),
        network: vec![network],
        resolver: false,
        mdns: false,
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

/// A FAT partition and a root, as a cloned card would not have them.
fn partitions() -> Vec<PartitionNames> {
    let partition = |number, role, fstype: &str, uuid: &str, label: &str| PartitionNames {
        number,
        role: Some(role),
        fstype: Some(fstype.to_owned()),
        uuid: Some(uuid.to_owned()),
        label: Some(label.to_owned()),
        partuuid: Some(format!("5a0b7c12-0{number}")),
        partlabel: None,
    };
    vec![
        partition(1, PartitionRole::Boot, "vfat", "5A0B-7C12", "bootfs"),
        partition(2, PartitionRole::Root, "ext4", "5a0b7c12-0000-4000-8000-000000000001", "root"),
    ]
}

fn k3s(release: &str) -> K3sBundle {
    let file = |name: &str| Artifact {
        name: name.to_owned(),
        path: PathBuf::from(name),
        size: 1,
        sha256: Sha256Digest::of(b"x"),
        promised_by: "test".to_owned(),
        unpacked_size: Some(7),
        image_names: vec!["docker.io/rancher/mirrored-library-busybox:1.37.0".to_owned()],
    };
    K3sBundle {
        version: release.parse().unwrap(),
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
    each_node_with("v1.36.2+k3s1", &format!("{CLUSTER}{text}"), board, facts_of, made)
}

/// The same, with a release of k3s. Every file that the cluster file names is a manifest.
fn each_node_with<T>(
    release: &str,
    text: &str,
    board: &str,
    facts_of: impl Fn(Arch) -> Facts,
    made: impl Fn(&Facts, &Request<'_>) -> T,
) -> Vec<T> {
    let boards = Boards::load(None).unwrap();
    let read = |_: &Path| Ok(b"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n".to_vec());
    let context = LoadContext {
        boards: &boards,
        overlays: &Library::default(),
        dir: Path::new(""),
        read: &read,
        list: &|_| Err("no folder is named".to_owned()),
        is_outside: &|_| false,
        is_shared: false,
    };
    let text = text.replace("BOARD", board);
    let cluster =
        cluster::parse(&text, "cluster.toml", &context).map_err(|report| report.to_string()).unwrap();
    let board = boards.get(board).unwrap();
    let (facts, k3s) = (facts_of(board.architecture), k3s(release));
    let secrets = NodeSecrets { files: Vec::new(), not_before: Some(0), not_after: Some(2_000_000_000) };
    let none = PackageSet::default();
    let request = |node| Request {
        cluster: &cluster.cluster,
        node,
        board,
        secrets: Some(&secrets),
        k3s: &k3s,
        images: None,
        charts: &[],
        overlays: &[],
        folders: &[],
        packages: &none,
        firstboot: b"program",
        time: 1_700_000_000,
        clock_floor: 1_700_000_000,
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
    let text =
        |plan: &Plan, path: &str| plan.edits.iter().find(|edit| edit.path.as_str() == path).map(text_of);
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
    let limit = "/etc/systemd/system/k3s.service.d/hcimage-database.conf";
    assert!(text(server, limit).unwrap().ends_with("[Service]\nTimeoutStartSec=15min\n"));
    assert_eq!(text(agent, limit), None);
    assert!(!text(server, PATH).unwrap().contains("kubelet-arg"), "k3s would take only the other list");

    assert_eq!(text(agent, SECRET_PATH), None);
    let config = text(agent, PATH).unwrap();
    assert!(config.contains(&list(&ours)) && !config.contains("datastore"), "{config}");
}

/// The facts of one text file more in the base.
fn with_text(mut facts: Facts, file: &str, text: &str) -> Facts {
    let attributes = Attributes { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
    facts.files.put(&path(file), FileState::Text(text.to_owned(), attributes));
    facts
}

#[test]
fn a_name_that_nobody_answers_for_is_a_warning() {
    let asked = |network: &str, mdns: bool| {
        let facts = |arch| Facts {
            mdns,
            ..facts(Family::UbuntuPi, NetworkStack::Netplan, arch, &files_of_interest())
        };
        each_node(network, "cm4", facts, warnings).remove(0)
    };
    let found = asked(DHCP, false);
    assert!(
        found.len() == 1 && found[0].contains("lab-1.local") && found[0].contains("set `api`"),
        "{found:?}"
    );
    assert_eq!(asked(DHCP, true), Vec::<String>::new());
    assert_eq!(asked(WIRED, false), Vec::<String>::new());
    assert_eq!(asked(&format!("[network]\ndomain = \"home.lan\"\n{DHCP}"), false), Vec::<String>::new());
}

/// Keys of the base open the node as a password does; those of the cluster file's accounts are the user's own.
#[test]
fn ssh_keys_of_the_base_are_a_warning_that_names_the_accounts() {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    let accounts = "root:x:0:0::/root:/bin/bash\nanna:x:1000:1000::/home/anna:/bin/sh\ngit:x:999:999::/srv/git:/usr/sbin/nologin\n";
    let asked = |network: &str, keys: &[(&str, &str)]| {
        let facts = |arch| {
            let facts = facts(Family::UbuntuPi, NetworkStack::Netplan, arch, &files_of_interest());
            let facts = with_text(facts, "/etc/passwd", accounts);
            keys.iter().fold(facts, |facts, (path, text)| with_text(facts, path, text))
        };
        each_node(network, "cm4", facts, warnings).remove(0)
    };
    let (root, anna, git) =
        ("/root/.ssh/authorized_keys2", "/home/anna/.ssh/authorized_keys", "/srv/git/.ssh/authorized_keys");
    for (keys, expected) in [
        (vec![(root, KEY)], Some("as the account root:")),
        (vec![(root, KEY), (anna, KEY), (git, KEY)], Some("as the accounts root, anna:")),
        (vec![(anna, "# none\n\n")], None),
        (vec![(git, KEY)], None),
    ] {
        let found = asked(WIRED, &keys);
        let is_named = expected.map(|words| found.len() == 1 && found[0].contains(words));
        assert!(is_named.unwrap_or(found.is_empty()), "{keys:?}: {found:?}");
    }
    let users = format!("[[users]]\nname = \"anna\"\nssh-keys = [\"{KEY} anna@laptop\"]\n{WIRED}");
    assert_eq!(asked(&users, &[(anna, KEY)]), Vec::<String>::new());
    let other = asked(&users, &[(anna, "ssh-rsa AAAA somebody\n")]);
    assert!(other.len() == 1 && other[0].contains("as the account anna:"), "{other:?}");
}

/// A cloud image has netplan and no file for it: cloud-init, which would make one, finds no seed.
#[test]
fn dhcp_is_written_where_nothing_else_asks_for_it() {
    const NETPLAN: &str = "/etc/netplan/99-hcimage.yaml";
    let written = |stack, file: Option<(&str, &str)>| {
        let facts = |arch| {
            let facts = facts(Family::UbuntuPi, stack, arch, &files_of_interest());
            file.map_or_else(|| facts.clone(), |(path, text)| with_text(facts.clone(), path, text))
        };
        let plan = plans(DHCP, "cm4", facts).remove(0).unwrap();
        plan.edits.iter().map(|edit| edit.path.to_string()).collect::<Vec<_>>()
    };
    let netplan = written(NetworkStack::Netplan, None);
    assert!(netplan.iter().any(|path| path == NETPLAN), "{netplan:?}");
    let networkd = written(NetworkStack::Networkd, None);
    assert!(networkd.iter().any(|path| path == "/etc/systemd/network/00-hcimage.network"), "{networkd:?}");
    let base = ("/etc/netplan/50-cloud-init.yaml", "network: {ethernets: {eth0: {dhcp4: true}}}\n");
    for seed in [base, ("/boot/firmware/network-config", "ethernets: {}\n")] {
        assert!(!written(NetworkStack::Netplan, Some(seed)).iter().any(|path| path == NETPLAN), "{seed:?}");
    }
    let no_default = ("/etc/NetworkManager/conf.d/x.conf", "[main]\nno-auto-default=*\n");
    let keyfile = "/etc/NetworkManager/system-connections/hcimage.nmconnection";
    assert!(written(NetworkStack::NetworkManager, Some(no_default)).iter().any(|path| path == keyfile));
    assert!(!written(NetworkStack::NetworkManager, None).iter().any(|path| path == keyfile));
    let denied = (dhcpcd_conf::PATH, "denyinterfaces eth0\n");
    assert!(written(NetworkStack::Dhcpcd, Some(denied)).iter().any(|path| path == dhcpcd_conf::PATH));
    assert!(!written(NetworkStack::Dhcpcd, None).iter().any(|path| path == dhcpcd_conf::PATH));
    let only_lo = (interfaces::PATH, "auto lo\niface lo inet loopback\n");
    assert!(written(NetworkStack::Ifupdown, Some(only_lo)).iter().any(|path| path == interfaces::PATH));
}

fn text_of(edit: &Edit) -> String {
    match &edit.action {
        Action::Write(Content::Secret(text), _) => text.expose().to_owned(),
        Action::Write(Content::Bytes(bytes), _) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{}: {other:?}", edit.path),
    }
}

/// A built image is a base, too. What hcimage wrote for the earlier cluster file is no setting of the base.
#[test]
fn files_of_an_earlier_build_are_written_again_and_not_refused() {
    let own = [
        (NetworkStack::Netplan, "/etc/netplan/99-hcimage.yaml"),
        (NetworkStack::Networkd, "/etc/systemd/network/00-hcimage.network"),
        (NetworkStack::NetworkManager, "/etc/NetworkManager/system-connections/hcimage.nmconnection"),
    ];
    for (stack, file) in own {
        for earlier in [DHCP, WIRED] {
            let base = |arch| facts(Family::UbuntuPi, stack, arch, &files_of_interest());
            let first = plans(earlier, "cm4", base).remove(0).unwrap();
            let text = first.edits.iter().find(|edit| edit.path.as_str() == file).map(text_of);
            let built = |arch| match &text {
                Some(text) => with_text(base(arch), file, text),
                None => with_text(base(arch), file, "# Written by hcimage.\n"),
            };
            let again = plans(DHCP, "cm4", built).remove(0).unwrap();
            let again = again.edits.iter().find(|edit| edit.path.as_str() == file).map(text_of);
            assert!(again.is_some(), "{stack}: {file}");
            assert!(earlier == WIRED || text.is_none() || again == text, "{stack}: {again:?}");
        }
    }
}

#[test]
fn a_file_of_an_overlay_that_is_for_one_node_is_on_that_one_alone() {
    let text = format!("{WIRED}\n[overlays.nfs-server]\nnode = \"lab-2\"\n");
    let facts = |arch| facts(Family::DebianPi, NetworkStack::NetworkManager, arch, &files_of_interest());
    let exports = |plan: Result<Plan, PlanError>| {
        let plan = plan.unwrap();
        plan.edits.iter().find(|edit| edit.path.as_str() == "/etc/exports.d/hcimage.exports").map(text_of)
    };
    let found: Vec<Option<String>> = plans(&text, "cm4", facts).into_iter().map(exports).collect();
    assert_eq!(found.len(), 2);
    assert!(found[0].is_none(), "{found:?}");
    assert!(found[1].as_ref().is_some_and(|text| text.contains("192.168.7.11(rw,")), "{found:?}");
}

#[test]
fn a_setting_of_the_base_that_would_decide_is_refused_by_name() {
    let refusal = |file: &str, text: &str, network: &str| {
        let facts = |arch| {
            let facts =
                facts(Family::RaspberryPiOs, NetworkStack::NetworkManager, arch, &files_of_interest());
            with_text(facts, file, text)
        };
        plans(network, "cm4", facts).remove(0).map(drop).map_err(|error| error.to_string())
    };
    let file = "/etc/NetworkManager/conf.d/x.conf";
    let unmanaged = "[keyfile]\nunmanaged-devices=interface-name:eth*\n";
    for network in [WIRED, DHCP] {
        let error = refusal(file, unmanaged, network).unwrap_err();
        for words in [&format!("{file}, line 2"), "does not manage", "`unmanaged-devices`"] {
            assert!(error.contains(words), "{words}: {error}");
        }
    }
    let all = "[device]\nmanaged=0\n";
    assert!(refusal(file, all, DHCP).unwrap_err().contains(&format!("{file}, line 2")));
    assert_eq!(refusal("/etc/NetworkManager/conf.d/x.txt", all, WIRED), Ok(()));
}

/// The plan of the first node with a data disk at `mount`, on a base that `change` changes.
fn with_data_disk(mount: &str, label: &str, change: impl Fn(&mut Facts)) -> Result<Plan, PlanError> {
    let text = format!("{DHCP}\n[data-disk]\nlabel = {label:?}\nmount = {mount:?}\n");
    let facts = |arch| {
        let mut facts = facts(Family::DebianPi, NetworkStack::Networkd, arch, &files_of_interest());
        facts.system.family = Family::RaspberryPiOs;
        change(&mut facts);
        facts
    };
    each_node(&text, "cm4", facts, plan).remove(0)
}

#[test]
fn a_mount_point_that_hides_what_the_plan_writes_is_refused() {
    let link = |path_text: &'static str, target: &'static str| {
        move |facts: &mut Facts| facts.files.put(&path(path_text), FileState::Link(target.to_owned()))
    };
    let plain = |_: &mut Facts| {};
    for good in [
        "/k8s-data",
        "/srv/data",
        "/var/lib/rancher/k3s/server/db",
        "/var/lib/rancher/k3s/storage",
        "/var/log",
    ] {
        with_data_disk(good, "k8s-data", plain).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for (mount, words) in [
        ("/home", ["/home/kim", "accounts"]),
        ("/home/kim", ["/home/kim", "accounts"]),
        ("/home/kim/.ssh", ["/home/kim/.ssh", "accounts"]),
        ("/usr/local/bin", ["/usr/local/bin/k3s", "k3s itself"]),
    ] {
        let error = with_data_disk(mount, "k8s-data", plain).unwrap_err().to_string();
        assert!(
            words.iter().all(|word| error.contains(word)) && error.contains("/k8s-data"),
            "{mount}: {error}"
        );
    }
    // Through links of the image, of either side.
    let error = with_data_disk("/srv/accounts", "k8s-data", link("/srv/accounts", "../home"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("/home/kim"), "{error}");
    let error = with_data_disk("/var/here", "k8s-data", link("/var/here", "/etc")).unwrap_err().to_string();
    assert!(error.contains("leads to /etc"), "{error}");
    let error = with_data_disk("/data/home", "k8s-data", link("/home", "data/home")).unwrap_err().to_string();
    assert!(error.contains("/home/kim"), "{error}");
}

#[test]
fn the_datastore_is_mounted_from_the_data_disk_on_servers() {
    let disk = "[data-disk]\nmount = \"/srv/my data\"\ndatastore = true\n";
    let text = format!("schema = 1\nname = \"lab\"\n{WIRED}\n{disk}");
    let facts = |arch| facts(Family::RaspberryPiOs, NetworkStack::NetworkManager, arch, &files_of_interest());
    let plans = each_node_with("v1.36.2+k3s1", &text, "cm4", facts, plan);
    let place = "/var/lib/rancher/k3s/server/db";
    for (plan, [unit, bind, points]) in plans.into_iter().map(Result::unwrap).zip([
        [
            "k3s",
            "/srv/my\\040data/k3s-datastore /var/lib/rancher/k3s/server/db none bind,nofail 0 0\n",
            "\"/srv/my data\" \"/var/lib/rancher/k3s/server/db\"",
        ],
        ["k3s-agent", "", "\"/srv/my data\""],
    ]) {
        let written =
            |wanted: &str| text_of(plan.edits.iter().find(|edit| edit.path.as_str() == wanted).unwrap());
        let fstab = written("/etc/fstab");
        assert!(fstab.ends_with(bind) && bind.is_empty() != fstab.contains(place), "{fstab}");
        assert_eq!(
            written(&format!("/etc/systemd/system/{unit}.service.d/20-data-disk.conf")),
            format!("[Unit]\nRequiresMountsFor={points}\n")
        );
        assert_eq!(plan.edits.iter().any(|edit| edit.path.as_str() == place), !bind.is_empty());
    }
}

/// Masked or not: systemd takes it in the place of what fstab says.
#[test]
fn a_mount_unit_of_the_base_for_the_data_disk_is_refused() {
    let attributes = Attributes { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
    let text = "[Mount]\nWhat=/dev/sda1\nWhere=/srv/my-data\n".to_owned();
    for state in [FileState::Text(text, attributes), FileState::Link("/dev/null".to_owned())] {
        let unit = path("/etc/systemd/system/srv-my\\x2ddata.mount");
        let with_unit = |facts: &mut Facts| facts.files.put(&unit, state.clone());
        let error = with_data_disk("/srv/my-data", "k8s-data", with_unit).unwrap_err().to_string();
        assert!(
            error.contains("srv-my\\x2ddata.mount") && error.contains("mount the data disk elsewhere"),
            "{error}"
        );
        with_data_disk("/srv/data", "k8s-data", with_unit).unwrap();
    }
}

#[test]
fn keys_of_the_base_and_partitions_of_the_image_are_not_hidden() {
    let attributes = Attributes { mode: 0o600, uid: 1000, gid: 1000, mtime: 0 };
    let with_key = |facts: &mut Facts| {
        let text = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f pi\n"
            .to_owned();
        facts.files.put(&path("/srv/people/pi/.ssh/authorized_keys"), FileState::Text(text, attributes));
    };
    let error = with_data_disk("/srv/people", "k8s-data", with_key).unwrap_err().to_string();
    assert!(error.contains("/srv/people/pi/.ssh/authorized_keys"), "{error}");
    let error = with_data_disk("/k8s-data", "root", |_| {}).unwrap_err().to_string();
    assert!(error.contains("partition 2") && error.contains("another label"), "{error}");
}

#[test]
fn a_byte_order_mark_is_removed_from_every_text_and_utf16_is_refused() {
    let config = path("/boot/firmware/network-config");
    let attributes = Attributes { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
    let marked = |facts: &mut Facts| {
        facts.files.put(&config, FileState::Text("version: 2\r\n".to_owned(), attributes));
        facts.files.put_mark(&config);
        // Written by a feature, which changes nothing else in it.
        facts.files.put_mark(&path("/boot/firmware/cmdline.txt"));
    };
    let plan = with_data_disk("/k8s-data", "k8s-data", marked).unwrap();
    let written = |wanted: &ImagePath| text_of(plan.edits.iter().find(|edit| edit.path == *wanted).unwrap());
    assert_eq!(written(&config), "version: 2\r\n");
    assert!(written(&path("/boot/firmware/cmdline.txt")).starts_with("console="));
    let utf16 = |facts: &mut Facts| facts.files.put(&config, FileState::Utf16);
    let error = with_data_disk("/k8s-data", "k8s-data", utf16).unwrap_err().to_string();
    assert!(error.contains("network-config") && error.contains("save it as UTF-8"), "{error}");
}

#[test]
fn an_image_that_would_not_boot_is_refused_with_all_its_faults() {
    let foreign = |facts: &mut Facts| {
        facts.partitions.iter_mut().for_each(|partition| partition.label = Some("other".to_owned()));
    };
    let error = with_data_disk("/k8s-data", "k8s-data", foreign).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    for words in
        ["2 faults", "cmdline.txt: \"root=LABEL=root\"", "/etc/fstab, line 1", "use PARTUUID=5a0b7c12-02"]
    {
        assert!(cause.contains(words), "{words}: {cause}");
    }
}

fn pi_facts(arch: Arch) -> Facts {
    facts(Family::RaspberryPiOs, NetworkStack::NetworkManager, arch, &files_of_interest())
}

fn paths(plan: &Plan) -> Vec<&str> {
    plan.edits.iter().map(|edit| edit.path.as_str()).collect()
}

#[test]
fn the_cache_of_imported_images_is_made_only_where_k3s_keeps_their_pins() {
    const CACHE: &str = "/var/lib/rancher/k3s/agent/images/.cache.json";
    for (release, made) in [("v1.36.2+k3s1", false), ("v1.36.3+k3s1", true)] {
        for plan in each_node_with(release, &format!("{CLUSTER}{WIRED}"), "cm4", pi_facts, plan) {
            assert_eq!(paths(&plan.unwrap()).contains(&CACHE), made, "{release}");
        }
    }
}

#[test]
fn a_manifest_that_the_release_has_itself_is_refused() {
    let text = format!("manifests = [\"apps/gateway-api-crd.yaml\"]\n{CLUSTER_TOP}{WIRED}");
    let plans = |release| each_node_with(release, &text, "cm4", pi_facts, plan);
    assert!(plans("v1.36.4+k3s1").iter().all(Result::is_ok));
    let of_later = plans("v1.37.0+k3s1");
    let error = of_later[0].as_ref().unwrap_err().to_string();
    for word in ["gateway-api-crd.yaml", "v1.37.0+k3s1", "rename"] {
        assert!(error.contains(word), "{word}: {error}");
    }
    assert!(of_later[1].is_ok(), "an agent applies nothing");
}

#[test]
fn the_kernel_is_as_a_strict_kubelet_wants_it_on_the_nodes_that_have_one() {
    let has = |plan: &Plan| {
        let paths = paths(plan);
        let unit = |path: &&&str| path.ends_with("service.d/20-hcimage-kernel-defaults.conf");
        assert_eq!(paths.contains(&kubelet_sysctl::PATH), paths.iter().any(|path| unit(&path)));
        paths.iter().filter(unit).map(|path| (*path).to_owned()).collect::<Vec<_>>()
    };
    for (settings, server, agent) in [
        ("", false, false),
        ("[k3s.server]\nprotect-kernel-defaults = true\n", true, false),
        ("[k3s.agent]\nkubelet-arg = [\"protect-kernel-defaults=true\"]\n", false, true),
    ] {
        let text = format!("{CLUSTER_TOP}{settings}{WIRED}");
        let plans = each_node_with("v1.36.2+k3s1", &text, "cm4", pi_facts, plan);
        let found: Vec<_> = plans.iter().map(|plan| has(plan.as_ref().unwrap())).collect();
        assert_eq!(found[0].len(), usize::from(server), "{found:?}");
        assert_eq!(found[1].len(), usize::from(agent), "{found:?}");
        assert!(found[1].iter().all(|path| path.contains("/k3s-agent.service.d/")), "{found:?}");
    }
}
