//! How a node is connected.

use std::net::IpAddr;

use crate::value::{
    CountryCode, InterfaceAddress, InterfaceName, Mtu, Psk, Route, Ssid, StaticNetwork, VlanId,
};

/// How a node is connected.
#[derive(Debug, Clone)]
pub struct NodeNetwork {
    /// Ethernet or Wi-Fi.
    pub link: Link,
    /// The interface, if the user named it; otherwise the first one of the link's kind. With a VLAN it is the parent.
    pub interface: Option<InterfaceName>,
    /// Where its address comes from.
    pub addressing: Addressing,
    /// Further addresses of the interface; none with DHCP.
    pub more_addresses: Vec<InterfaceAddress>,
    /// Ways to other networks, beside the gateway.
    pub routes: Vec<Route>,
    /// The largest packet; none is the kernel's default.
    pub mtu: Option<Mtu>,
}

impl NodeNetwork {
    /// The VLAN that its address is in.
    pub fn vlan(&self) -> Option<VlanId> {
        match self.link {
            Link::Ethernet { vlan } => vlan,
            Link::Wifi(_) => None,
        }
    }

    /// The fixed address, if it has one.
    pub fn static_address(&self) -> Option<IpAddr> {
        match &self.addressing {
            Addressing::Static(network) => Some(network.address().ip()),
            Addressing::Dhcp => None,
        }
    }

    /// All fixed addresses.
    pub fn all_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.static_address().into_iter().chain(self.more_addresses.iter().map(InterfaceAddress::ip))
    }
}

/// Ethernet or Wi-Fi.
#[derive(Debug, Clone)]
pub enum Link {
    /// Ethernet.
    Ethernet {
        /// The VLAN of the address; `None` for untagged frames.
        vlan: Option<VlanId>,
    },
    /// A wireless network.
    Wifi(Wifi),
}

/// A wireless network.
#[derive(Debug, Clone)]
pub struct Wifi {
    /// Its name.
    pub ssid: Ssid,
    /// Its password.
    pub psk: Psk,
    /// The country whose radio rules apply.
    pub country: CountryCode,
    /// What protects it.
    pub security: WifiSecurity,
    /// Whether it does not broadcast its name, so that the node has to probe for it.
    pub hidden: bool,
}

/// What protects a wireless network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WifiSecurity {
    /// WPA2, or WPA2 and WPA3.
    #[default]
    Wpa2,
    /// WPA3 only.
    Wpa3,
}

/// Where an address comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressing {
    /// The network's DHCP server.
    Dhcp,
    /// The cluster file.
    Static(StaticNetwork),
}
