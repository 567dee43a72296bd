//! `hcimage.toml` on the FAT partition: what a user may still change with any text editor before the first boot.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use hc_common::text::decode;
use hc_common::value::{Host, Hostname, InterfaceAddress, StaticNetwork};
use serde::{Deserialize, Serialize};

use crate::seed::{Network, Seed};
use crate::sys::System;

/// The name of the file on the FAT partition.
pub const OVERRIDES_FILE: &str = "hcimage.toml";

/// More than any such file has; what is longer was not meant.
const LONGEST: u64 = 64 * 1024;

/// The file as the builder may lay it down: every key explained, none set.
pub const OVERRIDES_TEMPLATE: &str = "\
# What you may still change on this card before its first boot. Remove a `#` to set a value.
# Nothing in here is secret, and nothing is read any more once k3s has been started.

# The name of this node: lower-case letters, digits and hyphens.
# hostname = \"hc-1\"

# A fixed address with the length of its network's prefix, and the way out of that network.
# address = \"192.168.1.10/24\"
# gateway = \"192.168.1.1\"
# dns = [\"192.168.1.1\"]
";

/// What the user changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Another name for the node.
    pub hostname: Option<Hostname>,
    /// A static address, or another one.
    pub address: Option<InterfaceAddress>,
    /// The default gateway.
    pub gateway: Option<IpAddr>,
    /// The name servers.
    pub dns: Option<Vec<IpAddr>>,
}

impl Overrides {
    /// Reads the file from the FAT partition; none there is the same as an empty one. The message names the line.
    pub fn load(sys: &dyn System, boot_dir: &Path) -> Result<Self, String> {
        let path = boot_dir.join(OVERRIDES_FILE);
        let failed = |e: io::Error| format!("reading {}: {e}", path.display());
        match sys.stat(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(failed(e)),
            Ok(stat) if stat.size > LONGEST => return Err(format!("{}: it is too long", path.display())),
            Ok(_) => {}
        }
        let bytes = sys.read(&path).map_err(failed)?;
        Self::parse(&bytes).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    /// Reads the text.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = decode(bytes).map_err(|problem| problem.to_string())?;
        toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!("line {}: {}", before.matches('\n').count().saturating_add(1), e.message())
        })
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Why the name cannot be this node's: another node of the cluster has it. Only the first server knows the others.
    pub fn check_name(&self, seed: &Seed) -> Result<(), String> {
        let others = seed.role.init_server().map(|first| first.nodes.as_slice()).unwrap_or_default();
        // The cluster's names have the ID after the host name; every node has its own.
        let host = |other: &'_ Hostname| match seed.node.id {
            Some(_) => other.as_str().rsplit_once('-').map_or("", |(host, _)| host).to_owned(),
            None => other.to_string(),
        };
        let is_taken = |name: &&Hostname| others.iter().any(|other| host(other) == name.as_str());
        match self.hostname.as_ref().filter(is_taken) {
            Some(name) => Err(format!("hostname: {name} is another node of this cluster")),
            None => Ok(()),
        }
    }

    /// The network of the seed with the changes in it, or why they do not fit. The rules are those of the cluster file.
    pub fn network(&self, seed: &Seed) -> Result<Network, String> {
        let mut network = seed.network.clone();
        if self.address.is_none() && self.gateway.is_none() && self.dns.is_none() {
            return Ok(network);
        }
        let fixed = self.fixed(network.fixed.as_ref())?;
        check_cluster(&fixed, seed)?;
        if network.stack.is_none() {
            return Err(
                "the network of this node cannot be changed here (it is on Wi-Fi, or the image has several \
                        network services, or none that is known): only hostname can"
                    .to_owned(),
            );
        }
        if let Some(route) = network.routes.iter().find(|route| !reaches(&fixed, &network, route.via())) {
            return Err(format!(
                "address: {} does not reach {}, the router to {} in the cluster file",
                fixed.address(),
                route.via(),
                route.to()
            ));
        }
        network.fixed = Some(fixed);
        Ok(network)
    }

    /// The static address with its gateway and name servers; what is not changed stays as the builder had it.
    fn fixed(&self, old: Option<&StaticNetwork>) -> Result<StaticNetwork, String> {
        let address = self.address.or(old.map(StaticNetwork::address));
        let address = address.ok_or("gateway and dns need an address beside them")?;
        // The old gateway stays where it fits the new address too.
        let fits = |gateway: &IpAddr| address.contains(*gateway) && address.ip() != *gateway;
        let gateway = self.gateway.or(old.and_then(StaticNetwork::gateway).filter(fits));
        if self.address.is_some() && gateway.is_none() {
            return Err("address needs a gateway in its network beside it".to_owned());
        }
        let dns = self.dns.clone().or(old.map(|old| old.dns().to_vec())).unwrap_or_default();
        StaticNetwork::new(address, gateway, dns).map_err(|e| e.to_string())
    }
}

/// Whether a router is in a network of the node.
fn reaches(fixed: &StaticNetwork, network: &Network, router: IpAddr) -> bool {
    fixed.address().contains(router) || network.more_addresses.iter().any(|address| address.contains(router))
}

/// The node's network against those of the cluster, and its address against the servers that it joins.
fn check_cluster(fixed: &StaticNetwork, seed: &Seed) -> Result<(), String> {
    let address = fixed.address();
    let networks = &seed.cluster.networks;
    if let Some(other) = networks.iter().find(|other| other.overlaps(&address.subnet())) {
        return Err(format!(
            "address: its network {} overlaps {other}, a network of the cluster's pods or services",
            address.subnet()
        ));
    }
    if address.ip().is_ipv6() && networks.iter().all(|other| other.is_ipv4()) {
        return Err(format!(
            "address: {address} is of IPv6, but the networks of the cluster's pods and services are of IPv4"
        ));
    }
    let mut servers = seed.join().into_iter().flat_map(|join| &join.servers);
    if servers.any(|server| *server.host() == Host::Address(address.ip())) {
        return Err(format!("address: {} is the address of the server that this node joins", address.ip()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_changes_nothing_and_shows_what_works() {
        assert_eq!(Overrides::parse(OVERRIDES_TEMPLATE.as_bytes()), Ok(Overrides::default()));
        let set: String = OVERRIDES_TEMPLATE
            .lines()
            .map(|line| if line.contains(" = ") { line.trim_start_matches("# ") } else { line })
            .flat_map(|line| [line, "\r\n"])
            .collect();
        let read = Overrides::parse(set.as_bytes()).unwrap();
        assert_eq!(read.hostname.unwrap().as_str(), "hc-1");
        assert_eq!(read.dns.unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let table = [
            ("hostname = \"a\"\naddres = \"x\"\n", "line 2: unknown field `addres`, expected one of"),
            ("hostname = a\n", "line 1: "),
            (
                "\naddress = \"10.0.0.7\"\n",
                "line 2: address \"10.0.0.7\" has no prefix length: use the form 192.168.1.10/24",
            ),
            ("hostname = \"A_B\"\n", "line 1: host name \"A_B\" has "),
            ("hostname = \"a\"\nhostname = \"b\"\n", "line 2: duplicate key"),
        ];
        for (text, expected) in table {
            let found = Overrides::parse(text.as_bytes()).unwrap_err();
            assert!(found.starts_with(expected), "{found}");
        }
        assert!(Overrides::parse(&[0xff]).unwrap_err().contains("not UTF-8 text (line 1)"));
        let utf16: Vec<u8> = "hostname = \"a\"".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(Overrides::parse(&utf16).unwrap_err().contains("save it as UTF-8"));
        let named = Overrides { hostname: Some("a".parse().unwrap()), ..Overrides::default() };
        assert_eq!(Overrides::parse(b"\xef\xbb\xbfhostname = \"a\"\r\n# x\r\n").unwrap(), named);
        assert!(Overrides::parse(b"\xef\xbb\xbfhostname = \"a\"").is_ok());
    }
}
