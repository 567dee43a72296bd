//! A static address in the form that the base's own network service reads, and how that service is told of it.

mod dhcpcd;
mod keyfile;

use crate::seed::{Network, Stack};
use crate::sys::Command;

/// What the file of a network service is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) path: &'static str,
    pub(crate) mode: u32,
    pub(crate) content: String,
    /// What makes the service read it, in this order.
    pub(crate) commands: Vec<Command>,
}

/// What gives `link` the static address of `network`; `old` is what the file holds. None without a static address.
pub(crate) fn wanted(stack: Stack, network: &Network, link: &str, old: &str) -> Option<Wanted> {
    let address = network.address?;
    Some(match stack {
        Stack::Dhcpcd => Wanted {
            path: dhcpcd::PATH,
            mode: 0o644,
            content: dhcpcd::edit(old, link, address, network),
            // Reads the file again and leaves everything else as it is.
            commands: vec![Command::new("dhcpcd", ["--rebind", link])],
        },
        Stack::NetworkManager => Wanted {
            path: keyfile::PATH,
            mode: 0o600,
            content: keyfile::render(address, network),
            commands: vec![
                Command::new("nmcli", ["connection", "load", keyfile::PATH]),
                Command::new("nmcli", ["--wait", "20", "connection", "up", "id", "hcimage"]),
            ],
        },
    })
}

/// Where the service keeps it.
pub(crate) fn path(stack: Stack) -> &'static str {
    match stack {
        Stack::Dhcpcd => dhcpcd::PATH,
        Stack::NetworkManager => keyfile::PATH,
    }
}
