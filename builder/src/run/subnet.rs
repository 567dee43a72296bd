//! The one network of a run: that of the nodes' own addresses, and where on it the router answers. No I/O here.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use hc_common::value::{InterfaceAddress, Subnet};
use hc_firstboot::seed::Network;

use crate::exit_class::{Classified, ExitClass};

/// The network with its router, which is QEMU's own (`-netdev user`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// The network, of IPv4.
    pub subnet: Subnet,
    /// The nodes' gateway.
    pub gateway: Ipv4Addr,
    /// Where the router answers as a name server, if there is a way out.
    pub dns: Ipv4Addr,
    /// The first address that it gives by DHCP; it gives sixteen.
    pub first_lease: Ipv4Addr,
}

/// Why nodes cannot be put on one network here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Something that QEMU's network does not have.
    #[error("node {node} {what}, which QEMU's network does not have")]
    Missing {
        /// The node.
        node: String,
        /// What its image wants.
        what: String,
    },
    /// Two nodes are in different networks.
    #[error(
        "node {node} is in {subnet}, node {other} in {other_subnet}: one network for all is possible here"
    )]
    Several {
        /// The one node.
        node: String,
        /// Its network.
        subnet: Subnet,
        /// The other.
        other: String,
        /// Its network.
        other_subnet: Subnet,
    },
    /// Two nodes want different routers.
    #[error("node {node} has the gateway {gateway}, other nodes have {other}: there is one router here")]
    Gateways {
        /// The one node.
        node: String,
        /// Its gateway.
        gateway: IpAddr,
        /// The other's.
        other: IpAddr,
    },
    /// No room for the router.
    #[error("{subnet} has too few addresses free for the router and its DHCP")]
    Full {
        /// The network.
        subnet: Subnet,
    },
}

impl Classified for NetworkError {
    fn class(&self) -> Option<ExitClass> {
        Some(ExitClass::Unsupported)
    }
}

impl Router {
    /// QEMU's usual network: 10.0.2.0/24 with the router at 10.0.2.2, and DHCP from 10.0.2.15.
    ///
    /// # Errors
    /// None that can happen; the network is parsed from text.
    pub fn usual() -> Result<Self, NetworkError> {
        Self::for_nodes(&[])
    }

    /// The network that the nodes were built for. Nodes with DHCP get addresses of it.
    ///
    /// # Errors
    /// [`NetworkError`] says which node wants what is not possible.
    pub fn for_nodes(nodes: &[(&str, &Network)]) -> Result<Self, NetworkError> {
        for (node, network) in nodes {
            check(node, network)?;
        }
        let fixed = |(node, network): &(&str, &Network)| Some(((*node).to_owned(), network.address()?));
        let fixed: Vec<(String, InterfaceAddress)> = nodes.iter().filter_map(fixed).collect();
        let usual = Ipv4Addr::new(10, 0, 2, 0);
        let Some((first, address)) = fixed.first() else {
            let subnet = "10.0.2.0/24".parse().map_err(|_| missing("", "wants no network"))?;
            let at = |last: u8| Ipv4Addr::from_bits(usual.to_bits() | u32::from(last));
            return Ok(Self { subnet, gateway: at(2), dns: at(3), first_lease: at(15) });
        };
        let subnet = address.subnet();
        if let Some((other, address)) = fixed.iter().find(|(_, address)| address.subnet() != subnet) {
            return Err(NetworkError::Several {
                node: first.clone(),
                subnet,
                other: other.clone(),
                other_subnet: address.subnet(),
            });
        }
        Self::in_subnet(subnet, nodes)
    }

    fn in_subnet(subnet: Subnet, nodes: &[(&str, &Network)]) -> Result<Self, NetworkError> {
        let settings = || nodes.iter().filter_map(|(_, network)| network.fixed.as_ref());
        let mut taken: BTreeSet<IpAddr> = settings().map(|fixed| fixed.address().ip()).collect();
        taken.extend(nodes.iter().flat_map(|(_, network)| &network.more_addresses).map(|more| more.ip()));
        let gateway = one_gateway(nodes)?;
        taken.extend(gateway);
        let full = || NetworkError::Full { subnet };
        // A name server of the cluster file that is on this network is the router, too.
        let wanted = settings().flat_map(|fixed| fixed.dns()).copied();
        let wanted = wanted.filter(|dns| subnet.contains(*dns) && !taken.contains(dns)).find_map(v4);
        taken.extend(wanted.map(IpAddr::V4));
        let mut free = free(subnet, taken.clone());
        let gateway = match gateway.and_then(v4) {
            Some(gateway) => gateway,
            None => free.next().ok_or_else(full)?,
        };
        let dns = wanted.or_else(|| free.next()).ok_or_else(full)?;
        taken.extend([IpAddr::V4(gateway), IpAddr::V4(dns)]);
        let first_lease = run_of_free(subnet, &taken, nodes.len()).ok_or_else(full)?;
        Ok(Self { subnet, gateway, dns, first_lease })
    }

    /// The value of QEMU's `-netdev`. Without a way out, nothing but the nodes and the forwarded ports is reached.
    pub fn netdev(&self, id: &str, is_online: bool) -> String {
        let Self { subnet, gateway, dns, first_lease } = self;
        let restrict = if is_online { "off" } else { "on" };
        format!(
            "user,id={id},ipv6=off,net={subnet},host={gateway},dns={dns},dhcpstart={first_lease},restrict={restrict}"
        )
    }
}

fn missing(node: &str, what: impl Into<String>) -> NetworkError {
    NetworkError::Missing { node: node.to_owned(), what: what.into() }
}

fn check(node: &str, network: &Network) -> Result<(), NetworkError> {
    if let Some(vlan) = network.vlan {
        return Err(missing(node, format!("is in the VLAN {vlan}")));
    }
    let link = network.link.as_ref().or(network.interface.as_ref());
    if let Some(wireless) = link.filter(|link| link.as_str().starts_with("wl")) {
        return Err(missing(node, format!("has Wi-Fi ({wireless})")));
    }
    match network.address() {
        Some(address) if !address.subnet().is_ipv4() => {
            Err(missing(node, format!("has the IPv6 address {address} as its first")))
        }
        _ => Ok(()),
    }
}

fn one_gateway(nodes: &[(&str, &Network)]) -> Result<Option<IpAddr>, NetworkError> {
    let mut known = None;
    for (node, network) in nodes {
        let Some(gateway) = network.fixed.as_ref().and_then(|fixed| fixed.gateway()) else { continue };
        match known {
            Some(other) if other != gateway => {
                return Err(NetworkError::Gateways { node: (*node).to_owned(), gateway, other });
            }
            _ => known = Some(gateway),
        }
    }
    Ok(known)
}

fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// How many addresses are looked at: a large network has enough among its last ones.
const MOST_TRIED: u32 = 4096;

/// Free addresses of hosts, from the end: people count from the beginning.
fn free(subnet: Subnet, taken: BTreeSet<IpAddr>) -> impl Iterator<Item = Ipv4Addr> {
    let hosts = 2_u32.saturating_pow(32_u32.saturating_sub(subnet.prefix().into()));
    let last = hosts.saturating_sub(2);
    let indices = (1..=last).rev().take(usize::try_from(MOST_TRIED).unwrap_or(usize::MAX));
    let addresses = indices.filter_map(move |index| subnet.address(index));
    addresses.filter(move |address| !taken.contains(address)).filter_map(v4)
}

/// The first of as many free addresses in a row as there are nodes.
fn run_of_free(subnet: Subnet, taken: &BTreeSet<IpAddr>, nodes: usize) -> Option<Ipv4Addr> {
    let mut row: Vec<Ipv4Addr> = Vec::new();
    for address in free(subnet, taken.clone()) {
        let follows = row.last().is_some_and(|last| last.to_bits().checked_sub(1) == Some(address.to_bits()));
        if !follows {
            row.clear();
        }
        row.push(address);
        if row.len() >= nodes {
            return Some(address);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        toml::from_str(&format!("arp_probe = true\nwait_seconds = 60\n{text}")).unwrap()
    }

    fn fixed(address: &str, gateway: &str, more: &str) -> Network {
        network(&format!("[static]\naddress = {address:?}\ngateway = {gateway:?}\ndns = [{more}]\n"))
    }

    fn router(nodes: &[Network]) -> Result<Router, String> {
        let names = ["a", "b", "c"];
        let nodes: Vec<_> = names.into_iter().zip(nodes).collect();
        Router::for_nodes(&nodes).map_err(|error| error.to_string())
    }

    #[test]
    fn the_router_is_the_gateway_of_the_cluster_file() {
        let nodes = [
            fixed("192.168.7.254/24", "192.168.7.1", "\"192.168.7.53\", \"9.9.9.9\""),
            fixed("192.168.7.250/24", "192.168.7.1", ""),
        ];
        let router = router(&nodes).unwrap();
        assert_eq!(
            router.netdev("u0", false),
            "user,id=u0,ipv6=off,net=192.168.7.0/24,host=192.168.7.1,dns=192.168.7.53,dhcpstart=192.168.7.252,\
             restrict=on"
        );
        assert!(router.netdev("u0", true).ends_with("restrict=off"));
    }

    #[test]
    fn what_nobody_named_is_at_a_free_address() {
        let alone = network("[static]\naddress = \"10.9.0.254/16\"\n");
        let got = router(&[alone]).unwrap();
        assert_eq!(
            (got.gateway, got.dns, got.first_lease),
            ([10, 9, 255, 254].into(), [10, 9, 255, 253].into(), [10, 9, 255, 252].into())
        );
        let dhcp = router(&[network(""), network("")]).unwrap();
        assert_eq!(
            (dhcp.subnet.to_string(), dhcp.gateway.to_string()),
            ("10.0.2.0/24".into(), "10.0.2.2".into())
        );
        assert_eq!(Ok(dhcp), Router::usual().map_err(|error| error.to_string()));
        // Its own address, the gateway, and one left for the name server: none for DHCP.
        let small =
            router(&[fixed("10.0.0.2/29", "10.0.0.1", ""), fixed("10.0.0.3/29", "10.0.0.1", "")]).unwrap();
        assert_eq!((small.dns.octets()[3], small.first_lease.octets()[3]), (6, 4));
        let tiny = router(&[fixed("10.0.0.2/30", "10.0.0.1", "")]).unwrap_err();
        assert!(tiny.contains("10.0.0.0/30 has too few"), "{tiny}");
    }

    #[test]
    fn what_is_not_possible_is_refused_by_name() {
        let a = || fixed("10.0.0.2/24", "10.0.0.1", "");
        for (nodes, words) in [
            (
                vec![a(), fixed("10.0.1.2/24", "10.0.1.1", "")],
                "node a is in 10.0.0.0/24, node b in 10.0.1.0/24",
            ),
            (vec![a(), fixed("10.0.0.3/24", "10.0.0.9", "")], "node b has the gateway 10.0.0.9"),
            (vec![a(), network("link = \"lan0.7\"\nvlan = 7\n")], "node b is in the VLAN 7"),
            (vec![network("link = \"wlan0\"\n")], "node a has Wi-Fi (wlan0)"),
            (vec![fixed("fd00::2/64", "fd00::1", "")], "node a has the IPv6 address fd00::2/64"),
        ] {
            let said = router(&nodes).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }
}
