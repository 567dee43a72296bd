//! An address of an interface with its network's prefix length.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::error::ValueError;
use super::subnet::Subnet;
use crate::text_value;

/// A valid address of a node on its network, such as `192.168.1.10/24`.
///
/// In a network of two (IPv4 /31, RFC 3021; IPv6 /127, RFC 6164) both addresses are hosts. A network of one address is
/// rejected: a node without neighbors reaches neither a gateway nor another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceAddress(IpNet);

const KIND: &str = "address";
const FORM: &str = "use the form 192.168.1.10/24";

impl InterfaceAddress {
    /// The address alone.
    pub fn ip(&self) -> IpAddr {
        self.0.addr()
    }

    /// Length of the network's prefix in bits.
    pub fn prefix(&self) -> u8 {
        self.0.prefix_len()
    }

    /// The network address: the host bits are zero.
    pub fn network(&self) -> IpAddr {
        self.0.network()
    }

    /// The network as a whole.
    pub fn subnet(&self) -> Subnet {
        Subnet::of(self.0)
    }

    /// Whether an address is in the same network.
    pub fn contains(&self, other: IpAddr) -> bool {
        self.0.contains(&other)
    }

    /// Why a host in this network cannot have an address; `None` if it can. A network of two has no such address.
    pub(super) fn reserved(&self, other: IpAddr) -> Option<&'static str> {
        match other {
            _ if self.prefix().saturating_add(1) >= self.0.max_prefix_len() => None,
            _ if other == self.network() => Some("is the network address"),
            IpAddr::V4(_) if other == self.0.broadcast() => Some("is the broadcast address of the network"),
            _ => None,
        }
    }
}

impl FromStr for InterfaceAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| ValueError::new(KIND, text, cause, hint);
        let network = parse_network(text).map_err(|cause| refuse(cause, FORM))?;
        let value = Self(network);
        if let Some(cause) = unusable(value.ip()) {
            return Err(refuse(cause, "give the node an address of its network"));
        }
        if network.prefix_len() == network.max_prefix_len() {
            return Err(refuse(
                "is the only address of its network",
                "use the prefix length of the whole network, such as /24",
            ));
        }
        match value.reserved(value.ip()) {
            Some(cause) => Err(refuse(cause, "choose another address of the network")),
            None => Ok(value),
        }
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(InterfaceAddress);

/// Why an address cannot be the address of a host, in any network.
pub fn unusable(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(ip) if ip.octets()[0] == 0 => Some("begins with 0, which means 'no address'"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("is the broadcast address"),
        IpAddr::V6(ip) if ip.is_unspecified() => Some("means 'no address'"),
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => Some("is an IPv4 address in IPv6 form"),
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Some("is valid on one link only"),
        _ if address.is_loopback() => Some("is a loopback address"),
        _ if address.is_multicast() => Some("is a multicast address"),
        _ => None,
    }
}

/// An address and the length of a prefix, host bits kept. The prefix is plain decimal, from 1 to the bits of the address:
/// `/024` and `/0` are invalid. The error is the cause, which follows the value in a message.
pub(super) fn parse_network(text: &str) -> Result<IpNet, &'static str> {
    let (address, prefix) = text.split_once('/').ok_or("has no prefix length")?;
    let address: IpAddr = address.parse().map_err(|_| "is not an IP address")?;
    let plain = prefix.bytes().all(|b| b.is_ascii_digit()) && !prefix.starts_with('0');
    let prefix = prefix.parse().ok().filter(|_| plain);
    let network = prefix.and_then(|prefix| IpNet::new(address, prefix).ok());
    network.ok_or("has an invalid prefix length")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// An accepted address prints unchanged, and is a host between its network's first and last address.
        #[test]
        fn an_accepted_address_is_a_host_of_its_network(bits in any::<u32>(), prefix in 0_u8..=33) {
            let ip = Ipv4Addr::from_bits(bits);
            let text = format!("{ip}/{prefix}");
            let Ok(address) = text.parse::<InterfaceAddress>() else { return Ok(()) };
            prop_assert_eq!(address.to_string(), text);
            prop_assert!(address.contains(IpAddr::V4(ip)));
            let size = 1_u64 << (32 - u32::from(prefix));
            let host = u64::from(bits) % size;
            prop_assert_eq!(address.network(), IpAddr::V4(Ipv4Addr::from_bits(bits - u32::try_from(host).unwrap())));
            prop_assert!(prefix == 31 || (host > 0 && host < size - 1));
        }
    }

    #[test]
    fn a_valid_address_has_its_network() {
        for (good, network) in [
            ("192.168.1.10/24", "192.168.1.0"),
            ("10.0.0.0/31", "10.0.0.0"),
            ("10.0.0.1/31", "10.0.0.0"),
            ("10.0.0.255/16", "10.0.0.0"),
            ("172.16.3.1/30", "172.16.3.0"),
            ("fd00::10/64", "fd00::"),
            ("2001:db8::1/127", "2001:db8::"),
        ] {
            let address: InterfaceAddress = good.parse().unwrap();
            assert_eq!(
                (address.to_string().as_str(), address.network().to_string().as_str()),
                (good, network)
            );
        }
    }

    #[test]
    fn an_invalid_address_is_rejected_with_cause_and_fix() {
        for (bad, want) in [
            ("192.168.1.10", "has no prefix length: use the form 192.168.1.10/24"),
            ("", "no prefix length"),
            ("192.168.1/24", "not an IP address"),
            ("192.168.1.256/24", "not an IP address"),
            ("192.168.01.1/24", "not an IP address"),
            ("192.168.1.10/255.255.255.0", "invalid prefix"),
            ("192.168.1.10/33", "invalid prefix"),
            ("192.168.1.10/0", "invalid prefix"),
            ("192.168.1.10/024", "invalid prefix"),
            ("192.168.1.10/+24", "invalid prefix"),
            ("192.168.1.10/", "invalid prefix"),
            ("192.168.1.10/32", "only address of its network"),
            ("fd00::10/128", "only address of its network"),
            ("192.168.1.0/24", "the network address"),
            ("192.168.1.255/24", "broadcast address of the network"),
            ("fd00::/64", "the network address"),
            ("0.0.0.0/24", "no address"),
            ("::/64", "no address"),
            ("255.255.255.255/8", "is the broadcast address:"),
            ("127.0.0.1/8", "a loopback address"),
            ("::1/64", "a loopback address"),
            ("224.0.0.5/24", "multicast"),
            ("ff02::1/64", "multicast"),
            ("fe80::1/64", "one link only"),
            ("::ffff:192.168.1.10/120", "IPv6 form"),
        ] {
            let error = bad.parse::<InterfaceAddress>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }

    #[test]
    fn an_address_of_the_other_family_is_not_in_the_network() {
        let address: InterfaceAddress = "10.0.0.1/8".parse().unwrap();
        assert!(address.contains("10.255.0.1".parse().unwrap()));
        assert!(!address.contains("11.0.0.1".parse().unwrap()));
        assert!(!address.contains("a00::1".parse().unwrap()));
    }
}
