//! NetworkManager.

use std::fs;

use hc_common::network::{AtBoot, NetworkStack};
use hcimage_testkit::checkers::checker;
use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::files::MemoryFiles;
use hcimage_testkit::needs;

use crate::{Node, accepted, refused};

const NM: NetworkStack = NetworkStack::NetworkManager;
const MAIN: &str = "/etc/NetworkManager/NetworkManager.conf";
const DROP_IN: &str = "/etc/NetworkManager/conf.d/50-lab.conf";
const PROFILE: &str = "/etc/NetworkManager/system-connections/lan.nmconnection";

#[test]
fn devices_that_are_not_managed() {
    let table = [
        "*",
        "interface-name:eth0",
        "interface-name:e*",
        "interface-name:=eth0",
        "interface-name:~eth?",
        "type:ethernet",
        "mac:dc:a6:32:01:02:03",
        "wlan0,interface-name:eth*",
        "eth0",
        "except:interface-name:wlan0",
        "*,except:type:wifi,except:type:gsm",
        "driver:bcmgenet",
    ];
    for devices in table {
        let text = format!("[keyfile]\nunmanaged-devices={devices}\n");
        let place = format!("{DROP_IN}, line 2");
        let expected = [place.as_str(), "does not manage eth0", "unmanaged-devices"];
        refused(NM, &Node::eth0(), &[(DROP_IN, &text)], expected);
        let text = format!("[device-lab]\nmatch-device={devices}\nmanaged=0\n");
        let place = format!("{DROP_IN}, line 3");
        refused(NM, &Node::eth0(), &[(DROP_IN, &text)], [&place, "does not manage eth0", "[device-lab]"]);
    }
    refused(
        NM,
        &Node::eth0(),
        &[("/usr/lib/NetworkManager/conf.d/10-x.conf", "[device]\nmanaged=false\n")],
        ["/usr/lib/NetworkManager/conf.d/10-x.conf, line 2", "does not manage eth0", "[device]"],
    );
    for devices in [
        "interface-name:eth1",
        "interface-name:wlan*",
        "type:wifi",
        "*,except:interface-name:eth0",
        "interface-name:e*,except:interface-name:eth0",
        "except:type:ethernet",
        "driver:veth",
        "interface-name:veth*;interface-name:cni0",
        "",
    ] {
        let text = format!("[keyfile]\nunmanaged-devices={devices}\n");
        accepted(NM, &Node::eth0(), &[(DROP_IN, &text)]);
    }
}

#[test]
fn a_later_file_and_the_same_name_in_etc_hold() {
    let lib = "/usr/lib/NetworkManager/conf.d/10-globally-managed-devices.conf";
    let unmanaged = "[keyfile]\nunmanaged-devices=*,except:type:wifi\n";
    refused(NM, &Node::eth0(), &[(lib, unmanaged)], [&format!("{lib}, line 2"), "does not manage", ""]);
    let masked = "/etc/NetworkManager/conf.d/10-globally-managed-devices.conf";
    accepted(NM, &Node::eth0(), &[(lib, unmanaged), (masked, "")]);
    accepted(NM, &Node::eth0(), &[(lib, unmanaged), (MAIN, "[keyfile]\nunmanaged-devices=none\n")]);
    accepted(
        NM,
        &Node::eth0(),
        &[
            (MAIN, "[keyfile]\nunmanaged-devices=interface-name:eth0\n"),
            (DROP_IN, "[keyfile]\nunmanaged-devices-=interface-name:eth0\n"),
        ],
    );
    refused(
        NM,
        &Node::eth0(),
        &[
            (MAIN, "[keyfile]\nunmanaged-devices=type:wifi\n"),
            (DROP_IN, "[keyfile]\nunmanaged-devices+=interface-name:eth0\n"),
        ],
        [&format!("{DROP_IN}, line 2"), "does not manage eth0", ""],
    );
    accepted(NM, &Node::eth0(), &[(DROP_IN, "[.config]\nenable=false\n[device]\nmanaged=0\n")]);
}

/// Debian's own configuration, with a file that names the port.
#[test]
fn the_port_of_ifupdown_is_left_alone() {
    let debian = "[main]\nplugins=ifupdown,keyfile\n\n[ifupdown]\nmanaged=false\n";
    let main = "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n";
    accepted(NM, &Node::eth0(), &[(MAIN, debian), ("/etc/network/interfaces", main)]);
    for path in ["/etc/network/interfaces.d/eth0", "/etc/network/more/lan"] {
        let main = main.replace("source ", "source /etc/network/more/* ");
        let files = [(MAIN, debian), ("/etc/network/interfaces", &main), (path, "iface eth0 inet dhcp\n")];
        refused(NM, &Node::eth0(), &files, [path, "leaves to ifupdown", "remove the stanza `iface eth0`"]);
        accepted(NM, &Node { interface: Some("eth1"), ..Node::default() }, &files);
        let managed = debian.replace("managed=false", "managed=true");
        accepted(NM, &Node::eth0(), &[(MAIN, managed.as_str()), files[1], files[2]]);
        accepted(NM, &Node::eth0(), &[(MAIN, "[main]\nplugins=keyfile\n"), files[1], files[2]]);
        // By DHCP on any port nothing would set up the only one that there is.
        let found = Node { pi: true, ..Node::dhcp() }.before(NM, &MemoryFiles::new(files));
        assert!(!matches!(found, AtBoot::Otherwise(_)), "{found:?}");
    }
}

#[test]
fn profiles_elsewhere_are_not_read() {
    let expected = [&*format!("{MAIN}, line 2"), "reads its profiles from /srv/nm only", "remove `path`"];
    refused(NM, &Node::eth0(), &[(MAIN, "[keyfile]\npath=/srv/nm\n")], expected);
    let usual = "[keyfile]\npath=/etc/NetworkManager/system-connections/\n";
    accepted(NM, &Node::eth0(), &[(MAIN, usual)]);
}

#[test]
fn a_profile_with_the_highest_priority_may_be_preferred() {
    let text = |lines: &str| format!("[connection]\nid=lan\ntype=ethernet\n{lines}\n[ipv4]\nmethod=auto\n");
    for path in [
        PROFILE,
        "/etc/NetworkManager/system-connections/lan",
        "/run/NetworkManager/system-connections/lan.nmconnection",
        "/usr/lib/NetworkManager/system-connections/lan.nmconnection",
    ] {
        let strong = text("autoconnect-priority=999\ninterface-name=eth0");
        let expected = [&*format!("{path}, [connection]"), "has the priority 999", "autoconnect-priority"];
        refused(NM, &Node::eth0(), &[(path, &strong)], expected);
        refused(NM, &Node::eth0(), &[(path, &text("autoconnect-priority=999"))], expected);
        refused(
            NM,
            &Node::eth0(),
            &[(path, &strong.replace("type=ethernet", "type=802-3-ethernet"))],
            expected,
        );
        for weak in [
            "autoconnect-priority=998",
            "autoconnect-priority=999\nautoconnect=false",
            "autoconnect-priority=999\ninterface-name=eth1",
            "",
        ] {
            accepted(NM, &Node::eth0(), &[(path, &text(weak))]);
        }
        accepted(NM, &Node::eth0(), &[(path, &strong.replace("type=ethernet", "type=wifi"))]);
        let other_mac = format!("{strong}[ethernet]\nmac-address=dc:a6:32:00:00:99\n");
        let by_mac = Node { mac: Some("dc:a6:32:00:00:01"), ..Node::eth0() };
        accepted(NM, &by_mac, &[(path, &other_mac)]);
        refused(NM, &by_mac, &[(path, &other_mac.replace(":99", ":01"))], expected);
    }
    accepted(
        NM,
        &Node::eth0(),
        &[("/run/NetworkManager/system-connections/lan", &text("autoconnect-priority=999"))],
    );
    let vlan = "[connection]\ntype=vlan\ninterface-name=vlan20\nautoconnect-priority=999\n";
    let on_vlan = Node { vlan: Some(20), ..Node::eth0() };
    refused(NM, &on_vlan, &[(PROFILE, vlan)], [&format!("{PROFILE}, [connection]"), "999", ""]);
}

#[test]
fn dhcp_by_networkmanager_itself_or_not() {
    let dhcp = Node::dhcp();
    let base = MemoryFiles::default();
    assert_eq!(dhcp.before(NM, &base), AtBoot::AsWanted, "it makes up a profile");
    for devices in ["*", "type:ethernet", "interface-name:e*"] {
        let base = base.clone().with(DROP_IN, &format!("[main]\nno-auto-default={devices}\n"));
        let found = dhcp.before(NM, &base);
        assert!(
            matches!(&found, AtBoot::Nothing(Some(s)) if s.place == format!("{DROP_IN}, line 2")),
            "{found:?}"
        );
        // A profile of hcimage's own sets it up, and so does one of the base.
        assert_eq!(dhcp.after(NM, &base), AtBoot::AsWanted);
        let own = base.with(PROFILE, "[connection]\ntype=ethernet\ninterface-name=eth0\n");
        assert_eq!(dhcp.before(NM, &own), AtBoot::AsWanted);
    }
    let base = MemoryFiles::default().with(DROP_IN, "[keyfile]\nunmanaged-devices=*\n");
    refused(
        NM,
        &dhcp,
        &[(DROP_IN, "[keyfile]\nunmanaged-devices=*\n")],
        [&format!("{DROP_IN}, line 2"), "does not manage the Ethernet port", "unmanaged-devices"],
    );
    assert!(matches!(dhcp.before(NM, &base), AtBoot::Nothing(Some(_))));
    let other = MemoryFiles::default().with(DROP_IN, "[keyfile]\nunmanaged-devices=interface-name:eth1\n");
    assert_eq!(dhcp.before(NM, &other), AtBoot::AsWanted, "the other ports are managed");
}

/// NetworkManager's own reading of a set of files, printed as one, must mean the same.
#[test]
fn files_are_merged_as_by_networkmanager() {
    needs!("nmcli" from "network-manager");
    let lists = ["type:wifi", "interface-name:eth0", "*,except:type:wifi", "interface-name:eth1"];
    let names = [
        "etc/NetworkManager/NetworkManager.conf",
        "etc/NetworkManager/conf.d/20.conf",
        "etc/NetworkManager/conf.d/10.conf",
        "usr/lib/NetworkManager/conf.d/30.conf",
        "usr/lib/NetworkManager/conf.d/20.conf",
    ];
    let (mut refused, mut accepted) = (0, 0);
    for number in 0..60_usize {
        let root = tempfile::tempdir().unwrap();
        let mut base = MemoryFiles::default();
        for (place, name) in names.iter().enumerate() {
            let choice = (number * 7 + place * 3 + number / 5) % 6;
            let operator = ["=", "+=", "-="][(number + place) % 3];
            let text = match lists.get(choice) {
                Some(list) => format!("[keyfile]\nunmanaged-devices{operator}{list}\n"),
                None if choice == 4 => String::new(),
                None => continue,
            };
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
            base = base.with(&format!("/{name}"), &text);
        }
        let at = |path: &str| root.path().join(path).display().to_string();
        for dir in ["etc/NetworkManager/conf.d", "usr/lib/NetworkManager/conf.d"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        if !root.path().join(names[0]).exists() {
            fs::write(root.path().join(names[0]), "").unwrap();
        }
        let printed = outcome(checker("NetworkManager").args([
            "--print-config",
            &format!("--config={}", at(names[0])),
            &format!("--config-dir={}", at("etc/NetworkManager/conf.d")),
            &format!("--system-config-dir={}", at("usr/lib/NetworkManager/conf.d")),
            &format!("--intern-config={}", at("intern.conf")),
        ]))
        .succeeded()
        .stdout;
        let merged = MemoryFiles::new([(MAIN, printed.as_str())]);
        let is_refused = |base: &MemoryFiles| Node::eth0().after(NM, base).obstacle().is_some();
        assert_eq!(is_refused(&base), is_refused(&merged), "{base:?}\n{printed}");
        if is_refused(&base) { refused += 1 } else { accepted += 1 }
    }
    assert!(refused > 5 && accepted > 5, "{refused} {accepted}");
}
