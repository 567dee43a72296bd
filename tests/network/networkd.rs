//! systemd-networkd, with netplan's files and without.

use hc_common::network::{AtBoot, NetworkStack, wait_online};
use hcimage_testkit::checkers;
use hcimage_testkit::external_tool::user_namespaces;
use hcimage_testkit::files::MemoryFiles;
use hcimage_testkit::needs;

use crate::{Node, accepted, refused};

const NETWORKD: NetworkStack = NetworkStack::Networkd;
const NETPLAN: NetworkStack = NetworkStack::Netplan;

/// Files that come before hcimage's, and whether they are for eth0 with the MAC address dc:a6:32:01:02:03.
const FILES: [(&str, bool); 18] = [
    ("[Match]\nName=eth0\n", true),
    ("[Match]\nName=eth1 e*\n", true),
    ("[Match]\nName=eth1\nName=eth0\n", true),
    ("[Match]\nName=!eth1\n", true),
    ("[Match]\nName=*\n", true),
    ("[Match]\nType=ether\n", true),
    ("[Match]\nMACAddress=dc:a6:32:01:02:03\n", true),
    ("[Match]\nMACAddress=dc:a6:32:01:02:04 DC-A6-32-01-02-03\n", true),
    ("# comment\n[Match]\nName=eth0 \\\n  wlan0\n", true),
    ("[Match]\nName=eth1\n", false),
    ("[Match]\nName=!eth0\n", false),
    ("[Match]\nName=eth0\nName=\nName=eth1\n", false),
    ("[Match]\nType=wlan\n", false),
    ("[Match]\nName=eth0\nType=wlan\n", false),
    ("[Match]\nMACAddress=dc:a6:32:01:02:04\n", false),
    ("[Match]\nKind=bridge\n", false),
    ("[Match]\nName=wl*\n", false),
    ("[Match]\nName=[!e]*\n", false),
];

fn node() -> Node {
    Node { mac: Some("dc:a6:32:01:02:03"), ..Node::eth0() }
}

#[test]
fn a_file_that_comes_first_decides() {
    for (text, is_ours) in FILES {
        let path = "/etc/systemd/network/00-a.network";
        let text = format!("{text}[Network]\nDHCP=yes\n");
        for stack in [NETWORKD, NETPLAN] {
            match is_ours {
                true => refused(
                    stack,
                    &node(),
                    &[(path, &text)],
                    [path, "comes before hcimage's file", "rename it"],
                ),
                false => accepted(stack, &node(), &[(path, &text)]),
            }
        }
        accepted(NETWORKD, &node(), &[("/etc/systemd/network/10-a.network", &text)]);
        accepted(NETPLAN, &node(), &[("/etc/systemd/network/20-a.network", &text)]);
    }
    let all = "[Match]\nName=*\n";
    for dir in ["/run/systemd/network", "/usr/lib/systemd/network", "/usr/local/lib/systemd/network"] {
        let path = format!("{dir}/00-a.network");
        refused(NETWORKD, &node(), &[(&path, all)], [&path, "comes before", "remove"]);
        // Masked, or replaced, by a file of the same name in /etc.
        accepted(NETWORKD, &node(), &[(&path, all), ("/etc/systemd/network/00-a.network", "")]);
        let other = "[Match]\nName=wlan0\n";
        accepted(NETWORKD, &node(), &[(&path, all), ("/etc/systemd/network/00-a.network", other)]);
    }
    let drop_in = "/etc/systemd/network/00-hcimage.network.d/x.conf";
    refused(
        NETWORKD,
        &node(),
        &[(drop_in, "[Network]\nDHCP=yes\n")],
        [drop_in, "changes hcimage's file", "remove"],
    );
    let drop_in = "/usr/lib/systemd/network/10-netplan-00-hcimage.network.d/x.conf";
    refused(NETPLAN, &node(), &[(drop_in, "[Network]\nDHCP=yes\n")], [drop_in, "changes", "remove"]);
}

#[test]
fn a_port_with_another_name_is_refused() {
    let path = "/etc/systemd/network/10-lan.link";
    let text = "[Match]\nOriginalName=eth0\n[Link]\nName=lan0\n";
    for stack in
        [NETWORKD, NETPLAN, NetworkStack::NetworkManager, NetworkStack::Dhcpcd, NetworkStack::Ifupdown]
    {
        let files = [(path, text), ("/etc/dhcpcd.conf", ""), ("/etc/network/interfaces", "auto lo\n")];
        refused(
            stack,
            &Node::eth0(),
            &files,
            [&format!("{path}, line 4"), "renames eth0 to lan0", "`interface = \"lan0\"`"],
        );
        accepted(stack, &Node { interface: Some("eth1"), ..Node::default() }, &files);
        let masked = [
            files[0],
            files[1],
            files[2],
            ("/etc/systemd/network/00-keep.link", "[Match]\nOriginalName=*\n[Link]\nNamePolicy=keep\n"),
        ];
        accepted(stack, &Node::eth0(), &masked);
    }
    accepted(NETWORKD, &Node { interface: Some("lan0"), ..Node::default() }, &[(path, text)]);
    let by_mac = "[Match]\nMACAddress=dc:a6:32:01:02:03\n[Link]\nName=lan0\n";
    refused(NETWORKD, &node(), &[(path, by_mac)], [&format!("{path}, line 4"), "renames", "lan0"]);
    let any = Node { mac: Some("dc:a6:32:01:02:03"), ..Node::default() };
    refused(NETWORKD, &any, &[(path, by_mac)], [&format!("{path}, line 4"), "renames", "lan0"]);
    accepted(NetworkStack::NetworkManager, &any, &[(path, by_mac)]);
    accepted(NETWORKD, &any, &[(path, &by_mac.replace("lan0", "eth7"))]);
}

#[test]
fn dhcp_without_a_file_is_hcimages() {
    let dhcp = Node::dhcp();
    for (path, text, set_up) in [
        ("/etc/systemd/network/lan.network", "[Match]\nName=en*\n[Network]\nDHCP=yes\n", true),
        ("/etc/systemd/network/lan.network", "[Match]\nName=eth0\n[Network]\nDHCP=yes\n", true),
        ("/usr/lib/systemd/network/80-ve.network", "[Match]\nName=ve-*\nDriver=veth\n", false),
        ("/usr/lib/systemd/network/80-wifi.network", "[Match]\nType=wlan\n", false),
        ("/etc/systemd/network/lan.network", "[Match]\nName=e*\n[Link]\nUnmanaged=yes\n", false),
    ] {
        let base = MemoryFiles::new([(path, text)]);
        for stack in [NETWORKD, NETPLAN] {
            let found = dhcp.before(stack, &base);
            assert_eq!(found == AtBoot::AsWanted, set_up, "{stack} {text}: {found:?}");
            if !set_up {
                assert_eq!(dhcp.after(stack, &base), AtBoot::AsWanted, "{stack} {text}");
            }
        }
    }
    for (text, set_up) in [
        ("network:\n  ethernets:\n    eth0: {dhcp4: true}\n", true),
        ("network: {version: 2, ethernets: {all: {match: {name: 'en*'}, addresses: [10.0.0.3/24]}}}\n", true),
        ("network:\n  version: 2\n  bonds:\n    b0: {interfaces: [eth0], dhcp4: true}\n", true),
        ("network:\n  version: 2\n", false),
        ("network:\n  wifis:\n    wlan0: {dhcp4: true}\n", false),
        ("network:\n  ethernets:\n    eth0: {optional: true}\n", false),
    ] {
        let base = MemoryFiles::new([("/etc/netplan/50-cloud-init.yaml", text)]);
        let found = dhcp.before(NETPLAN, &base);
        assert_eq!(found == AtBoot::AsWanted, set_up, "{text}: {found:?}");
        assert_eq!(dhcp.after(NETPLAN, &base), AtBoot::AsWanted, "{text}");
    }
}

#[test]
fn definitions_of_netplan_that_decide_over_ours() {
    let vlan = Node { vlan: Some(20), ..Node::eth0() };
    let path = "/etc/netplan/zz.yaml";
    for (node, text, place, does) in [
        (Node::eth0(), "network: {ethernets: {00-hcimage: {mtu: 9000}}}", "ethernets 00-hcimage", "merges"),
        (
            Node::eth0(),
            "network: {ethernets: {00-a: {match: {name: 'e*'}, dhcp4: true}}}",
            "ethernets 00-a",
            "comes before",
        ),
        (vlan, "network: {vlans: {vlan20: {id: 20, link: eth0}}}", "vlans vlan20", "merges"),
        (
            node(),
            "network: {ethernets: {a: {match: {macaddress: 'dc:a6:32:01:02:03'}, set-name: lan0}}}",
            "ethernets a",
            "renames eth0 to lan0",
        ),
    ] {
        refused(NETPLAN, &node, &[(path, text)], [&format!("{path}, {place}"), does, ""]);
    }
    for text in ["network: [", "network: {\n", "a: b: c\n"] {
        refused(NETPLAN, &Node::eth0(), &[(path, text)], [path, "is not YAML", "fix or remove"]);
    }
    for text in [
        "network: {ethernets: {eth0: {dhcp4: true}}}",
        "network: {version: 2, renderer: networkd}",
        "network: {ethernets: {00-a: {match: {name: 'wl*'}}}}",
        "# nothing\n",
    ] {
        accepted(NETPLAN, &Node::eth0(), &[(path, text)]);
    }
}

/// systemd-networkd itself says which file it takes for eth0.
#[test]
fn files_match_as_by_systemd_networkd() {
    needs!("networkctl" from "systemd");
    if !user_namespaces() {
        return;
    }
    for (text, is_ours) in FILES {
        let files = format!("{text}[Network]\nDescription=theirs\n");
        let script = "printf '[Match]\\nName=eth0\\n[Network]\\nLinkLocalAddressing=no\\n' > /run/systemd/network/00-hcimage.network; cp \"$0\" /run/systemd/network/00-a.network; chmod 644 /run/systemd/network/*; \
            echo systemd-network:x:0:0::/:/bin/sh > /run/passwd; mount -t sysfs -o ro sys /sys; mount --bind /run/passwd /etc/passwd; \
            SYSTEMD_LOG_LEVEL=debug /lib/systemd/systemd-networkd > /run/log 2>&1 & pid=$!; \
            for i in $(seq 40); do grep -q 'eth0: found matching network' /run/log && break; sleep 0.1; done; \
            kill $pid; wait $pid || true; cat /run/log";
        let said = checkers::in_a_network(script, &files);
        let found = said.lines().find(|line| line.contains("eth0: found matching network"));
        let taken = found.unwrap_or_else(|| panic!("{text}: {said}"));
        assert_eq!(taken.contains("00-a.network"), is_ours, "{text}: {taken}");
    }
}

/// The unit's own command and that of the drop-in, on a machine with an empty second port and with a cable in the first
/// one, or in none.
#[test]
fn the_boot_waits_for_one_port_and_not_for_minutes() {
    needs!("networkctl" from "systemd");
    if !user_namespaces() {
        return;
    }
    let drop_in = wait_online::render(5);
    let command = drop_in.lines().rev().find_map(|line| line.strip_prefix("ExecStart=-")).unwrap();
    let usual = "/lib/systemd/systemd-networkd-wait-online --timeout=9";
    let took = |command: &str, carrier: bool, required: &str| {
        let network = format!(
            "[Match]\nName=e[nt]*\n[Link]\nRequiredForOnline={required}\n[Network]\nIPv6AcceptRA=no\nAddress=10.0.0.9/24\n"
        );
        let link = if carrier { "up" } else { "down" };
        let script = format!(
            "ip link set veth0 {link}; ip link add eth1 type veth peer name veth1; \
             cp \"$0\" /run/systemd/network/00-hcimage.network; chmod 644 /run/systemd/network/*; \
             echo systemd-network:x:0:0::/:/bin/sh > /run/passwd; mount -t sysfs -o ro sys /sys; mount --bind /run/passwd /etc/passwd; \
             /lib/systemd/systemd-networkd & pid=$!; \
             for i in $(seq 40); do [ -e /run/systemd/netif/state ] && break; sleep 0.1; done; sleep 0.5; \
             begin=$(date +%s%N); status=0; {command} || status=$?; end=$(date +%s%N); \
             echo \"took $(( (end - begin) / 1000000 )) $status\"; kill $pid; wait $pid || true"
        );
        let said = checkers::in_a_network(&script, &network);
        let line =
            said.lines().find_map(|line| line.strip_prefix("took ")).unwrap_or_else(|| panic!("{said}"));
        let (millis, status) = line.split_once(' ').unwrap();
        (millis.parse::<u64>().unwrap(), status == "0")
    };
    let (millis, online) = took(usual, true, "yes");
    assert!(millis >= 9000 && !online, "the empty port is waited for: {millis}");
    let (millis, online) = took(command, true, "yes");
    assert!(millis < 5000 && online, "one port is enough: {millis}");
    let (millis, online) = took(command, false, "yes");
    assert!((5000..9000).contains(&millis) && !online, "{millis}");
    // Optional ports are never online.
    let (millis, online) = took(usual, true, "no");
    assert!(millis >= 9000 && !online, "{millis}");
    let (millis, _) = took(command, true, "no");
    assert!(millis < 9000, "{millis}");
}
