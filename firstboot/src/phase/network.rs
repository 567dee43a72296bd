//! The node has a carrier, an address that nobody else has, and a default route.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use hc_common::network::{Change, Files, NetworkStack, Render, Site};
use hc_common::value::{InterfaceName, MacAddress};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Phase;
use crate::context::Context;
use crate::durable;
use crate::phase_error::PhaseError;
use crate::seed;
use crate::state::PhaseName;
use crate::sys::{Command, System};
use crate::systemd;

/// What a conflict is told with.
const CONFLICT: &str = "give one of the two another address (this node: `hcimage.toml` on the small partition), or \
                        switch the other machine off";

pub(super) struct Network;

impl Phase for Network {
    fn name(&self) -> PhaseName {
        PhaseName::Network
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        Duration::from_secs(cx.seed.network.wait_seconds)
    }

    fn is_done(&self, _cx: &Context<'_>) -> Result<bool, PhaseError> {
        // Verifying notes the address of this boot, and a conflict may be new.
        Ok(false)
    }

    /// Where the static address is not set, it is claimed here: after a probe, and never while somebody else has it.
    /// Whatever address the node has by then stays, so that it can be reached. An address that the base has set
    /// already is only judged, in verify.
    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        let network = cx.network()?;
        let (Some(stack), Some(address)) = (network.stack, network.address()) else { return Ok(()) };
        let links: Vec<Link> = ask(cx, ["-j", "addr", "show"])?;
        let Some(link) = links.iter().find(|link| link.may_carry(&network)) else { return Ok(()) };
        if link.has(address.ip()) {
            return Ok(());
        }
        probe(cx, &network, &link.ifname)?;
        claim(cx, stack, &network, &link.ifname)
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let network = cx.network()?;
        let links: Vec<Link> = ask(cx, ["-j", "addr", "show"])?;
        let mut routes: Vec<Route> = ask(cx, ["-j", "-4", "route", "show", "default"])?;
        let routes_v6: Vec<Route> = ask(cx, ["-j", "-6", "route", "show", "default"])?;
        routes.extend(routes_v6);
        let wanted = network.address().map(|address| address.ip());
        let links = of_node(links, &network)?;
        let online = judge(&links, &routes, wanted).map_err(|failure| in_vlan(failure, &network))?;
        // Once more where the address was claimed a moment ago: a switch may have held the first probes back.
        probe(cx, &network, &online.link)?;
        Ok(vec![format!("{} on {}", online.address, online.link)])
    }
}

/// Asks whether somebody else has the static address. IPv6 needs no question: the kernel itself detects duplicates
/// (RFC 4862, 5.4), and such an address is not counted as good.
fn probe(cx: &Context<'_>, network: &seed::Network, link: &str) -> Result<(), PhaseError> {
    let Some(IpAddr::V4(address)) =
        network.address().map(|address| address.ip()).filter(|_| network.arp_probe)
    else {
        return Ok(());
    };
    match cx.sys.arp_probe(link, address) {
        Ok(None) => Ok(()),
        Ok(Some(other)) => {
            let what = format!("the address {address} belongs to another machine already, {other} on {link}");
            Err(PhaseError::retry(what, CONFLICT))
        }
        Err(e) => {
            let what = format!("asking on {link} who has {address}: {e}");
            Err(PhaseError::retry(what, "check the cable; see what `dmesg` says about the interface"))
        }
    }
}

/// Writes the address into the files of the base's own network service, where it is not there yet, and has it used. The
/// files are byte for byte what the builder would write, so that a later boot finds one profile and not two.
fn claim(
    cx: &mut Context<'_>,
    stack: NetworkStack,
    network: &seed::Network,
    link: &str,
) -> Result<(), PhaseError> {
    let port: Option<InterfaceName> = link.parse().ok();
    let site = Site { default_port: port.as_ref(), files: &NodeFiles(cx.sys) };
    let files =
        stack.backend().render(&network.profile(), &site).map_err(|e| PhaseError::abort(e.what, e.hint))?;
    for file in &files {
        write(cx, file)?;
    }
    let address = network.address().map(|address| address.to_string()).unwrap_or_default();
    cx.progress(PhaseName::Network, &format!("nobody else has {address}: setting it on {link}"))
        .map_err(PhaseError::Abort)?;
    for words in stack.backend().reload(link) {
        let mut words = words.into_iter();
        let command = Command::new(words.next().unwrap_or_default(), words);
        let output = systemd::run(cx.sys, &command)?;
        if !output.success {
            let what = format!("running {command}: {}", systemd::last_line(&output.stderr));
            return Err(PhaseError::retry(what, "see what `journalctl -b` says about the network service"));
        }
    }
    Ok(())
}

/// Replaces a file that does not hold its text yet.
fn write(cx: &Context<'_>, file: &Render) -> Result<(), PhaseError> {
    let path = Path::new(&file.path);
    let text = file.change.text().as_bytes();
    match cx.sys.read(path) {
        Ok(old) if old == text => return Ok(()),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(unwritable(path, &e)),
    }
    let mode = match &file.change {
        Change::Write { mode, .. } => u32::from(*mode),
        Change::Edit { .. } => cx.sys.stat(path).map_or(0o644, |stat| stat.mode),
    };
    durable::replace(cx.sys, path, text, mode).map_err(|e| unwritable(path, &e))
}

/// The files of the running node.
struct NodeFiles<'a>(&'a dyn System);

impl Files for NodeFiles<'_> {
    fn text(&self, path: &str) -> Option<String> {
        self.0.read(Path::new(path)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn dir(&self, dir: &str) -> Vec<(String, String)> {
        let names = self.0.list(Path::new(dir)).unwrap_or_default();
        let paths = names.into_iter().map(|name| format!("{dir}/{name}"));
        paths.filter_map(|path| Some((path.clone(), self.text(&path)?))).collect()
    }
}

fn unwritable(path: &Path, e: &io::Error) -> PhaseError {
    PhaseError::abort(format!("writing {}: {e}", path.display()), crate::state::advice(e))
}

/// One interface, as `ip -j addr` prints it.
#[derive(Debug, Deserialize)]
struct Link {
    #[serde(default)]
    ifname: String,
    /// The hardware address in use; a service may have changed it.
    #[serde(default)]
    address: String,
    /// The hardware address that the port was made with, where another one is in use.
    #[serde(default)]
    permaddr: String,
    /// `ether` for both wired and wireless.
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
    /// Not to be used before duplicate address detection is through.
    #[serde(default)]
    tentative: bool,
    /// Duplicate address detection found somebody else.
    #[serde(default)]
    dadfailed: bool,
}

/// One route, as `ip -j route` prints it.
#[derive(Debug, Deserialize)]
struct Route {
    dev: Option<String>,
}

fn ask<T: DeserializeOwned, const N: usize>(cx: &Context<'_>, args: [&str; N]) -> Result<Vec<T>, PhaseError> {
    let command = Command::new("ip", args);
    let output = systemd::run(cx.sys, &command)?;
    let text = output.stdout.trim();
    // No route at all: older versions print nothing instead of an empty list.
    if output.success && text.is_empty() {
        return Ok(Vec::new());
    }
    let advice = "check that iproute2 in the image is whole";
    if !output.success {
        let what = format!("running {command}: {}", systemd::last_line(&output.stderr));
        return Err(PhaseError::retry(what, advice));
    }
    serde_json::from_str(text).map_err(|e| PhaseError::retry(format!("running {command}: {e}"), advice))
}

/// Only the interface counts that the user named, by name or by hardware address: another port may have got an address
/// too, and so may the port below a VLAN.
fn of_node(mut links: Vec<Link>, network: &seed::Network) -> Result<Vec<Link>, PhaseError> {
    links.retain(|link| link.is_named(network).unwrap_or(true));
    if !links.is_empty() {
        return Ok(links);
    }
    let missing = match (&network.vlan, &network.link, &network.mac) {
        (Some(id), Some(name), _) => format!("the interface {name} of VLAN {id} is missing"),
        (_, Some(name), _) => format!("the interface {name} is missing"),
        (_, None, Some(mac)) => format!("no interface has the MAC address {mac}"),
        (_, None, None) => "this machine has no interface".to_owned(),
    };
    let advice =
        "check that the cable is in the right port; see what `journalctl -b` says about the network service";
    Err(PhaseError::retry(format!("no network: {missing}"), advice))
}

/// Nothing but silence tells that the switch does not send the VLAN to the port.
fn in_vlan(failure: crate::Failure, network: &seed::Network) -> PhaseError {
    let Some(id) = network.vlan else { return PhaseError::Retry(failure) };
    let advice =
        format!("{}; check that the switch sends VLAN {id} to the port, and with its tag", failure.advice);
    PhaseError::Retry(crate::Failure { advice, ..failure })
}

/// How the node is reached.
#[derive(Debug, PartialEq, Eq)]
struct Online {
    address: IpAddr,
    link: String,
}

/// The first interface with a default route, a carrier and a good address, the wanted one where one is wanted.
fn judge(links: &[Link], routes: &[Route], wanted: Option<IpAddr>) -> Result<Online, crate::Failure> {
    let routed = |link: &&Link| routes.iter().any(|route| route.dev.as_deref() == Some(&link.ifname));
    let found = links.iter().filter(|link| link.has_carrier()).filter(routed).find_map(|link| {
        let address = link.good().find(|address| wanted.is_none_or(|wanted| wanted == *address))?;
        Some(Online { address, link: link.ifname.clone() })
    });
    found.ok_or_else(|| {
        let (what, advice) = missing(links, routes, wanted);
        crate::Failure::new(what, advice)
    })
}

impl Link {
    fn has_carrier(&self) -> bool {
        let has = |flag: &str| self.flags.iter().any(|f| f == flag);
        has("LOWER_UP") && has("UP") && !has("LOOPBACK")
    }

    /// Whether it is the interface for the static address: the one that the user named, or the first wired one with a
    /// carrier. Wireless ones have names with `wl` (systemd.net-naming-scheme(7), and the kernel's own).
    fn may_carry(&self, network: &seed::Network) -> bool {
        let wired = self.link_type == "ether" && !self.ifname.starts_with("wl");
        self.is_named(network).unwrap_or(wired) && self.has_carrier()
    }

    /// Whether it is the interface that the user named; none where the user named none.
    fn is_named(&self, network: &seed::Network) -> Option<bool> {
        match (&network.link, network.mac) {
            (Some(name), _) => Some(self.ifname == name.as_str()),
            // By type too: interfaces of other kinds inherit the address of the one below them.
            (None, Some(mac)) => Some(self.link_type == "ether" && self.has_mac(mac)),
            (None, None) => None,
        }
    }

    fn has_mac(&self, mac: MacAddress) -> bool {
        [&self.address, &self.permaddr].into_iter().any(|text| text.parse() == Ok(mac))
    }

    /// Whether the address is set, good or not.
    fn has(&self, address: IpAddr) -> bool {
        self.addr_info.iter().any(|info| info.local == Some(address))
    }

    fn good(&self) -> impl Iterator<Item = IpAddr> {
        let usable = self.addr_info.iter().filter(|a| a.scope == "global" && !a.tentative && !a.dadfailed);
        usable.filter_map(|address| address.local)
    }
}

/// What is missing first, and what to do about it.
fn missing(links: &[Link], routes: &[Route], wanted: Option<IpAddr>) -> (String, &'static str) {
    let mut up = links.iter().filter(|link| link.has_carrier()).peekable();
    if up.peek().is_none() {
        return (
            "no network: no interface has a carrier".into(),
            "plug in the network cable, check the switch",
        );
    }
    let addresses: Vec<IpAddr> = up.flat_map(Link::good).collect();
    let seen = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match wanted {
        None if addresses.is_empty() => (
            "no network: no address by DHCP".into(),
            "check that a DHCP server answers, or set a static address",
        ),
        Some(wanted) if !addresses.contains(&wanted) => {
            let seen = if seen.is_empty() { "none".to_owned() } else { seen };
            let what = format!("no network: the address {wanted} is not set (set: {seen})");
            (what, "check that no other machine has the address and that the cable is in the right port")
        }
        _ if routes.is_empty() => (
            format!("no network: no default route (address: {seen})"),
            "check the gateway in the cluster file",
        ),
        _ => {
            let what =
                format!("no network: the default route is on another interface than the address {seen}");
            (what, "check the gateway and which port the cable is in")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As iproute2 6.1 prints it, shortened.
    const ADDR: &str = r#"[
      {"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"operstate":"UNKNOWN",
       "addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo"}]},
      {"ifindex":2,"ifname":"eth0","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"operstate":"UP",
       "addr_info":[{"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"},
                    {"family":"inet6","local":"2001:db8::7","prefixlen":64,"scope":"global","tentative":true},
                    {"family":"inet","local":"10.0.0.7","prefixlen":24,"scope":"global","dynamic":true}]},
      {"ifindex":3,"ifname":"wlan0","flags":["NO-CARRIER","BROADCAST","UP"],"operstate":"DOWN","addr_info":[]},{}]"#;
    const ROUTE: &str =
        r#"[{"dst":"default","gateway":"10.0.0.1","dev":"eth0","protocol":"dhcp","flags":[]}]"#;

    fn run(addr: &str, route: &str, wanted: Option<&str>) -> Result<Online, String> {
        let links: Vec<Link> = serde_json::from_str(addr).unwrap();
        let routes: Vec<Route> = serde_json::from_str(route).unwrap();
        judge(&links, &routes, wanted.map(|a| a.parse().unwrap())).map_err(|failure| failure.what)
    }

    #[test]
    fn online() {
        let expected = Online { address: "10.0.0.7".parse().unwrap(), link: "eth0".into() };
        assert_eq!(run(ADDR, ROUTE, None).as_ref(), Ok(&expected));
        assert_eq!(run(ADDR, ROUTE, Some("10.0.0.7")).as_ref(), Ok(&expected));
    }

    #[test]
    fn what_is_missing_is_named() {
        let no_carrier = ADDR.replace("\"LOWER_UP\"", "\"NO-CARRIER\"");
        let no_address = ADDR.replace("\"scope\":\"global\"", "\"scope\":\"link\"");
        let elsewhere = ROUTE.replace("eth0", "usb0");
        let table = [
            (no_carrier.as_str(), ROUTE, None, "no network: no interface has a carrier"),
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
