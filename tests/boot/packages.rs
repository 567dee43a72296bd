//! Packages of the base's distribution, installed by the node's own dpkg without a network: QEMU lets nothing out. They come
//! from Debian's archive while the image is built.

use std::fs::OpenOptions;
use std::time::Duration;

use hc_firstboot::report::ReportStatus;
use hcimage::run::Network;

use crate::cuts::check_after_cut;
use crate::guest::{Guest, add_unit, one_server, probed};
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
    std::fs::copy(&image, &whole).unwrap();

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
