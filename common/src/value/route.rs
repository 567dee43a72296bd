//! A way to another network that is not the default one.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::address::unusable;
use super::error::ValueError;
use super::subnet::Subnet;

/// A network and the router that leads there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Route {
    to: Subnet,
    via: IpAddr,
}

/// The serialized form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    to: Subnet,
    via: IpAddr,
}

impl Route {
    /// Combines the two. Fails if they are of different families, if the router is in the network that it leads to, or if
    /// no host can have its address.
    pub fn new(to: Subnet, via: IpAddr) -> Result<Self, ValueError> {
        let refuse = |cause: String| {
            Err(ValueError::new("router", via, cause, "use the router's address in the node's network"))
        };
        if to.is_ipv4() != via.is_ipv4() {
            return refuse(format!("is of another address family than {to}"));
        }
        if to.contains(via) {
            return refuse(format!("is in {to} itself, where it is to lead"));
        }
        match unusable(via) {
            Some(cause) => refuse(cause.to_owned()),
            None => Ok(Self { to, via }),
        }
    }

    /// The network that it leads to.
    pub fn to(&self) -> Subnet {
        self.to
    }

    /// The router, which is in a network of the node.
    pub fn via(&self) -> IpAddr {
        self.via
    }
}

impl TryFrom<Raw> for Route {
    type Error = ValueError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Self::new(raw.to, raw.via)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_needs_a_router_outside_its_network() {
        let route = |to: &str, via: &str| Route::new(to.parse().unwrap(), via.parse().unwrap());
        for (to, via) in [("10.8.0.0/16", "192.168.1.254"), ("fd08::/64", "fd00::1")] {
            let good = route(to, via).unwrap();
            let text = toml::to_string(&good).unwrap();
            assert_eq!(toml::from_str::<Route>(&text).unwrap(), good, "{text}");
        }
        for (to, via, want) in [
            ("10.8.0.0/16", "fd00::1", "another address family"),
            ("10.8.0.0/16", "10.8.0.1", "is in 10.8.0.0/16 itself"),
            ("10.8.0.0/16", "127.0.0.1", "a loopback address"),
            ("10.8.0.0/16", "224.0.0.1", "multicast"),
        ] {
            let error = route(to, via).unwrap_err().to_string();
            assert!(error.starts_with("router \"") && error.contains(want), "{to} {via}: {error}");
        }
    }
}
