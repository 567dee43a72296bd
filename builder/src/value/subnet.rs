//! A network in CIDR notation.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::address::{InterfaceAddress, bits, masked, parse_prefix};
use super::error::ValueError;

/// A network with its first address and prefix length, such as `192.168.1.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    first: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// Whether an address is inside.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && masked(address, self.prefix) == self.first
    }

    /// Whether the two share addresses.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// Length of the prefix in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is an IPv4 network.
    pub fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }

    /// The network address plus `index`. `None` if it is not a valid host address.
    pub fn address(&self, index: u32) -> Option<IpAddr> {
        let address = match self.first {
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
        format!("{address}/{}", self.prefix).parse()
    }
}

impl FromStr for Subnet {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "use the form 192.168.1.0/24";
        let refuse = |cause: &str, hint: &str| ValueError::new("network", text, cause, hint);
        let (first, prefix) = text.split_once('/').ok_or_else(|| refuse("has no prefix length", FORM))?;
        let first: IpAddr = first.parse().map_err(|_| refuse("has no valid IP address", FORM))?;
        let prefix =
            parse_prefix(prefix, bits(first)).ok_or_else(|| refuse("has an invalid prefix length", FORM))?;
        let network = Self { first: masked(first, prefix), prefix };
        if network.first != first {
            return Err(refuse("has host bits set", &format!("use {network}")));
        }
        Ok(network)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

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
            ("x/24", "no valid IP address"),
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
