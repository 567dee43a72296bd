//! The network services that are known.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::backend::Backend;
use super::dhcpcd::Dhcpcd;
use super::ifupdown::Ifupdown;
use super::netplan::Netplan;
use super::network_manager::NetworkManager;
use super::networkd::Networkd;

/// A network service, or what writes the files of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkStack {
    /// Keyfiles in `/etc/NetworkManager/system-connections`.
    NetworkManager,
    /// `/etc/dhcpcd.conf`.
    Dhcpcd,
    /// `/etc/network/interfaces`, where it sets up an interface other than the loopback.
    Ifupdown,
    /// Files in `/etc/netplan`, from which netplan makes those of systemd-networkd at each boot. Where it makes them for
    /// NetworkManager, [`Self::NetworkManager`] counts.
    Netplan,
    /// Files in `/etc/systemd/network`.
    Networkd,
}

impl NetworkStack {
    /// All of them, in the order in which the builder looks for them.
    pub const ALL: [Self; 5] =
        [Self::NetworkManager, Self::Dhcpcd, Self::Ifupdown, Self::Netplan, Self::Networkd];

    /// What knows its files.
    pub fn backend(self) -> &'static dyn Backend {
        match self {
            Self::NetworkManager => &NetworkManager,
            Self::Dhcpcd => &Dhcpcd,
            Self::Ifupdown => &Ifupdown,
            Self::Netplan => &Netplan,
            Self::Networkd => &Networkd,
        }
    }
}

impl fmt::Display for NetworkStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.backend().name())
    }
}
