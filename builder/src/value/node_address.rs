//! The address setting of a node: DHCP or a fixed address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hc_common::value::ValueError;
use hc_common::value::unusable;

/// `dhcp`, or an address without a prefix length, which is that of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeAddress {
    /// An address from the network's DHCP server.
    Dhcp,
    /// A fixed address.
    Fixed(IpAddr),
}

impl FromStr for NodeAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::new("address", text, cause, hint));
        const FORM: &str = "use \"dhcp\" or an address such as 192.168.1.11";
        if text == "dhcp" {
            return Ok(Self::Dhcp);
        }
        if let Some((address, _)) = text.split_once('/')
            && address.parse::<IpAddr>().is_ok()
        {
            return refuse("has a prefix length", "remove it: `subnet` in [network] has it");
        }
        let Ok(address) = text.parse::<IpAddr>() else {
            return refuse("is neither \"dhcp\" nor an IP address", FORM);
        };
        match unusable(address) {
            Some(cause) => refuse(cause, "give the node an address of its network"),
            None => Ok(Self::Fixed(address)),
        }
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp => f.write_str("dhcp"),
            Self::Fixed(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dhcp_or_a_plain_address_is_accepted() {
        for good in ["dhcp", "192.168.1.11", "fd00::11"] {
            assert_eq!(good.parse::<NodeAddress>().unwrap().to_string(), good);
        }
        for (bad, want) in [
            ("", "neither"),
            ("DHCP", "neither"),
            ("192.168.1.300", "neither"),
            ("192.168.1.11/24", "remove it"),
            ("127.0.0.1", "a loopback address"),
            ("fe80::1", "one link only"),
        ] {
            let error = bad.parse::<NodeAddress>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }
}
