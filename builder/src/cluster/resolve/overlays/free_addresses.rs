//! Addresses that overlays give to services: of nobody else.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::cluster::field::Span;
use crate::cluster::model::{Addressing, Cluster};
use crate::cluster::problem::Problems;
use crate::overlays::{Overlay, ParameterType, ParameterValue};
use crate::value::Subnet;

/// The first and the last address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range(IpAddr, IpAddr);

/// A range that is somebody's, with whose it is.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    range: Range,
    whose: String,
}

impl Range {
    fn overlaps(self, other: Self) -> bool {
        self.0.is_ipv4() == other.0.is_ipv4() && self.0 <= other.1 && other.0 <= self.1
    }

    fn of_network(network: &Subnet) -> Self {
        Self(network.first(), network.last())
    }

    fn shown(self) -> String {
        if self.0 == self.1 { self.0.to_string() } else { format!("{}-{}", self.0, self.1) }
    }

    /// `A-B`, or a network; an address alone is one without a prefix.
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some((first, last)) = text.split_once('-') {
            let (Ok(first), Ok(last)) = (first.trim().parse::<IpAddr>(), last.trim().parse::<IpAddr>())
            else {
                return Err("expected a network, or two addresses with a hyphen between them");
            };
            return match first.is_ipv4() == last.is_ipv4() && first <= last {
                true => Ok(Self(first, last)),
                false => Err("its end is before its beginning"),
            };
        }
        let network = text.parse::<Subnet>().map_err(|_| match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => "an address alone has the prefix /32",
            Ok(IpAddr::V6(_)) => "an address alone has the prefix /128",
            Err(_) => "expected a network, or two addresses with a hyphen between them",
        })?;
        Ok(Self::of_network(&network))
    }
}

/// What nodes, routers and the cluster's own networks have already.
pub(super) fn taken(cluster: &Cluster) -> Vec<Owned> {
    let one = |address: IpAddr, whose: String| Owned { range: Range(address, address), whose };
    let mut taken = Vec::new();
    for node in cluster.nodes.iter() {
        let Addressing::Static(network) = &node.network.addressing else { continue };
        taken.push(one(network.address().ip(), format!("node {}", node.name)));
        taken.extend(network.gateway().map(|gateway| one(gateway, "the gateway".to_owned())));
        taken.extend(network.dns().iter().map(|dns| one(*dns, "the name server".to_owned())));
        let subnet = network.address().subnet();
        // An address of each end belongs to nobody (RFC 919).
        if subnet.is_ipv4() && subnet.prefix() < 31 {
            taken.push(one(subnet.last(), "the broadcast".to_owned()));
            taken.push(one(subnet.first(), "the network itself".to_owned()));
        }
    }
    for (networks, whose) in
        [(cluster.k3s.pod_networks(), "the pods"), (cluster.k3s.service_networks(), "the cluster's services")]
    {
        let ranges = networks.iter().map(Range::of_network);
        taken.extend(ranges.map(|range| Owned { range, whose: whose.to_owned() }));
    }
    taken
}

/// Adds those of an overlay.
pub(super) fn take(
    taken: &mut Vec<Owned>,
    overlay: &Overlay,
    values: &BTreeMap<String, ParameterValue>,
    span: &Span,
    problems: &mut Problems<'_>,
) {
    for (name, parameter) in &overlay.parameters {
        let ranges: Vec<_> = match (parameter.kind, values.get(name)) {
            (ParameterType::FreeAddress, Some(ParameterValue::Text(text))) => {
                // What is none was reported, or nobody has set it.
                text.parse().map(|address| (text, Ok(Range(address, address)))).into_iter().collect()
            }
            (ParameterType::FreeAddresses, Some(ParameterValue::List(texts))) => {
                texts.iter().map(|text| (text, Range::parse(text))).collect()
            }
            _ => continue,
        };
        for (text, range) in ranges {
            let range = match range {
                Ok(range) => range,
                Err(problem) => {
                    let hint = "write 192.168.1.240-192.168.1.250 or 192.168.1.240/28";
                    problems.error(span, format!("`{name}`: {text}: {problem}"), hint);
                    continue;
                }
            };
            if let Some(owned) = taken.iter().find(|owned| owned.range.overlaps(range)) {
                let message = format!("`{name}`: {text}: {} belongs to {}", owned.range.shown(), owned.whose);
                problems.error(span, message, "name addresses that nothing else has");
            }
            taken.push(Owned { range, whose: format!("the overlay {} already", overlay.name) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_parsed_and_compared() {
        let range = |text: &str| Range::parse(text).unwrap();
        assert_eq!(range("10.0.0.240/28"), range("10.0.0.240-10.0.0.255"));
        assert!(range("10.0.0.1-10.0.0.9").overlaps(range("10.0.0.9/32")));
        assert!(!range("10.0.0.1-10.0.0.8").overlaps(range("10.0.0.9/32")));
        assert!(!range("10.0.0.0/8").overlaps(range("fd00::/64")));
        for bad in
            ["hello", "10.0.0.9", "fd00::1", "10.0.0.9-10.0.0.1", "10.0.0.1-fd00::1", "10.0.0.1-", "", "-"]
        {
            assert!(Range::parse(bad).is_err(), "{bad}");
        }
    }
}
