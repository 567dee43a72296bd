//! How a node is connected.

use std::net::IpAddr;

use crate::value::{CountryCode, InterfaceName, Psk, Ssid, StaticNetwork, VlanId};

/// How a node is connected.
#[derive(Debug, Clone)]
pub struct NodeNetwork {
    /// By wire or by air.
    pub link: Link,
    /// The interface, where the user named it; else the first of the link's kind. With a VLAN it is the port below.
    pub interface: Option<InterfaceName>,
    /// Where its address comes from.
    pub addressing: Addressing,
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
}

/// By wire or by air.
#[derive(Debug, Clone)]
pub enum Link {
    /// Ethernet.
    Ethernet {
        /// The VLAN that the address is in; none is what comes without a tag.
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
    /// Whose rules for radio hold.
    pub country: CountryCode,
    /// Whether it does not tell its name, so that the node has to ask for it.
    pub hidden: bool,
}

/// Where an address comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressing {
    /// The network's DHCP server.
    Dhcp,
    /// The cluster file.
    Static(StaticNetwork),
}
