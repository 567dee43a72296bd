//! A fixed address with its gateway and name servers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::address::{InterfaceAddress, unusable};
use super::error::ValueError;

/// A fixed address with its gateway and name servers; the gateway is in the network of the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct StaticNetwork {
    address: InterfaceAddress,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    dns: Vec<IpAddr>,
}

/// The serialized form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    address: InterfaceAddress,
    gateway: Option<IpAddr>,
    #[serde(default)]
    dns: Vec<IpAddr>,
}

impl StaticNetwork {
    /// Combines the three. Fails if the gateway cannot be reached from the address, or if a name server is not a valid
    /// host address.
    pub fn new(
        address: InterfaceAddress,
        gateway: Option<IpAddr>,
        dns: Vec<IpAddr>,
    ) -> Result<Self, ValueError> {
        if let Some(gateway) = gateway {
            check_gateway(address, gateway)?;
        }
        dns.iter().try_for_each(|server| check_dns(*server))?;
        Ok(Self { address, gateway, dns })
    }

    /// The node's address and its network.
    pub fn address(&self) -> InterfaceAddress {
        self.address
    }

    /// The gateway to other networks; without one the node reaches only its own network.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// Name servers, in order.
    pub fn dns(&self) -> &[IpAddr] {
        &self.dns
    }
}

impl TryFrom<Raw> for StaticNetwork {
    type Error = ValueError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Self::new(raw.address, raw.gateway, raw.dns)
    }
}

fn check_gateway(address: InterfaceAddress, gateway: IpAddr) -> Result<(), ValueError> {
    let refuse = |cause: String, hint: &str| Err(ValueError::new("gateway", gateway, cause, hint));
    if !address.contains(gateway) {
        return refuse(
            format!("is not inside {}/{}", address.network(), address.prefix()),
            "use the router's address in the node's network, or fix the prefix length",
        );
    }
    if gateway == address.ip() {
        return refuse("is the node's own address".into(), "use the router's address");
    }
    match address.reserved(gateway).or_else(|| unusable(gateway)) {
        Some(cause) => refuse(cause.into(), "use the router's address"),
        None => Ok(()),
    }
}

fn check_dns(server: IpAddr) -> Result<(), ValueError> {
    match unusable(server) {
        Some(cause) => Err(ValueError::new(
            "name server",
            server,
            cause,
            "use the address of a name server that the node can reach",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, gateway: Option<&str>, dns: &[&str]) -> Result<StaticNetwork, ValueError> {
        StaticNetwork::new(
            address.parse().unwrap(),
            gateway.map(|g| g.parse().unwrap()),
            dns.iter().map(|d| d.parse().unwrap()).collect(),
        )
    }

    #[test]
    fn a_gateway_outside_the_network_is_rejected() {
        for (address, gateway) in [
            ("192.168.1.10/24", Some("192.168.1.1")),
            ("10.0.0.0/31", Some("10.0.0.1")),
            ("fd00::10/64", Some("fd00::1")),
            ("192.168.1.10/24", None),
        ] {
            assert!(
                network(address, gateway, &["1.1.1.1", "2606:4700::1111"]).is_ok(),
                "{address} {gateway:?}"
            );
        }
        for (address, gateway, want) in [
            ("192.168.1.10/24", "192.168.2.1", "is not inside 192.168.1.0/24"),
            ("192.168.1.10/24", "fd00::1", "is not inside 192.168.1.0/24"),
            ("192.168.1.10/24", "192.168.1.10", "own address"),
            ("192.168.1.10/24", "192.168.1.0", "the network address"),
            ("192.168.1.10/24", "192.168.1.255", "broadcast"),
        ] {
            let error = network(address, Some(gateway), &[]).unwrap_err().to_string();
            assert!(error.starts_with("gateway \"") && error.contains(want), "{gateway}: {error}");
        }
    }

    #[test]
    fn a_name_server_that_is_not_a_host_is_rejected() {
        for (dns, want) in [
            ("127.0.0.53", "a loopback address"),
            ("0.0.0.0", "no address"),
            ("255.255.255.255", "broadcast"),
            ("224.0.0.251", "multicast"),
        ] {
            let error = network("10.0.0.2/8", None, &[dns]).unwrap_err().to_string();
            assert!(error.starts_with("name server \"") && error.contains(want), "{dns}: {error}");
        }
    }

    #[test]
    fn an_invalid_value_in_toml_is_rejected() {
        let good = "address = '192.168.1.10/24'\ngateway = '192.168.1.1'\ndns = ['1.1.1.1']\n";
        let value: StaticNetwork = toml::from_str(good).unwrap();
        assert_eq!(value, network("192.168.1.10/24", Some("192.168.1.1"), &["1.1.1.1"]).unwrap());
        assert_eq!(toml::from_str::<StaticNetwork>(&toml::to_string(&value).unwrap()).unwrap(), value);
        let bad = good.replace("gateway = '192.168.1.1'", "gateway = '10.0.0.1'");
        assert!(toml::from_str::<StaticNetwork>(&bad).unwrap_err().to_string().contains("not inside"));
        assert!(toml::from_str::<StaticNetwork>("address = '10.0.0.2/8'\nrouter = 1").is_err());
    }
}
