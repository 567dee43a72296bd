//! Where a server of a cluster listens.

use std::fmt;
use std::str::FromStr;

use hc_common::value::{Host, ValueError};

/// The port of k3s for the API and for joining nodes.
const PORT: u16 = 6443;

/// Where a server of a cluster listens: a name or address, with a port if it is not 6443. Read with or without `https://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    host: Host,
    port: u16,
}

impl ServerAddress {
    /// A host with the usual port.
    pub fn of_host(host: Host) -> Self {
        Self { host, port: PORT }
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

/// The URL, as k3s's `server`.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host.with_port(self.port))
    }
}

impl FromStr for ServerAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hint = "use the form k3s.home.lan, 192.168.1.10:6443 or https://192.168.1.10:6443";
        let refused = |cause: &str| ValueError::new("server address", text, cause, hint);
        let rest = text.strip_prefix("https://").unwrap_or(text);
        if rest.contains("://") {
            return Err(refused("is not an https address: k3s joins over TLS only"));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        match Host::with_optional_port_from(rest) {
            Some((host, port)) => Ok(Self { host, port: port.unwrap_or(PORT) }),
            // The cause is the host's, where it is a host alone.
            None => match rest.parse::<Host>() {
                Err(_) if rest.contains('/') => Err(refused("has a path")),
                Err(error) if !rest.contains(':') => Err(error),
                _ => Err(refused("is not a host with or without a port")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_with_or_without_a_port_becomes_a_url() {
        for (text, url) in [
            ("k3s.home.lan", "https://k3s.home.lan:6443"),
            ("192.168.1.10:443", "https://192.168.1.10:443"),
            ("https://192.168.1.10:6443/", "https://192.168.1.10:6443"),
            ("[fd00::1]:9", "https://[fd00::1]:9"),
            ("https://fd00::1", "https://[fd00::1]:6443"),
        ] {
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), url);
            assert_eq!(url.parse(), Ok(address));
        }
        for (bad, cause) in [
            ("http://192.168.1.10", "not an https"),
            ("https://k3s.home.lan/x", "path"),
            ("127.0.0.1", "loopback"),
            ("k3s:port", "with or without"),
            ("", "domain name"),
        ] {
            let error = bad.parse::<ServerAddress>().unwrap_err().to_string();
            assert!(error.contains(cause), "{bad:?}: {error}");
        }
    }
}
