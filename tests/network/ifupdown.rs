//! ifupdown.

use std::collections::BTreeSet;
use std::fs;

use hc_common::network::{AtBoot, NetworkStack, interfaces};
use hcimage_testkit::checkers::checker;
use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::files::MemoryFiles;
use hcimage_testkit::needs;

use crate::{Node, accepted, refused};

const IFUPDOWN: NetworkStack = NetworkStack::Ifupdown;
const MAIN: &str = interfaces::PATH;
const LO: &str = "auto lo\niface lo inet loopback\n";

/// In whatever file the port's stanza is, only hcimage's is left.
#[test]
fn stanzas_of_all_files_are_replaced() {
    let stanza = "auto eth0\niface eth0 inet static\n    address 10.0.0.3/24\n";
    for (main, path) in [
        ("source /etc/network/interfaces.d/*\n", "/etc/network/interfaces.d/lan"),
        ("source interfaces.d/*.cfg\n", "/etc/network/interfaces.d/lan.cfg"),
        ("source /srv/net/eth0\n", "/srv/net/eth0"),
        ("source-directory /srv/net\n", "/srv/net/eth0"),
        ("source-directory extra\n", "/etc/network/extra/eth0"),
    ] {
        let files = [(MAIN, &*format!("{LO}{main}")), (path, stanza)];
        accepted(IFUPDOWN, &Node::eth0(), &files);
        let by_base = Node::eth0().before(IFUPDOWN, &MemoryFiles::new(files));
        assert!(matches!(&by_base, AtBoot::Otherwise(s) if s.place == path), "{main}: {by_base:?}");
    }
    let deep = [(MAIN, "source /etc/a\n"), ("/etc/a", "source /etc/b\n"), ("/etc/b", stanza)];
    accepted(IFUPDOWN, &Node::eth0(), &deep);
    let round = [(MAIN, "source /etc/a\n"), ("/etc/a", "source /etc/a /etc/network/interfaces\n")];
    accepted(IFUPDOWN, &Node::eth0(), &round);
}

#[test]
fn what_cannot_be_followed_is_refused_by_line() {
    for line in
        ["source /etc/*/eth0", "source ~/net", "source $HOME/net", "source ../x", "source-directory /srv/*"]
    {
        let text = format!("{LO}{line}\n");
        let expected = [&*format!("{MAIN}, line 3"), "cannot follow", "interfaces.d/*"];
        refused(IFUPDOWN, &Node::eth0(), &[(MAIN, &text)], expected);
    }
    for (mapping, is_ours) in [("mapping eth0", true), ("mapping eth1 e*", true), ("mapping wlan0", false)] {
        let text = format!("{LO}{mapping}\n    script /usr/local/bin/choose\n");
        match is_ours {
            true => refused(
                IFUPDOWN,
                &Node::eth0(),
                &[(MAIN, &text)],
                [&format!("{MAIN}, line 3"), "a script chooses", "`mapping`"],
            ),
            false => accepted(IFUPDOWN, &Node::eth0(), &[(MAIN, &text)]),
        }
    }
}

#[test]
fn a_base_with_nothing_but_the_loopback_gets_dhcp() {
    let base = MemoryFiles::new([(MAIN, LO)]);
    let pi = Node { pi: true, ..Node::dhcp() };
    assert_eq!(pi.before(IFUPDOWN, &base), AtBoot::Nothing(None));
    assert_eq!(pi.after(IFUPDOWN, &base), AtBoot::AsWanted);
    for (text, comes_up) in [
        ("auto enp3s0\niface enp3s0 inet dhcp\n", true),
        ("allow-hotplug eth0\niface eth0 inet dhcp\n", true),
        ("iface eth0 inet dhcp\n", false),
        ("auto wlan0\niface wlan0 inet dhcp\n", false),
    ] {
        let found = pi.before(IFUPDOWN, &MemoryFiles::new([(MAIN, text)]));
        assert_eq!(found == AtBoot::AsWanted, comes_up, "{text}: {found:?}");
    }
}

/// ifquery reads the same files.
#[test]
fn files_are_found_as_by_ifquery() {
    needs!("ifquery" from "ifupdown");
    for main in [
        "source more/*\n",
        "source more/*.cfg\nsource-directory dir\n",
        "source more/a.cfg more/b\n",
        "source-directory dir\nsource more/[ab]*\n",
        "source nothing/* more/?\n",
        "source more/nested\n",
    ] {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path).display().to_string();
        let mut base = MemoryFiles::default();
        let main = format!("auto lo\niface lo inet loopback\n{main}")
            .replace("more/", &format!("{}/", at("more")))
            .replace("nothing/", &format!("{}/", at("nothing")))
            .replace("directory dir", &format!("directory {}", at("dir")));
        let nested = format!("source {}\n", at("dir/plain"));
        for (path, text) in [
            ("more/a.cfg", "iface eth1 inet dhcp\n"),
            ("more/b", "iface eth2 inet dhcp\n"),
            ("more/.hidden", "iface eth3 inet dhcp\n"),
            ("more/nested", nested.as_str()),
            ("dir/plain", "iface eth4 inet dhcp\n"),
            ("dir/with.dot", "iface eth5 inet dhcp\n"),
            ("dir/under_score-1", "iface eth6 inet dhcp\n"),
            ("main", main.as_str()),
        ] {
            fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
            let text = text.replace("iface eth", "auto ethX\niface eth");
            let number = text.split("iface eth").nth(1).and_then(|rest| rest.chars().next());
            let text = number.map_or(text.clone(), |number| text.replace('X', &number.to_string()));
            fs::write(root.path().join(path), &text).unwrap();
            base = base.with(&at(path), &text);
            if path == "main" {
                base = base.with(MAIN, &text);
            }
        }
        let said =
            outcome(checker("ifquery").args(["--list", "-a", &format!("--interfaces={}", at("main"))]));
        let theirs: BTreeSet<String> =
            said.succeeded().stdout.lines().map(str::to_owned).filter(|name| name != "lo").collect();
        let parts = interfaces::read_all(&base).unwrap();
        let ours: BTreeSet<String> = parts
            .files
            .iter()
            .flat_map(|(_, text)| interfaces::configured(text))
            .map(str::to_owned)
            .collect();
        assert_eq!(ours, theirs, "{main}");
    }
}
