//! dhcpcd.

use hc_common::network::{AtBoot, NetworkStack, Site, Written, dhcpcd_conf};
use hcimage_testkit::files::MemoryFiles;

use crate::{Node, accepted, refused};

const DHCPCD: NetworkStack = NetworkStack::Dhcpcd;
const CONF: &str = dhcpcd_conf::PATH;

fn rendered(node: &Node, text: &str) -> String {
    let base = MemoryFiles::new([(CONF, text)]);
    node.ask(&base, |profile, site| {
        let files = DHCPCD.backend().render(profile, site).unwrap();
        let written = Written { before: &base, files: &files };
        let at_boot = DHCPCD.backend().at_boot(profile, &Site { files: &written, ..*site }).unwrap();
        assert_eq!(at_boot, AtBoot::AsWanted, "{text}");
        files.last().unwrap().change.text().to_owned()
    })
}

const OURS: &str =
    "static ip_address=10.0.0.9/24\nstatic routers=10.0.0.1\nstatic domain_name_servers=10.0.0.1\n";

/// What keeps dhcpcd from the port is taken out of the file, and nothing else.
#[test]
fn the_port_is_taken_back() {
    for (text, want) in [
        ("denyinterfaces eth0 wlan0\n", format!("denyinterfaces wlan0\n\ninterface eth0\n{OURS}")),
        ("hostname\ndenyinterfaces eth0\n", format!("hostname\n\ninterface eth0\n{OURS}")),
        ("allowinterfaces wlan0\n", format!("allowinterfaces wlan0 eth0\n\ninterface eth0\n{OURS}")),
        ("allowinterfaces e*\n", format!("allowinterfaces e*\n\ninterface eth0\n{OURS}")),
        (
            "interface eth0\nnoipv4\nnogateway\nmetric 3\ninterface wlan0\nnogateway\n",
            format!("interface eth0\n{OURS}metric 3\ninterface wlan0\nnogateway\n"),
        ),
    ] {
        assert_eq!(rendered(&Node::eth0(), text), want);
        assert_eq!(rendered(&Node { pi: true, ..Node::default() }, text), want);
    }
    let dhcp = Node { interface: Some("eth0"), ..Node::dhcp() };
    assert_eq!(rendered(&dhcp, "denyinterfaces eth0\n"), "interface eth0\n");
}

#[test]
fn settings_for_several_interfaces_are_refused_by_line() {
    for (text, line, does, cure) in [
        ("hostname\ndenyinterfaces e*\n", 2, "leaves eth0 alone", "`denyinterfaces`"),
        ("denyinterfaces wlan0 eth?\n", 1, "leaves eth0 alone", "`denyinterfaces`"),
        ("noipv4\n", 1, "`noipv4` keeps eth0", "remove the line"),
        ("hostname\nnogateway\n", 2, "`nogateway` keeps eth0", "remove the line"),
        ("interface eth*\nstatic ip_address=10.0.0.3/24\n", 2, "another setting", "remove the line"),
        ("interface *\nnogateway\n", 2, "`nogateway` keeps eth0", "remove the line"),
    ] {
        let place = format!("{CONF}, line {line}");
        refused(DHCPCD, &Node::eth0(), &[(CONF, text)], [&place, does, cure]);
    }
    for text in [
        "denyinterfaces wlan* veth*\n",
        "interface wlan0\nnoipv4\n",
        "interface eth1\nstatic ip_address=10.0.0.3/24\n",
        "# denyinterfaces *\n",
        "profile static_eth0\nstatic ip_address=192.168.1.23/24\n",
    ] {
        accepted(DHCPCD, &Node::eth0(), &[(CONF, text)]);
    }
}

#[test]
fn dhcp_is_asked_for_unless_the_port_is_denied() {
    let pi = Node { pi: true, ..Node::dhcp() };
    for text in ["hostname\n", "denyinterfaces wlan0\n", "interface eth0\nstatic ip_address=10.0.0.3/24\n"] {
        assert_eq!(pi.before(DHCPCD, &MemoryFiles::new([(CONF, text)])), AtBoot::AsWanted, "{text}");
    }
    for text in ["denyinterfaces eth0\n", "allowinterfaces wlan0\n"] {
        let base = MemoryFiles::new([(CONF, text)]);
        assert!(matches!(pi.before(DHCPCD, &base), AtBoot::Nothing(Some(_))), "{text}");
        assert_eq!(pi.after(DHCPCD, &base), AtBoot::AsWanted, "{text}");
    }
}
