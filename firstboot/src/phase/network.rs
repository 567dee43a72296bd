//! The node has a carrier, an address that no other host has, and a default route; and it will have them after a reboot.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use hc_common::network::{
    AtBoot, Change, FileError, Files, NetworkStack, Profile, Render, RenderError, Site, resolv_conf,
};
use hc_common::value::{InterfaceName, StaticNetwork};

use super::Phase;
use crate::Failure;
use crate::context::Context;
use crate::durable;
use crate::links::{self, Link};
use crate::node_files::NodeFiles;
use crate::phase_error::PhaseError;
use crate::seed;
use crate::state::PhaseName;
use crate::sys::Command;
use crate::systemd;

/// The advice for an address conflict.
const CONFLICT: &str = "change the address of one of the two (this node: `hcimage.toml` on the boot partition), or power off \
                        the other machine";

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

    /// Enables the port if it is down. A static address that is not set yet, or not in the files, is set here: after an ARP
    /// probe, and never while another host has it. Until then the node keeps the address that it has, so that it can be
    /// reached.
    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        let network = cx.network()?;
        let links = links::all(cx.sys)?;
        if !links.iter().any(|link| link.is_candidate(&network) && link.has_carrier()) {
            return enable(cx, &network, &links);
        }
        let (Some(stack), Some(address)) = (network.stack, network.address()) else { return Ok(()) };
        let Some(port) = port_for(cx, &links, &network, address.ip())? else { return Ok(()) };
        let mut others = links.iter().filter(|link| link.ifname != port.ifname);
        let is_elsewhere = others.any(|link| link.has_address(address.ip()));
        let files = Claim { cx, stack, network: &network, port: &port.ifname, only_there: is_elsewhere };
        if port.has_address(address.ip()) && !is_elsewhere && files.are_written()? {
            return Ok(());
        }
        probe(cx, &network, &port.ifname, &links)?;
        let renders = files.render()?;
        claim(cx, stack, &network, &port.ifname, &renders)
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let network = cx.network()?;
        let all = links::all(cx.sys)?;
        let links = links::of_node(&all, &network)?;
        let routes = links::default_routes(cx.sys)?;
        let wanted = network.address().map(|address| address.ip());
        let online =
            links::online(&links, &routes, &network, wanted).map_err(|failure| in_vlan(failure, &network))?;
        on_one_port(&links, wanted)?;
        // Probed again if the address was set a moment ago: a switch may have delayed the first probes.
        probe(cx, &network, &online.link, &all)?;
        let mut notes = vec![format!("{} on {}", online.address, online.link)];
        notes.extend(after_reboot(cx, &network, &online.link)?);
        Ok(notes)
    }
}

/// The interface for the static address: the one that has it, otherwise the first candidate with a carrier. If several
/// have it, the one with a default route.
fn port_for<'l>(
    cx: &Context<'_>,
    links: &'l [Link],
    network: &seed::Network,
    address: IpAddr,
) -> Result<Option<&'l Link>, PhaseError> {
    let mut candidates: Vec<&Link> =
        links.iter().filter(|link| link.is_candidate(network) && link.has_carrier()).collect();
    candidates.sort_by_key(|link| !link.has_address(address));
    if candidates.iter().filter(|link| link.has_address(address)).count() > 1 {
        let routes = links::default_routes(cx.sys)?;
        candidates.sort_by_key(|link| !(link.has_address(address) && link.has_route(&routes)));
    }
    Ok(candidates.first().copied())
}

/// Enables the node's port, or all Ethernet ports if the user named none. The network service then sees the carrier.
fn enable(cx: &Context<'_>, network: &seed::Network, links: &[Link]) -> Result<(), PhaseError> {
    let is_port = |link: &&Link| link.is_named(network).unwrap_or_else(|| link.is_port());
    for link in links.iter().filter(|link| link.is_candidate(network) && !link.is_up()).filter(is_port) {
        // If it fails, `verify` reports that the interface is down.
        systemd::run(cx.sys, &Command::new("ip", ["link", "set", "dev", &link.ifname, "up"]))?;
    }
    Ok(())
}

/// Two ports with one address answer for each other, and only one of them has the cable.
fn on_one_port(links: &[&Link], wanted: Option<IpAddr>) -> Result<(), PhaseError> {
    let Some(address) = wanted else { return Ok(()) };
    let names: Vec<&str> =
        links.iter().filter(|link| link.has_address(address)).map(|link| link.ifname.as_str()).collect();
    if names.len() < 2 {
        return Ok(());
    }
    let what = format!("the address {address} is set on several interfaces: {}", names.join(", "));
    Err(PhaseError::retry(what, "name the node's `interface` or `mac` in the cluster file and build again"))
}

/// Probes whether another host has the static address. IPv6 needs no probe: the kernel detects duplicates itself
/// (RFC 4862, 5.4), and such an address is not usable.
fn probe(cx: &Context<'_>, network: &seed::Network, link: &str, links: &[Link]) -> Result<(), PhaseError> {
    let Some(IpAddr::V4(address)) =
        network.address().map(|address| address.ip()).filter(|_| network.arp_probe)
    else {
        return Ok(());
    };
    match cx.sys.arp_probe(link, address) {
        Ok(None) => Ok(()),
        // Another port of this node, in the same network.
        Ok(Some(other)) if links.iter().any(|own| own.has_hardware_address(&other.to_string())) => Ok(()),
        Ok(Some(other)) => {
            let what = format!("the address {address} belongs to another machine already, {other} on {link}");
            Err(PhaseError::retry(what, CONFLICT))
        }
        Err(e) => {
            let what = format!("ARP probe for {address} on {link}: {e}");
            Err(PhaseError::retry(what, "check the cable; see what `dmesg` says about the interface"))
        }
    }
}

/// The files of the network service for the node's address on one port.
struct Claim<'a, 'c> {
    cx: &'a Context<'c>,
    stack: NetworkStack,
    network: &'a seed::Network,
    port: &'a str,
    /// Whether another port has the address, so that the files must name the port.
    only_there: bool,
}

impl Claim<'_, '_> {
    /// Byte for byte what the builder would write, so that a later boot finds one profile and not two.
    fn render(&self) -> Result<Vec<Render>, PhaseError> {
        let port: Option<InterfaceName> = self.port.parse().ok();
        let site = Site { default_port: port.as_ref(), files: &NodeFiles(self.cx.sys) };
        let mut profile = self.network.profile();
        if self.only_there && profile.vlan.is_none() {
            profile.interface = port.as_ref();
        }
        self.stack.backend().render(&profile, &site).map_err(|error| match error {
            RenderError::Unsupported(e) => PhaseError::abort(e.what, e.hint),
            RenderError::Unreadable(e) => unreadable(&e),
        })
    }

    /// Whether the node has these files, for this port or for any.
    fn are_written(&self) -> Result<bool, PhaseError> {
        let named = Claim { only_there: true, ..*self };
        Ok(is_written(self.cx, &self.render()?)? || is_written(self.cx, &named.render()?)?)
    }
}

fn is_written(cx: &Context<'_>, files: &[Render]) -> Result<bool, PhaseError> {
    for file in files {
        if old_text(cx, file)?.as_deref() != Some(file.change.text().as_bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a file has now; an edited one was read for its new text.
fn old_text(cx: &Context<'_>, file: &Render) -> Result<Option<Vec<u8>>, PhaseError> {
    if let Change::Edit { old, .. } = &file.change {
        return Ok(old.clone().map(String::into_bytes));
    }
    match cx.sys.read(Path::new(&file.path)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(PhaseError::retry(format!("reading {}: {e}", file.path), crate::state::advice(&e))),
    }
}

/// Writes the files and makes the running service use them.
fn claim(
    cx: &mut Context<'_>,
    stack: NetworkStack,
    network: &seed::Network,
    link: &str,
    files: &[Render],
) -> Result<(), PhaseError> {
    let address = network.address().map(|address| address.to_string()).unwrap_or_default();
    cx.progress(PhaseName::Network, &format!("no other machine has {address}: setting it on {link}"))
        .map_err(PhaseError::Abort)?;
    for words in stack.backend().release(link) {
        // It fails where the service did not set up the interface.
        systemd::run(cx.sys, &command(words))?;
    }
    for file in files {
        write(cx, file)?;
    }
    if let Some(names) = name_servers(cx, stack, network)? {
        write(cx, &names)?;
    }
    for words in stack.backend().reload(link) {
        let command = command(words);
        let output = systemd::run(cx.sys, &command)?;
        if !output.success {
            let what = format!("running {command}: {}", systemd::last_line(&output.stderr));
            return Err(PhaseError::retry(what, "see what `journalctl -b` says about the network service"));
        }
    }
    Ok(())
}

/// `/etc/resolv.conf`, if the builder wrote it because no program of the image does.
fn name_servers(
    cx: &Context<'_>,
    stack: NetworkStack,
    network: &seed::Network,
) -> Result<Option<Render>, PhaseError> {
    if stack.backend().capabilities().resolver {
        return Ok(None);
    }
    let old = NodeFiles(cx.sys).text(resolv_conf::PATH).map_err(|error| unreadable(&error))?;
    let is_ours = old.as_ref().is_some_and(|text| text.starts_with(resolv_conf::HEADER));
    let servers = network.fixed.as_ref().map(StaticNetwork::dns).unwrap_or_default();
    let text = resolv_conf::render(servers, network.search.as_ref());
    let change = Change::Edit { old, text };
    let reason = "name servers of the node's address";
    Ok(is_ours.then(|| Render { path: resolv_conf::PATH.to_owned(), change, reason }))
}

fn command(words: Vec<String>) -> Command {
    let mut words = words.into_iter();
    Command::new(words.next().unwrap_or_default(), words)
}

/// Replaces a file if its text differs.
fn write(cx: &Context<'_>, file: &Render) -> Result<(), PhaseError> {
    let path = Path::new(&file.path);
    let text = file.change.text().as_bytes();
    if old_text(cx, file)?.as_deref() == Some(text) {
        return Ok(());
    }
    let mode = match &file.change {
        Change::Write { mode, .. } => u32::from(*mode),
        Change::Edit { .. } => cx.sys.stat(path).map_or(0o644, |stat| stat.mode),
    };
    let dir = path.parent().unwrap_or(Path::new("/"));
    let written = cx.sys.make_dirs(dir).and_then(|()| durable::replace(cx.sys, path, text, mode));
    written.map_err(|e| PhaseError::abort(format!("writing {}: {e}", file.path), crate::state::advice(&e)))
}

fn unreadable(error: &FileError) -> PhaseError {
    PhaseError::retry(error.to_string(), "fix or remove the file; see what `dmesg` says about the card")
}

/// What the network service will do at the next boot, by its files. A node that is only reachable until then is not
/// ready.
fn after_reboot(cx: &Context<'_>, network: &seed::Network, link: &str) -> Result<Option<String>, PhaseError> {
    let Some(stack) = network.stack else { return Ok(None) };
    let port: Option<InterfaceName> = link.parse().ok();
    let site = Site { default_port: port.as_ref(), files: &NodeFiles(cx.sys) };
    let profile: Profile<'_> = network.profile();
    let at_boot = stack.backend().at_boot(&profile, &site).map_err(|error| unreadable(&error))?;
    if profile.is_default() {
        // The base's own files, which may be set up by a program that is not known here.
        return Ok(match at_boot {
            AtBoot::AsWanted | AtBoot::Nothing(None) => None,
            AtBoot::Otherwise(setting) | AtBoot::Nothing(Some(setting)) => {
                Some(format!("may be without network after a reboot: {setting}"))
            }
        });
    }
    match at_boot.obstacle() {
        None => Ok(None),
        Some(setting) => {
            let what = format!(
                "after a reboot the node would have another network: {}: {}",
                setting.place, setting.effect
            );
            Err(PhaseError::retry(what, setting.cure))
        }
    }
}

/// A VLAN that the switch does not send looks like a network without answers.
fn in_vlan(failure: Failure, network: &seed::Network) -> PhaseError {
    let Some(id) = network.vlan else { return PhaseError::Retry(failure) };
    let advice = format!("{}; check that the switch sends VLAN {id} tagged to the port", failure.advice);
    PhaseError::Retry(Failure { advice, ..failure })
}
