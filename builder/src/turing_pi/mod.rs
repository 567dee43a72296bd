//! A Turing Pi 2: its board's controller writes images to the compute modules in its slots.
//!
//! The controller's HTTP API is that of bmcd 2.x (API 1.1), as its source has it: `/api/bmc?opt=get|set&type=...`. Its slots are numbered
//! from 1 for people and for power, and from 0 for all else.
//!
//! ```text
//! pin      the certificate, which nobody signed: known from its first use
//! answer   what the controller says
//! client   requests, each with a limit
//! flash    an image onto a module
//! ```

mod answer;
mod client;
mod flash;
mod pin;

use std::fmt;
use std::str::FromStr;

pub use client::{Access, Client, ControllerError};
pub use flash::flash;
pub use pin::Pins;

/// A slot, as people count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u8);

/// A text that is no slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a Turing Pi 2 has the slots 1 to 4")]
pub struct BadSlot;

impl FromStr for Slot {
    type Err = BadSlot;

    fn from_str(text: &str) -> Result<Self, BadSlot> {
        text.parse().ok().filter(|number| (1..=4).contains(number)).map(Self).ok_or(BadSlot)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Slot {
    /// As all requests but those for power count.
    fn index(self) -> u8 {
        self.0.saturating_sub(1)
    }

    /// As requests for power name it.
    fn power_name(self) -> String {
        format!("node{}", self.0)
    }
}

/// The host of a controller: a name or an address, with a port where it is not 443.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host(String);

/// A text that is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the name or address of the controller, such as turingpi.local, without https:// and without a path"
)]
pub struct BadHost;

impl FromStr for Host {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        let url = reqwest::Url::parse(&format!("https://{text}/")).map_err(|_| BadHost)?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let is_host =
            plain && url.username().is_empty() && url.password().is_none() && !text.contains(['/', '\\']);
        is_host.then(|| Self(text.to_ascii_lowercase())).ok_or(BadHost)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_as_the_controller_counts_them() {
        let slot: Slot = "1".parse().unwrap();
        assert_eq!((slot.index(), slot.power_name().as_str()), (0, "node1"));
        let slot: Slot = "4".parse().unwrap();
        assert_eq!((slot.index(), slot.power_name().as_str()), (3, "node4"));
        for bad in ["0", "5", "", "-1", "one"] {
            assert_eq!(bad.parse::<Slot>(), Err(BadSlot), "{bad}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for good in ["turingpi.local", "10.0.0.2", "[fe80::1]", "127.0.0.1:8443"] {
            assert!(good.parse::<Host>().is_ok(), "{good}");
        }
        for bad in
            ["", "https://turingpi.local", "turingpi.local/api", "a b", "root@turingpi", "turingpi?x", "a\\b"]
        {
            assert_eq!(bad.parse::<Host>(), Err(BadHost), "{bad}");
        }
    }
}
