//! The node's interfaces and routes as `ip` prints them, and whether the node can be reached by them.

use std::net::IpAddr;

use hc_common::network::profile::ETHERNET;
use hc_common::text::glob;
use hc_common::value::MacAddress;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::phase_error::{Failure, PhaseError};
use crate::seed;
use crate::sys::{Command, System};
use crate::systemd;

/// One interface, as `ip -j addr` prints it.
#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    #[serde(default)]
    pub(crate) ifname: String,
    /// The MAC address in use; a service may have changed it.
    #[serde(default)]
    address: String,
    /// The port's own MAC address, if another one is in use.
    #[serde(default)]
    permaddr: String,
    /// `ether` for both Ethernet and Wi-Fi.
    #[serde(default)]
    link_type: String,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Debug, Deserialize)]
struct Address {
    local: Option<IpAddr>,
    #[serde(default)]
    scope: String,
    /// Duplicate address detection has not finished.
    #[serde(default)]
    tentative: bool,
    /// Duplicate address detection found another host with this address.
    #[serde(default)]
    dadfailed: bool,
}

/// One route, as `ip -j route` prints it.
#[derive(Debug, Deserialize)]
pub(crate) struct Route {
    dev: Option<String>,
}

/// An interface with the node's address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Online {
    pub(crate) address: IpAddr,
    pub(crate) link: String,
}

impl Link {
    /// Whether the interface is enabled, with a carrier or without.
    pub(crate) fn is_up(&self) -> bool {
        self.has("UP")
    }

    /// Whether the interface is enabled and has a carrier.
    pub(crate) fn has_carrier(&self) -> bool {
        self.is_up() && self.has("LOWER_UP") && !self.has("LOOPBACK")
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }

    /// Whether the node is to use this interface: the one that the user named, otherwise any Ethernet port. Names of
    /// Wi-Fi interfaces begin with `wl` (systemd.net-naming-scheme(7), and the kernel's own names).
    pub(crate) fn is_candidate(&self, network: &seed::Network) -> bool {
        let ethernet = self.link_type == "ether" && !self.ifname.starts_with("wl");
        self.is_named(network).unwrap_or(ethernet)
    }

    /// Whether it is the interface that the user named; `None` if the user named none.
    pub(crate) fn is_named(&self, network: &seed::Network) -> Option<bool> {
        match (&network.link, network.mac) {
            (Some(name), _) => Some(self.ifname == name.as_str()),
            // Also by type: a VLAN or bridge has the MAC address of its port.
            (None, Some(mac)) => Some(self.link_type == "ether" && self.has_mac(mac)),
            (None, None) => None,
        }
    }

    /// Whether it is a port by its name, and neither a bridge of containers nor the like.
    pub(crate) fn is_port(&self) -> bool {
        glob::matches(ETHERNET, &self.ifname)
    }

    /// Whether it has a default route.
    pub(crate) fn has_route(&self, routes: &[Route]) -> bool {
        routes.iter().any(|route| route.dev.as_deref() == Some(&self.ifname))
    }

    /// Whether the MAC address in use is this one.
    pub(crate) fn has_hardware_address(&self, mac: &str) -> bool {
        self.address.eq_ignore_ascii_case(mac)
    }

    fn has_mac(&self, mac: MacAddress) -> bool {
        [&self.address, &self.permaddr].into_iter().any(|text| text.parse() == Ok(mac))
    }

    /// Whether the address is set, usable or not.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        self.addr_info.iter().any(|info| info.local == Some(address))
    }

    fn usable(&self) -> impl Iterator<Item = IpAddr> {
        let usable = self.addr_info.iter().filter(|a| a.scope == "global" && !a.tentative && !a.dadfailed);
        usable.filter_map(|address| address.local)
    }
}

/// All interfaces.
pub(crate) fn all(sys: &dyn System) -> Result<Vec<Link>, PhaseError> {
    ask(sys, ["-j", "addr", "show"])
}

/// The usable addresses of the node's own ports, IPv4 first: not those of bridges and tunnels between containers.
pub(crate) fn reachable(links: &[Link], network: Option<&seed::Network>) -> Vec<IpAddr> {
    let is_own = |link: &&Link| {
        let named = network.and_then(|network| link.is_named(network));
        link.has_carrier() && named.unwrap_or(link.is_port() || link.ifname.starts_with("wl"))
    };
    let mut addresses: Vec<IpAddr> = links.iter().filter(is_own).flat_map(Link::usable).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses
}

/// The default routes of both address families.
pub(crate) fn default_routes(sys: &dyn System) -> Result<Vec<Route>, PhaseError> {
    let mut routes: Vec<Route> = ask(sys, ["-j", "-4", "route", "show", "default"])?;
    let routes_v6: Vec<Route> = ask(sys, ["-j", "-6", "route", "show", "default"])?;
    routes.extend(routes_v6);
    Ok(routes)
}

/// Runs `ip`, which prints JSON.
fn ask<T: DeserializeOwned, const N: usize>(sys: &dyn System, args: [&str; N]) -> Result<Vec<T>, PhaseError> {
    let command = Command::new("ip", args);
    let output = systemd::run(sys, &command)?;
    let text = output.stdout.trim();
    // Without any route, older versions print nothing instead of an empty list.
    if output.success && text.is_empty() {
        return Ok(Vec::new());
    }
    let advice = "check that iproute2 in the image works";
    if !output.success {
        let what = format!("running {command}: {}", systemd::last_line(&output.stderr));
        return Err(PhaseError::retry(what, advice));
    }
    serde_json::from_str(text).map_err(|e| PhaseError::retry(format!("running {command}: {e}"), advice))
}

/// The interfaces that the user named, or all. Another port may have an address too, and so may the port of a VLAN.
pub(crate) fn of_node<'l>(links: &'l [Link], network: &seed::Network) -> Result<Vec<&'l Link>, PhaseError> {
    let links: Vec<&Link> = links.iter().filter(|link| link.is_named(network).unwrap_or(true)).collect();
    let has_port =
        network.link.is_some() || network.mac.is_some() || links.iter().any(|link| !link.has("LOOPBACK"));
    if !links.is_empty() && has_port {
        return Ok(links);
    }
    let missing = match (&network.vlan, &network.link, &network.mac) {
        (Some(id), Some(name), _) => format!("the interface {name} of VLAN {id} is missing"),
        (_, Some(name), _) => format!("the interface {name} is missing"),
        (_, None, Some(mac)) => format!("no interface has the MAC address {mac}"),
        (_, None, None) => "this machine has no network interface".to_owned(),
    };
    let advice = "check the name of the interface with `ip link`, and with `dmesg` whether its driver works; see what \
                  `journalctl -b` says about the network service";
    Err(PhaseError::retry(format!("no network: {missing}"), advice))
}

/// The first interface with a default route, a carrier and a usable address: the wanted one, if there is one.
pub(crate) fn online(
    links: &[&Link],
    routes: &[Route],
    network: &seed::Network,
    wanted: Option<IpAddr>,
) -> Result<Online, Failure> {
    let usable = links.iter().filter(|link| link.has_carrier() && link.has_route(routes));
    let found = usable.into_iter().find_map(|link| {
        let address = link.usable().find(|address| wanted.is_none_or(|wanted| wanted == *address))?;
        Some(Online { address, link: link.ifname.clone() })
    });
    found.ok_or_else(|| {
        let (what, advice) = missing(links, routes, network, wanted);
        Failure::new(format!("no network: {what}"), advice)
    })
}

/// The first thing that is missing, and the fix.
fn missing(
    links: &[&Link],
    routes: &[Route],
    network: &seed::Network,
    wanted: Option<IpAddr>,
) -> (String, &'static str) {
    if !links.iter().any(|link| link.has_carrier()) {
        return without_carrier(links, network);
    }
    let addresses: Vec<IpAddr> =
        links.iter().filter(|link| link.has_carrier()).flat_map(|link| link.usable()).collect();
    let seen = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match wanted {
        None if addresses.is_empty() => {
            ("no address by DHCP".to_owned(), "check that a DHCP server answers, or set a static address")
        }
        Some(wanted) if !addresses.contains(&wanted) => {
            let seen = if seen.is_empty() { "none".to_owned() } else { seen };
            (
                format!("the address {wanted} is not set (set: {seen})"),
                "check that no other machine has the address and that the cable is in the right port",
            )
        }
        _ if routes.is_empty() => {
            (format!("no default route (address: {seen})"), "check the gateway in the cluster file")
        }
        _ => (
            format!("the default route is on another interface than the address {seen}"),
            "check the gateway, and the port that the cable is in",
        ),
    }
}

/// An interface that is down says nothing of its cable.
fn without_carrier(links: &[&Link], network: &seed::Network) -> (String, &'static str) {
    let mut candidates: Vec<&Link> =
        links.iter().copied().filter(|link| link.is_candidate(network)).collect();
    if candidates.iter().any(|link| link.is_port()) && network.link.is_none() {
        candidates.retain(|link| link.is_port());
    }
    let names = |links: &[&Link]| links.iter().map(|link| link.ifname.clone()).collect::<Vec<_>>().join(", ");
    let (up, down): (Vec<&Link>, Vec<&Link>) = candidates.into_iter().partition(|link| link.is_up());
    match (up.as_slice(), down.as_slice()) {
        ([], []) => (
            "this machine has no Ethernet port".to_owned(),
            "check with `dmesg` whether the driver of the port works",
        ),
        ([], down) => (
            format!("{} is down", names(down)),
            "see what `journalctl -b` says about the network service; `ip link set dev NAME up` shows why an interface \
             stays down",
        ),
        (up, _) => (format!("no carrier on {}", names(up)), "plug in the network cable, check the switch"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As iproute2 6.1 prints it, shortened.
    const ADDR: &str = r#"[
      {"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"operstate":"UNKNOWN",
       "addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo"}]},
      {"ifindex":2,"ifname":"eth0","link_type":"ether","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"operstate":"UP",
       "addr_info":[{"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"},
                    {"family":"inet6","local":"2001:db8::7","prefixlen":64,"scope":"global","tentative":true},
                    {"family":"inet","local":"10.0.0.7","prefixlen":24,"scope":"global","dynamic":true}]},
      {"ifindex":3,"ifname":"wlan0","link_type":"ether","flags":["NO-CARRIER","BROADCAST","UP"],"operstate":"DOWN","addr_info":[]},{}]"#;
    const ROUTE: &str =
        r#"[{"dst":"default","gateway":"10.0.0.1","dev":"eth0","protocol":"dhcp","flags":[]}]"#;

    fn network() -> seed::Network {
        seed::Network {
            stack: None,
            link: None,
            interface: None,
            mac: None,
            search: None,
            vlan: None,
            more_addresses: Vec::new(),
            mtu: None,
            routes: Vec::new(),
            arp_probe: true,
            wait_seconds: 1,
            fixed: None,
        }
    }

    fn run(addr: &str, route: &str, wanted: Option<&str>) -> Result<Online, String> {
        let links: Vec<Link> = serde_json::from_str(addr).unwrap();
        let links: Vec<&Link> = links.iter().collect();
        let routes: Vec<Route> = serde_json::from_str(route).unwrap();
        let wanted = wanted.map(|address| address.parse().unwrap());
        online(&links, &routes, &network(), wanted).map_err(|failure| failure.what)
    }

    #[test]
    fn a_usable_address_is_found() {
        let expected = Online { address: "10.0.0.7".parse().unwrap(), link: "eth0".into() };
        assert_eq!(run(ADDR, ROUTE, None).as_ref(), Ok(&expected));
        assert_eq!(run(ADDR, ROUTE, Some("10.0.0.7")).as_ref(), Ok(&expected));
    }

    #[test]
    fn addresses_of_containers_are_not_the_nodes() {
        let more = r#"{"ifname":"cni0","link_type":"ether","flags":["UP","LOWER_UP"],
            "addr_info":[{"local":"10.42.0.1","scope":"global"}]},
            {"ifname":"end1","link_type":"ether","flags":["UP","LOWER_UP"],
            "addr_info":[{"local":"fd00::7","scope":"global"},{"local":"10.1.0.7","scope":"global"}]},{}]"#;
        let links: Vec<Link> = serde_json::from_str(&ADDR.replace("{}]", more)).unwrap();
        let shown = |network: Option<&seed::Network>| {
            reachable(&links, network).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown(None), ["10.0.0.7", "10.1.0.7", "fd00::7"]);
        assert_eq!(shown(Some(&network())), shown(None));
        let named = seed::Network { link: "end1".parse().ok(), ..network() };
        assert_eq!(shown(Some(&named)), ["10.1.0.7", "fd00::7"]);
    }

    #[test]
    fn the_first_missing_thing_is_reported() {
        let no_carrier = ADDR.replace("\"LOWER_UP\"", "\"NO-CARRIER\"");
        let down = ADDR.replace("\"MULTICAST\",\"UP\",\"LOWER_UP\"", "\"MULTICAST\"");
        let no_port = ADDR.replace("\"eth0\",\"link_type\":\"ether\"", "\"sit0\",\"link_type\":\"sit\"");
        let no_port = no_port.replace("\"LOWER_UP\"", "\"NO-CARRIER\"");
        let no_address = ADDR.replace("\"scope\":\"global\"", "\"scope\":\"link\"");
        let elsewhere = ROUTE.replace("eth0", "usb0");
        let table = [
            (no_carrier.as_str(), ROUTE, None, "no network: no carrier on eth0"),
            (down.as_str(), ROUTE, None, "no network: eth0 is down"),
            (no_port.as_str(), ROUTE, None, "no network: this machine has no Ethernet port"),
            (no_address.as_str(), ROUTE, None, "no network: no address by DHCP"),
            (ADDR, "[]", None, "no network: no default route (address: 10.0.0.7)"),
            (ADDR, ROUTE, Some("10.0.0.9"), "no network: the address 10.0.0.9 is not set (set: 10.0.0.7)"),
            (
                ADDR,
                ROUTE,
                Some("2001:db8::7"),
                "no network: the address 2001:db8::7 is not set (set: 10.0.0.7)",
            ),
            (
                ADDR,
                elsewhere.as_str(),
                None,
                "no network: the default route is on another interface than the address 10.0.0.7",
            ),
        ];
        for (addr, route, wanted, what) in table {
            assert_eq!(run(addr, route, wanted), Err(what.to_owned()));
        }
    }
}
