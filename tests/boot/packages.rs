//! Packages of the base's distribution, installed by the node's own dpkg without a network: QEMU lets nothing out. They come
//! from Debian's archive while the image is built.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::Duration;

use hc_firstboot::report::ReportStatus;
use hcimage::run::Network;

use crate::cuts::check_after_cut;
use crate::guest::{Guest, TestNetwork, add_unit, one_server, probed};
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release, root};
use hcimage_testkit::hcimage::{hcimage, succeed};
use hcimage_testkit::tools::{debugfs, debugfs_put};

const PACKAGES: &str = "\n[[packages]]\nname = \"open-iscsi\"\nenable = [\"iscsid.service\"]\n\n\
                        [[packages]]\nname = \"nfs-common\"\ndisable = [\"rpcbind.service\", \"rpcbind.socket\"]\n\n\
                        [[packages]]\nname = \"wireguard-tools\"\n";

/// What the test's own unit says at its end.
const DONE: &str = "PROBE-DONE";

/// What firstboot says when dpkg begins.
const BEGINS: &str = "] packages: started";

/// The power is cut so many milliseconds after dpkg has begun: while it unpacks, and while it configures.
const CUTS: [u64; 2] = [4_000, 15_000];

#[test]
#[ignore = "slow; `make boot-packages` runs it"]
fn packages_are_installed_without_a_network_and_across_power_cuts() {
    let dir = one_server(&format!("data-disk = false\n{PACKAGES}"));
    let image = dir.path().join("out/lab-1.img");
    let unit = format!(
        "[Service]\nType=exec\nExecStart=/bin/sh -c 'until test -e /var/lib/hcimage/finished; do sleep 1; done; \
         cd /var/log; dpkg --audit >probe.audit 2>&1; COLUMNS=200 dpkg -l >probe.list; \
         systemctl is-active iscsid rpcbind.socket >probe.active; systemctl is-enabled iscsid rpcbind.socket >probe.enabled; \
         iscsiadm --version >probe.iscsiadm; wg --version >probe.wg; sync; echo {DONE} >/dev/console'\n"
    );
    add_unit(&image, dir.path(), "probe.service", &unit);
    // open-iscsi has an initial RAM disk made anew, which takes ten minutes under emulation.
    debugfs_put(&image, "update_initramfs=no\n", "/etc/initramfs-tools/update-initramfs.conf", dir.path());
    // As on a card that is larger than the image.
    let card = OpenOptions::new().write(true).open(&image).unwrap();
    card.set_len(card.metadata().unwrap().len() + (512 << 20)).unwrap();
    let whole = dir.path().join("whole.img");
    fs::copy(&image, &whole).unwrap();

    let alone = || Network::Alone { forward: None };
    let mut cuts = 0;
    for wait in CUTS {
        let mut guest = Guest::restart("lab-1", "pc", &image, &whole, alone());
        guest.wait_for(BEGINS);
        assert!(guest.watch(Duration::from_millis(wait)), "it ended by itself");
        cuts += u32::from(!guest.said("] packages: done"));
        guest.cut_power();
    }
    assert!(cuts > 0, "dpkg was done before the power was cut: shorten the waits");
    let mut guest = Guest::restart("lab-1", "pc", &image, &whole, alone());
    guest.wait_for_end(ReportStatus::Ready);
    guest.wait_for(DONE);
    guest.power_off();

    check_after_cut(&image, dir.path());
    let read = |name: &str| probed(&image, dir.path(), name);
    assert_eq!(read("audit"), "", "dpkg --audit has nothing to say");
    let list = read("list");
    for name in ["open-iscsi", "nfs-common", "wireguard-tools", "libisns0", "rpcbind", "python3-minimal"] {
        assert!(
            list.lines().any(|line| line
                .split([' ', ':'])
                .filter(|word| !word.is_empty())
                .take(2)
                .eq(["ii", name])),
            "{name}: {list}"
        );
    }
    assert_eq!(read("active"), "active\ninactive\n");
    assert_eq!(read("enabled"), "enabled\ndisabled\n");
    assert!(read("iscsiadm").contains("iscsiadm version") && read("wg").contains("wireguard-tools"));
    let left = debugfs(&image, "ls -p /var/lib/hcimage/packages/00");
    assert!(!left.contains(".deb"), "{left}");
}

/// The overlay `longhorn` without its chart, its images and what only the chart makes: the rest of its folder is that of the project.
fn longhorn_without_its_chart(folder: &Path) {
    let from = root().join("overlays/longhorn");
    let mut about: toml::Table =
        toml::from_str(&fs::read_to_string(from.join("overlay.toml")).unwrap()).unwrap();
    for part in ["charts", "images", "ready", "secrets"] {
        about.remove(part);
    }
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("overlay.toml"), toml::to_string(&about).unwrap()).unwrap();
    fs::copy(from.join("README.md"), folder.join("README.md")).unwrap();
}

/// Longhorn's volumes come to a node by iSCSI: each node must have the daemon, whichever of them has the data.
#[test]
#[ignore = "slow; `make boot-packages` runs it"]
fn four_nodes_have_what_longhorn_needs() {
    let dir = tempfile::tempdir().unwrap();
    longhorn_without_its_chart(&dir.path().join("overlays/longhorn"));
    let nodes = [1, 2, 3, 4].map(|number| {
        let role = if number == 1 { "server" } else { "agent" };
        format!("[[nodes]]\nname = \"lab-{number}\"\nrole = {role:?}\nboard = \"pc\"\naddress = \"10.0.2.1{number}\"\n")
    });
    let file = format!(
        "schema = 1\nname = \"lab\"\n\n[network]\nsubnet = \"10.0.2.0/24\"\ngateway = \"10.0.2.2\"\n\n[boards.pc]\nbase = {:?}\n\n\
         [overlays.longhorn]\n\n{}",
        base("debian-pc-amd64"),
        nodes.join("\n")
    );
    fs::write(dir.path().join("cluster.toml"), file).unwrap();
    succeed(hcimage(dir.path()).args(["build", "--k3s"]).arg(k3s_release().join(K3S_VERSION)));
    let network = TestNetwork::start(SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 11), 6443));
    let unit = format!(
        "[Service]\nType=exec\nExecStart=/bin/sh -c 'until test -e /var/lib/hcimage/finished; do sleep 1; done; cd /var/log; \
         systemctl is-active iscsid >probe.active; cat /proc/modules >probe.modules; stat -c \"%%u:%%g %%a\" /k8s-data/longhorn \
         >probe.folder; cat /etc/iscsi/initiatorname.iscsi >probe.name; sync; echo {DONE} >/dev/console'\n"
    );
    let image = |number: u8| dir.path().join(format!("out/lab-{number}.img"));
    let mut guests = Vec::new();
    for number in 1..=4 {
        add_unit(&image(number), dir.path(), "probe.service", &unit);
        debugfs_put(
            &image(number),
            "update_initramfs=no\n",
            "/etc/initramfs-tools/update-initramfs.conf",
            dir.path(),
        );
        let card = OpenOptions::new().write(true).open(image(number)).unwrap();
        card.set_len(card.metadata().unwrap().len() + (512 << 20)).unwrap();
        guests.push(Guest::start(
            &format!("lab-{number}"),
            "pc",
            &image(number),
            network.network(number),
            None,
        ));
    }
    for guest in &mut guests {
        guest.wait_for_end(ReportStatus::Ready);
        guest.wait_for(DONE);
    }
    guests.into_iter().for_each(Guest::power_off);
    let mut names = Vec::new();
    for number in 1..=4 {
        let read = |name: &str| probed(&image(number), dir.path(), name);
        assert_eq!(read("active"), "active\n", "lab-{number}");
        assert_eq!(read("folder"), "0:0 700\n", "lab-{number}");
        let modules = read("modules");
        for module in ["iscsi_tcp", "dm_crypt"] {
            assert!(
                modules.lines().any(|line| line.split(' ').next() == Some(module)),
                "lab-{number}: {module}: {modules}"
            );
        }
        names.push(read("name"));
        check_after_cut(&image(number), dir.path());
    }
    // Two nodes with one name would take each other's volumes.
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "{names:?}");
}
