//! What k3s asks of the machine: its name, a default route, a network interface.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// The machine's host name in lower case, as the kubelet takes it.
///
/// # Errors
/// When /proc is not there.
pub(crate) fn name() -> Result<String> {
    let path = "/proc/sys/kernel/hostname";
    let name = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    Ok(name.trim().to_lowercase())
}

/// What the settings say of the node's network.
pub(crate) struct Network<'a> {
    /// `node-ip`.
    pub(crate) node_ip: Option<IpAddr>,
    /// `flannel-iface`.
    pub(crate) flannel_iface: Option<&'a str>,
    /// False with `flannel-backend: none`.
    pub(crate) flannel: bool,
}

/// The node's address: the given one, or that of the default route's interface.
///
/// # Errors
/// When there is no default route and `node-ip`, or `flannel-iface` where flannel runs, is not given;
/// when the given interface does not exist.
pub(crate) fn node_address(network: &Network<'_>) -> Result<IpAddr> {
    if let Some(iface) = network.flannel_iface {
        let found = Path::new("/sys/class/net").join(iface).exists();
        ensure!(found, "unable to find interface {iface} (flannel-iface)");
    }
    let routed = has_default_route();
    ensure!(
        routed || !network.flannel || network.flannel_iface.is_some(),
        "no default routes found in \"/proc/net/route\" or \"/proc/net/ipv6_route\": \
         add a default route, or set node-ip and flannel-iface"
    );
    match network.node_ip {
        Some(address) => Ok(address),
        None if routed => source_address(),
        None => bail!(
            "no default routes found in \"/proc/net/route\" or \"/proc/net/ipv6_route\": \
             add a default route, or set node-ip"
        ),
    }
}

fn has_default_route() -> bool {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    default_in_ipv4(&read("/proc/net/route")) || default_in_ipv6(&read("/proc/net/ipv6_route"))
}

/// proc_net_route: after the heading, column 2 is the destination and column 8 the mask, both hex.
fn default_in_ipv4(table: &str) -> bool {
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace();
        fields.nth(1) == Some("00000000") && fields.nth(5) == Some("00000000")
    })
}

/// ipv6_route: destination, its prefix length, ..., the device last. The kernel's own reject route is on `lo`.
fn default_in_ipv6(table: &str) -> bool {
    table.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let zero = fields.next().is_some_and(|to| to.bytes().all(|b| b == b'0'));
        zero && fields.next() == Some("00") && fields.next_back() != Some("lo")
    })
}

/// Asks the kernel which address it would send from. No packet leaves: the socket is only connected.
fn source_address() -> Result<IpAddr> {
    let ask = |bind: &str, to: &str| -> std::io::Result<IpAddr> {
        let socket = std::net::UdpSocket::bind(bind)?;
        socket.connect(to)?;
        Ok(socket.local_addr()?.ip())
    };
    // Addresses for documentation (RFC 5737, RFC 3849): only the routing table is asked.
    ask("0.0.0.0:0", "192.0.2.1:9")
        .or_else(|_| ask("[::]:0", "[2001:db8::1]:9"))
        .context("asking the kernel for the address of the default route")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    fn finds_the_ipv4_default_route() {
        let row = "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
        assert!(default_in_ipv4(&format!("{HEADING}{row}")));
    }

    #[test]
    fn a_network_route_is_no_default_route() {
        let row = "eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
        assert!(!default_in_ipv4(&format!("{HEADING}{row}")));
        assert!(!default_in_ipv4(HEADING));
    }

    #[test]
    fn the_reject_route_on_lo_is_no_default_route() {
        let zeros = "0".repeat(32);
        let row = |device: &str| {
            format!("{zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200 {device}\n")
        };
        assert!(!default_in_ipv6(&row("lo")));
        assert!(default_in_ipv6(&row("eth0")));
    }

    #[test]
    fn an_interface_that_is_not_there_is_refused() {
        let network = Network {
            node_ip: Some(IpAddr::from([127, 0, 0, 1])),
            flannel_iface: Some("no-such-iface0"),
            flannel: true,
        };
        assert!(node_address(&network).unwrap_err().to_string().contains("no-such-iface0"));
    }
}
