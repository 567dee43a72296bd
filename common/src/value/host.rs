//! A host, by name or by address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::unusable;
use super::domain_name::DomainName;
use super::error::ValueError;
use crate::text_value;

/// The name or address of a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Host {
    /// An address that a packet can be sent to.
    Address(IpAddr),
    /// A DNS name.
    Name(DomainName),
}

impl Host {
    /// The host and a port as in a URL: an IPv6 address gets brackets.
    pub fn with_port(&self, port: u16) -> String {
        match self {
            Self::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
            other => format!("{other}:{port}"),
        }
    }
}

impl Host {
    /// Reads `host` or `host:port`; an IPv6 address with a port is in brackets, and nothing else is. A port is from 1 to
    /// 65535. None where the text is of neither form.
    pub fn with_optional_port_from(text: &str) -> Option<(Self, Option<u16>)> {
        if let Ok(host) = text.parse() {
            return Some((host, None));
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => {
                Self::from_str(inner).ok().filter(|host| matches!(host, Self::Address(IpAddr::V6(_))))?
            }
            None => host.parse().ok().filter(|host| !matches!(host, Self::Address(IpAddr::V6(_))))?,
        };
        Some((host, Some(port)))
    }
}

impl FromStr for Host {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str| Err(ValueError::new("host", text, cause, "use only a name or an address"));
        if text.contains("://") {
            return refuse("is a URL");
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return match unusable(address) {
                Some(cause) => refuse(cause),
                None => Ok(Self::Address(address)),
            };
        }
        match text.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => refuse("has a port"),
            _ if text.contains('/') => refuse("has a slash"),
            _ => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

text_value!(Host);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_or_an_address_is_accepted() {
        for (good, url) in [
            ("192.168.1.10", "192.168.1.10:6443"),
            ("fd00::10", "[fd00::10]:6443"),
            ("k3s.home.lan", "k3s.home.lan:6443"),
        ] {
            let host: Host = good.parse().unwrap();
            assert_eq!((host.to_string().as_str(), host.with_port(6443).as_str()), (good, url));
        }
        for (bad, want) in [
            ("https://k3s.home.lan", "is a URL"),
            ("k3s.home.lan:6443", "has a port"),
            ("192.168.1.10:6443", "has a port"),
            ("192.168.1.10/24", "has a slash"),
            ("127.0.0.1", "a loopback address"),
            ("fe80::1", "one link only"),
            ("192.168.1.300", "only addresses do"),
            ("", "not a domain name"),
        ] {
            let error = bad.parse::<Host>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }
}
