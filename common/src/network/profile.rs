//! What a network service is told, whatever form it reads.

use crate::value::{
    CountryCode, DomainName, InterfaceAddress, InterfaceName, MacAddress, Mtu, Psk, Route, Ssid,
    StaticNetwork, VlanId,
};

/// One interface and its address.
#[derive(Debug, Clone, Copy, Default)]
pub struct Profile<'a> {
    /// The fixed address; none is DHCP.
    pub network: Option<&'a StaticNetwork>,
    /// More addresses of the interface, beside the fixed one.
    pub more_addresses: &'a [InterfaceAddress],
    /// Ways to other networks, beside the gateway.
    pub routes: &'a [Route],
    /// The largest packet, of a VLAN's port too; none is the kernel's default.
    pub mtu: Option<Mtu>,
    /// The interface by its name.
    pub interface: Option<&'a InterfaceName>,
    /// The interface by its hardware address.
    pub mac: Option<&'a MacAddress>,
    /// Where names without a dot are looked up.
    pub search: Option<&'a DomainName>,
    /// The VLAN of the address, on an Ethernet port: then interface and hardware address are the port's.
    pub vlan: Option<VlanId>,
    /// The wireless network; none is Ethernet.
    pub wifi: Option<Wifi<'a>>,
}

impl Profile<'_> {
    /// Whether nothing is asked for but DHCP on any Ethernet port.
    pub fn is_default(&self) -> bool {
        let Self { network, more_addresses, routes, mtu, interface, mac, search, vlan, wifi } = self;
        network.is_none()
            && more_addresses.is_empty()
            && routes.is_empty()
            && mtu.is_none()
            && interface.is_none()
            && mac.is_none()
            && search.is_none()
            && vlan.is_none()
            && wifi.is_none()
    }

    /// Whether anything is asked for that a link with an address need not have.
    pub(super) fn has_extras(&self) -> bool {
        !self.more_addresses.is_empty() || !self.routes.is_empty() || self.mtu.is_some()
    }
}

/// A wireless network with a password.
#[derive(Debug, Clone, Copy)]
pub struct Wifi<'a> {
    /// Its name.
    pub ssid: &'a Ssid,
    /// Its password, or the key that is made of it.
    pub psk: &'a Psk,
    /// Whether it takes WPA3 (SAE) only; otherwise WPA2, which networks with both take too.
    pub wpa3: bool,
    /// Whether it does not broadcast its name.
    pub hidden: bool,
    /// The country whose rules for radio hold.
    pub country: &'a CountryCode,
}

/// The kernel's and udev's names of Ethernet interfaces, `eth0`, `end0`, `enp3s0`, as one pattern of fnmatch(3): the
/// first wired one, where nobody says which. By type it would match what k3s makes too, `cni0` and the pods' ends.
pub const ETHERNET: &str = "e[nt]*";
