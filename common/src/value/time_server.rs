//! A server of the network time protocol.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use super::host::Host;
use crate::text_value;

/// An NTP server: a host, and a port if it is not 123.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeServer {
    host: Host,
    port: Option<u16>,
}

/// The port of NTP.
const NTP: u16 = 123;

impl TimeServer {
    /// A host, and a port where it is not 123.
    pub fn new(host: Host, port: Option<u16>) -> Self {
        Self { host, port }
    }

    /// The server's name or address.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its UDP port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(NTP)
    }
}

impl FromStr for TimeServer {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = Host::with_optional_port_from(text).ok_or_else(|| {
            ValueError::new(
                "time server",
                text,
                "is neither a host nor a host with a port",
                "use the form pool.ntp.org or 192.168.1.1:123",
            )
        })?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for TimeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => f.write_str(&self.host.with_port(port)),
            None => self.host.fmt(f),
        }
    }
}

text_value!(TimeServer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_with_or_without_a_port_is_accepted() {
        for good in ["pool.ntp.org", "192.168.1.1", "192.168.1.1:1123", "[fd00::1]:123", "fd00::1"] {
            assert_eq!(good.parse::<TimeServer>().unwrap().to_string(), good);
        }
        for bad in ["", "ntp://x", "pool.ntp.org:0", "pool.ntp.org:x", "a b", "127.0.0.1:123"] {
            assert!(bad.parse::<TimeServer>().is_err(), "{bad}");
        }
    }
}
