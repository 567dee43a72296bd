//! What a network service would do at the next boot, with the files of a base and those of hcimage: which settings of
//! the base decide over the node's port, by file and line.
#![cfg(test)]

mod dhcpcd;
mod ifupdown;
mod network_manager;
mod networkd;

use hc_common::network::{AtBoot, NetworkStack, Profile, RenderError, Setting, Site, Written};
use hc_common::value::{InterfaceName, MacAddress, StaticNetwork};
use hcimage_testkit::files::MemoryFiles;

/// What is asked of the service.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) interface: Option<&'static str>,
    pub(crate) mac: Option<&'static str>,
    pub(crate) by_dhcp: bool,
    pub(crate) vlan: Option<u32>,
    /// A Raspberry Pi, whose port has a known name.
    pub(crate) pi: bool,
}

impl Node {
    /// Named `eth0`, with a static address.
    pub(crate) fn eth0() -> Self {
        Self { interface: Some("eth0"), ..Self::default() }
    }

    pub(crate) fn dhcp() -> Self {
        Self { by_dhcp: true, ..Self::default() }
    }

    fn ask<T>(&self, base: &MemoryFiles, of: impl FnOnce(&Profile<'_>, &Site<'_>) -> T) -> T {
        let network: StaticNetwork = StaticNetwork::new(
            "10.0.0.9/24".parse().unwrap(),
            Some("10.0.0.1".parse().unwrap()),
            vec!["10.0.0.1".parse().unwrap()],
        )
        .unwrap();
        let interface: Option<InterfaceName> = self.interface.map(|name| name.parse().unwrap());
        let mac: Option<MacAddress> = self.mac.map(|mac| mac.parse().unwrap());
        let port = "eth0".parse().unwrap();
        let profile = Profile {
            network: Some(&network).filter(|_| !self.by_dhcp),
            interface: interface.as_ref(),
            mac: mac.as_ref(),
            vlan: self.vlan.map(|id| id.try_into().unwrap()),
            ..Profile::default()
        };
        of(&profile, &Site { default_port: Some(&port).filter(|_| self.pi), files: base })
    }

    /// With the files of the base alone.
    pub(crate) fn before(&self, stack: NetworkStack, base: &MemoryFiles) -> AtBoot {
        self.ask(base, |profile, site| stack.backend().at_boot(profile, site).unwrap())
    }

    /// With the files of hcimage in addition, as when planning and as on the node.
    pub(crate) fn after(&self, stack: NetworkStack, base: &MemoryFiles) -> AtBoot {
        self.ask(base, |profile, site| {
            let files = stack.backend().render(profile, site).unwrap();
            let written = Written { before: base, files: &files };
            stack.backend().at_boot(profile, &Site { files: &written, ..*site }).unwrap()
        })
    }
}

/// Each base's obstacle for a node: the place, a part of what it does, and a part of the cure.
#[track_caller]
pub(crate) fn refused(stack: NetworkStack, node: &Node, files: &[(&str, &str)], expected: [&str; 3]) {
    let base = MemoryFiles::new(files.iter().copied());
    let found = node.after(stack, &base);
    let Some(Setting { place, effect, cure }) = found.clone().obstacle() else {
        panic!("{files:?}: nothing is wrong")
    };
    let [in_place, does, fix] = expected;
    assert!(place == in_place && effect.contains(does) && cure.contains(fix), "{files:?}: {found:?}");
}

/// Settings of the base that do not matter.
#[track_caller]
pub(crate) fn accepted(stack: NetworkStack, node: &Node, files: &[(&str, &str)]) {
    let base = MemoryFiles::new(files.iter().copied());
    assert_eq!(node.after(stack, &base), AtBoot::AsWanted, "{files:?}");
}

/// A file that cannot be read may be the one that decides.
#[test]
fn an_unreadable_file_is_never_taken_for_a_missing_one() {
    for (stack, path) in
        [(NetworkStack::Dhcpcd, "/etc/dhcpcd.conf"), (NetworkStack::Ifupdown, "/etc/network/interfaces")]
    {
        let base = MemoryFiles::default().with_unreadable(path);
        Node::eth0().ask(&base, |profile, site| {
            let rendered = stack.backend().render(profile, site);
            let Err(RenderError::Unreadable(error)) = rendered else { panic!("{stack}: {rendered:?}") };
            assert_eq!(error.to_string(), format!("reading {path}: Input/output error (os error 5)"));
        });
    }
    for (stack, path) in [
        (NetworkStack::NetworkManager, "/usr/lib/NetworkManager/conf.d/10.conf"),
        (NetworkStack::NetworkManager, "/etc/NetworkManager/system-connections/lan.nmconnection"),
        (NetworkStack::Networkd, "/run/systemd/network/10.network"),
        (NetworkStack::Netplan, "/etc/netplan/50.yaml"),
    ] {
        let base = MemoryFiles::default().with_unreadable(path);
        let found = Node::eth0().ask(&base, |profile, site| stack.backend().at_boot(profile, site));
        assert_eq!(found.unwrap_err().path, path, "{stack}");
    }
}
