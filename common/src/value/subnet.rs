//! A network in CIDR notation.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::address::{InterfaceAddress, parse_network};
use super::error::ValueError;
use crate::text_value;

/// A network with its first address and prefix length, such as `192.168.1.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet(IpNet);

impl Subnet {
    /// The network that an address with a prefix lies in.
    pub(super) fn of(address: IpNet) -> Self {
        Self(address.trunc())
    }

    /// Whether an address is inside.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// The first address, which is the network's own name.
    pub fn first(&self) -> IpAddr {
        self.0.network()
    }

    /// The last address, with IPv4 that of a broadcast.
    pub fn last(&self) -> IpAddr {
        self.0.broadcast()
    }

    /// Whether the two share addresses.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.0.network()) || other.contains(self.0.network())
    }

    /// Length of the prefix in bits.
    pub fn prefix(&self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether it is an IPv4 network.
    pub fn is_ipv4(&self) -> bool {
        self.0.addr().is_ipv4()
    }

    /// The network address plus `index`. `None` if it is not a valid host address.
    pub fn address(&self, index: u32) -> Option<IpAddr> {
        let address = match self.0.network() {
            IpAddr::V4(first) => IpAddr::V4(Ipv4Addr::from_bits(first.to_bits().checked_add(index)?)),
            IpAddr::V6(first) => IpAddr::V6(Ipv6Addr::from_bits(first.to_bits().checked_add(index.into())?)),
        };
        self.host(address).ok().map(|host| host.ip())
    }

    /// The address of a host in this network. Fails if it is outside or not a valid host address.
    pub fn host(&self, address: IpAddr) -> Result<InterfaceAddress, ValueError> {
        if !self.contains(address) {
            return Err(ValueError::new(
                "address",
                address,
                format!("is not inside the network {self}"),
                "use an address of that network, or fix the network",
            ));
        }
        format!("{address}/{}", self.prefix()).parse()
    }
}

impl FromStr for Subnet {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "use the form 192.168.1.0/24";
        let refuse = |cause: &str, hint: &str| ValueError::new("network", text, cause, hint);
        let given = parse_network(text).map_err(|cause| refuse(cause, FORM))?;
        let network = Self::of(given);
        if network.0 != given {
            return Err(refuse("has host bits set", &format!("use {network}")));
        }
        Ok(network)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(Subnet);

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_network_without_host_bits_is_accepted() {
        for good in ["192.168.1.0/24", "10.0.0.0/8", "fd00::/64", "10.42.0.0/16"] {
            assert_eq!(subnet(good).to_string(), good);
        }
        for (bad, want) in [
            ("192.168.1.0", "no prefix length"),
            ("192.168.1.5/24", "has host bits set: use 192.168.1.0/24"),
            ("192.168.1.0/33", "invalid prefix"),
            ("x/24", "is not an IP address"),
        ] {
            let error = bad.parse::<Subnet>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }

    #[test]
    fn networks_know_their_addresses_and_overlaps() {
        assert!(subnet("10.0.0.0/8").overlaps(&subnet("10.42.0.0/16")));
        assert!(subnet("10.42.0.0/16").overlaps(&subnet("10.0.0.0/8")));
        assert!(!subnet("10.42.0.0/16").overlaps(&subnet("10.43.0.0/16")));
        assert!(!subnet("fd00::/64").overlaps(&subnet("10.0.0.0/8")));
        let home = subnet("192.168.1.0/24");
        assert_eq!(home.address(11), "192.168.1.11".parse().ok());
        assert_eq!((home.address(255), subnet("10.0.0.0/30").address(11)), (None, None));
        assert_eq!(home.host("192.168.1.9".parse().unwrap()).unwrap().to_string(), "192.168.1.9/24");
        for (bad, want) in
            [("192.168.2.9", "not inside"), ("192.168.1.255", "broadcast"), ("fd00::1", "not inside")]
        {
            let error = home.host(bad.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains(want), "{bad}: {error}");
        }
    }
}
