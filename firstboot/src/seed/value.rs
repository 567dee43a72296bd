//! Values of the seed that only the seed has.

use std::fmt;
use std::str::FromStr;

use hc_common::text_value;
use hc_common::value::{Host, ValueError, is_label};
use serde::{Deserialize, Serialize};

/// The port of the Kubernetes API and of k3s's supervisor.
const API_PORT: u16 = 6443;

/// A host and a TCP port: where a server of the cluster listens. Without a port it is that of the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    host: Host,
    port: u16,
}

impl Endpoint {
    /// A host with a port.
    pub fn new(host: Host, port: u16) -> Self {
        Self { host, port }
    }

    /// A host with the port of the Kubernetes API.
    pub fn of_api(host: Host) -> Self {
        Self::new(host, API_PORT)
    }

    /// Name or address.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Endpoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (host, port) = Host::with_optional_port_from(text).ok_or_else(|| {
            ValueError::new(
                "server",
                text,
                "is not a host with or without a port",
                "write `host` or `host:port`, an IPv6 address with a port in brackets",
            )
        })?;
        Ok(Self::new(host, port.unwrap_or(API_PORT)))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host.with_port(self.port))
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
    /// The name of an object that is known to exist by this name.
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

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
            Some((namespace, name)) if is_short_label(namespace) && is_subdomain(name) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(ValueError::new(
                "object",
                text,
                "is not a namespace and a name (RFC 1123)",
                "write `namespace/name` of a Kubernetes object",
            )),
        }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

fn is_short_label(name: &str) -> bool {
    name.len() <= 63 && is_label(name)
}

/// Labels with dots between them (RFC 1123, as Kubernetes wants it).
pub(crate) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_short_label)
}

text_value!(Endpoint);
text_value!(NamespacedName);

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
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
