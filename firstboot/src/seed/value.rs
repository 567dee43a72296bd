//! Values of the seed that have a form of their own: parsed once, right ever after.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The port of the Kubernetes API and of k3s's supervisor.
const API_PORT: u16 = 6443;

/// Why a text is not such a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not an address with a prefix.
    #[error("{0:?} is not an address with its prefix, such as 10.0.0.7/24")]
    Address(String),
    /// Not a host with or without a port.
    #[error("{0:?} is not `host` or `host:port` (an IPv6 address with a port goes into brackets)")]
    Endpoint(String),
    /// Not a namespace and a name.
    #[error("{0:?} is not `namespace/name` of a Kubernetes object (RFC 1123 names)")]
    NamespacedName(String),
}

/// An address of an interface with the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    ip: IpAddr,
    prefix: u8,
}

impl Address {
    /// The address.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Whether the other address is in the same network.
    pub fn reaches(&self, other: IpAddr) -> bool {
        let top = |bits: u128, width: u8| bits.checked_shr(u32::from(width.saturating_sub(self.prefix)));
        match (self.ip, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => top(a.to_bits().into(), 32) == top(b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => top(a.to_bits(), 128) == top(b.to_bits(), 128),
            _ => false,
        }
    }
}

impl FromStr for Address {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::Address(text.to_owned());
        let (ip, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let usable = !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast();
        if usable && (1..=longest).contains(&prefix) { Ok(Self { ip, prefix }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// A host and a port: where something on the network listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Reads `host` or `host:port`.
    pub fn parse(text: &str, usual_port: u16) -> Result<Self, ValueError> {
        let wrong = || ValueError::Endpoint(text.to_owned());
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { host: address.to_string(), port: usual_port });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (text, usual_port),
        };
        if port == 0 {
            return Err(wrong());
        }
        if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inner.parse().map_err(|_| wrong())?;
            return Ok(Self { host: address.to_string(), port });
        }
        // A name goes to another program as an argument: nothing in it may look like an option.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_';
        let right =
            (1..=253).contains(&host.len()) && host.bytes().all(plain) && !host.starts_with(['-', '.']);
        if right { Ok(Self { host: host.to_owned(), port }) } else { Err(wrong()) }
    }

    /// Name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// With the port of the Kubernetes API where none is given.
impl FromStr for Endpoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::parse(text, API_PORT)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Namespace and name of a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamespacedName {
    namespace: String,
    name: String,
}

impl NamespacedName {
    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for NamespacedName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.split_once('/') {
            Some((namespace, name)) if is_label(namespace) && is_subdomain(name) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(ValueError::NamespacedName(text.to_owned())),
        }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// RFC 1123, 2.1: letters, digits and hyphens, none at either end, at most 63; lower case as Kubernetes wants it.
pub(crate) fn is_label(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| plain(b) || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Labels with dots between them.
pub(crate) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// What a kernel accepts as the name of an interface (`dev_valid_name`), without what a file format could take amiss.
pub(crate) fn is_interface(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=15).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with(['-', '.'])
}

macro_rules! as_text {
    ($($value:ty),*) => {$(
        impl TryFrom<String> for $value {
            type Error = ValueError;

            fn try_from(text: String) -> Result<Self, ValueError> {
                text.parse()
            }
        }

        impl From<$value> for String {
            fn from(value: $value) -> Self {
                value.to_string()
            }
        }
    )*};
}

as_text!(Address, Endpoint, NamespacedName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in ["10.0.0.7/24", "fd00::7/64", "10.0.0.7/32", "10.0.0.7/1"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in
            ["", "10.0.0.7", "10.0.0.7/0", "10.0.0.7/33", "10.0.0/24", "fd00::/129", "0.0.0.0/8", "::1/128"]
        {
            assert_eq!(text.parse::<Address>(), Err(ValueError::Address(text.to_owned())));
        }
    }

    #[test]
    fn who_is_in_the_network() {
        let reaches =
            |address: &str, other: &str| address.parse::<Address>().unwrap().reaches(other.parse().unwrap());
        assert!(reaches("10.0.0.7/24", "10.0.0.255") && !reaches("10.0.0.7/24", "10.0.1.1"));
        assert!(reaches("10.0.0.7/32", "10.0.0.7") && !reaches("10.0.0.7/32", "10.0.0.6"));
        assert!(reaches("fd00::7/64", "fd00::1") && !reaches("fd00::7/64", "fd01::1"));
        assert!(!reaches("10.0.0.7/24", "fd00::1"));
    }

    #[test]
    fn endpoints() {
        let good = [
            ("hc-1", "hc-1:6443"),
            ("10.0.0.1", "10.0.0.1:6443"),
            ("10.0.0.1:443", "10.0.0.1:443"),
            ("fd00::1", "[fd00::1]:6443"),
            ("[fd00::1]:9", "[fd00::1]:9"),
        ];
        for (text, expected) in good {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), expected);
        }
        for text in ["", ":1", "https://a", "a:0", "-a", "a b", "[a]:1", "a:x"] {
            assert_eq!(text.parse::<Endpoint>(), Err(ValueError::Endpoint(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn objects() {
        assert_eq!("kube-system/traefik".parse::<NamespacedName>().unwrap().name(), "traefik");
        for text in ["", "traefik", "a/", "/a", "A/b", "a/b/c", "a.b/c"] {
            assert!(text.parse::<NamespacedName>().is_err(), "{text}");
        }
    }
}
