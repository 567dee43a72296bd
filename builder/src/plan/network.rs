//! The node's address and search domain, in the form that the image's own network service reads.

use hc_common::network::{
    AtBoot, Change, FileError, FileProblem, NetworkStack, Profile, Render, RenderError, Site,
    UnsupportedProfile, Wifi, Written,
};

use crate::cluster::{Addressing, Link, WifiSecurity};
use crate::formats::resolv_conf;
use crate::fs::ImagePath;
use crate::os::{Bootloader, Facts, FileState, Interest, NotTaken};
use crate::value::{InterfaceName, Secret, StaticNetwork};

use super::builder::{PlanBuilder, at};
use super::edit::Content;
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "the node's address";

/// What the kernel of a Raspberry Pi calls its own interfaces, wired and wireless.
const PI_WIRED: &str = "eth0";
pub(super) const PI_WIRELESS: &str = "wlan0";

/// The name of cloud-init's network configuration beside the boot files, and where images have it otherwise.
const NETWORK_CONFIG: &str = "network-config";
const NETWORK_CONFIGS: [&str; 2] =
    ["/var/lib/cloud/seed/nocloud/network-config", "/var/lib/cloud/seed/nocloud-net/network-config"];

/// What this reads itself; the rest its services do, see [`of_services`].
pub(super) const READS: [Interest; 4] = [
    Interest::Path(resolv_conf::PATH),
    Interest::Boot(NETWORK_CONFIG),
    Interest::Path(NETWORK_CONFIGS[0]),
    Interest::Path(NETWORK_CONFIGS[1]),
];

/// What the backends of all network services read.
pub(super) fn of_services() -> impl Iterator<Item = Interest> {
    let backends = NetworkStack::ALL.into_iter().map(NetworkStack::backend);
    backends.flat_map(|backend| {
        let files = backend.reads().iter().map(|path| Interest::Path(path));
        files.chain(backend.reads_dirs().iter().map(|dir| Interest::Dir(dir)))
    })
}

/// Where everything is as in the base, DHCP on any wired interface, the base's files stay as they are; unless they set
/// up no interface.
pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    if !is_ours(builder.facts, request)? {
        return Ok(());
    }
    let profile = profile(request);
    let facts = builder.facts;
    let backend = usable(builder, &profile)?.backend();
    let default_port = default_port(facts, &profile);
    let site = Site { default_port: default_port.as_ref(), files: &facts.files };
    let files = backend.render(&profile, &site)?;
    let written = Written { before: &facts.files, files: &files };
    let at_boot = backend.at_boot(&profile, &Site { files: &written, ..site })?;
    if let Some(setting) = at_boot.obstacle() {
        return Err(PlanError::Overruled(setting));
    }
    for file in files {
        add(builder, file, &profile)?;
    }
    if profile.wifi.is_some() {
        named_radio(builder, &profile)?;
    }
    if backend.capabilities().resolver { Ok(()) } else { names(builder, &profile) }
}

/// Whether hcimage's files set up the network: where anything is to be other than the base has it, and where nothing of
/// the base would ask for an address by DHCP.
pub(super) fn is_ours(facts: &Facts, request: &Request<'_>) -> Result<bool, PlanError> {
    let profile = profile(request);
    let by_cloud_init = has_network_config(facts)?;
    let [stack] = facts.network.as_slice() else { return Ok(!profile.is_default()) };
    if !profile.is_default() {
        return Ok(true);
    }
    let default_port = default_port(facts, &profile);
    let site = Site { default_port: default_port.as_ref(), files: &facts.files };
    if has_own_file(facts, *stack, &profile, &site)? {
        return Ok(true);
    }
    match stack.backend().at_boot(&profile, &site)? {
        AtBoot::AsWanted => Ok(false),
        AtBoot::Otherwise(setting) => Err(PlanError::Overruled(setting)),
        // cloud-init makes netplan's files of it.
        AtBoot::Nothing(_) => Ok(!(by_cloud_init && *stack == NetworkStack::Netplan)),
    }
}

/// Whether hcimage has set up the network of this image before: the settings of the base are then those of an earlier
/// cluster file, which a new one replaces.
fn has_own_file(
    facts: &Facts,
    stack: NetworkStack,
    profile: &Profile<'_>,
    site: &Site<'_>,
) -> Result<bool, PlanError> {
    let files = match stack.backend().render(profile, site) {
        Ok(files) => files,
        // No file of hcimage is possible.
        Err(RenderError::Unsupported(_)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let dirs = stack.backend().reads_dirs();
    let is_setting = |path: &str| path.rsplit_once('/').is_some_and(|(dir, _)| dirs.contains(&dir));
    for Render { path, change, .. } in files {
        let is_whole = matches!(change, Change::Write { .. });
        if is_whole && is_setting(&path) && *facts.files.get(&at(&path))? != FileState::Absent {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the owner of the image has given cloud-init a network configuration.
fn has_network_config(facts: &Facts) -> Result<bool, NotTaken> {
    let beside_boot = format!("{}/{NETWORK_CONFIG}", facts.boot_dir);
    let mut found = false;
    for path in [beside_boot.as_str()].into_iter().chain(NETWORK_CONFIGS) {
        found |= *facts.files.get(&at(path))? != FileState::Absent;
    }
    Ok(found && facts.cloud_init.as_ref().is_some_and(|cloud_init| !cloud_init.disabled))
}

/// The one network service of the image, where it can do what the profile asks.
fn usable(builder: &PlanBuilder, profile: &Profile<'_>) -> Result<NetworkStack, PlanError> {
    match builder.facts.network.as_slice() {
        [stack]
            if can(*stack, profile) && (on_pi(builder.facts) || !stack.backend().capabilities().pi_only) =>
        {
            Ok(*stack)
        }
        // Its own message says more.
        [stack @ NetworkStack::Dhcpcd] if on_pi(builder.facts) => Ok(*stack),
        found => Err(unsupported(found, profile)),
    }
}

fn can(stack: NetworkStack, profile: &Profile<'_>) -> bool {
    let capabilities = stack.backend().capabilities();
    (profile.wifi.is_none() || capabilities.wifi) && (profile.vlan.is_none() || capabilities.vlan)
}

fn on_pi(facts: &Facts) -> bool {
    matches!(facts.bootloader, Bootloader::PiFirmware { .. })
}

/// The name of a Raspberry Pi's own interface; other boards have none that is known beforehand.
fn default_port(facts: &Facts, profile: &Profile<'_>) -> Option<InterfaceName> {
    let name = if profile.wifi.is_some() { PI_WIRELESS } else { PI_WIRED };
    name.parse().ok().filter(|_| on_pi(facts))
}

/// A file that holds the password of a wireless network is never shown.
fn add(builder: &mut PlanBuilder, file: Render, profile: &Profile<'_>) -> Result<(), PlanError> {
    let Render { path, change, reason } = file;
    match change {
        Change::Edit { text, .. } => builder.change(&at(&path), reason, |_| Ok(text)),
        Change::Write { mode, text } => {
            let content = match profile.wifi {
                Some(_) => Content::Secret(Secret::new(text)),
                None => Content::Bytes(text.into_bytes().into()),
            };
            builder.file(&path, mode, content, reason);
            Ok(())
        }
    }
}

impl From<UnsupportedProfile> for PlanError {
    fn from(UnsupportedProfile { what, hint }: UnsupportedProfile) -> Self {
        Self::Unsupported { what, hint }
    }
}

impl From<RenderError> for PlanError {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Unsupported(error) => error.into(),
            RenderError::Unreadable(error) => error.into(),
        }
    }
}

impl From<FileError> for PlanError {
    fn from(FileError { path, problem }: FileError) -> Self {
        match (problem, ImagePath::parse(&path)) {
            (FileProblem::NotTaken, Ok(path)) => NotTaken(path).into(),
            (FileProblem::NotText(found), _) => Self::NotText { path, found },
            (_, _) => Self::NotText { path, found: "not readable" },
        }
    }
}

fn profile<'a>(request: &Request<'a>) -> Profile<'a> {
    let node = request.node;
    Profile {
        network: fixed(request),
        more_addresses: &node.network.more_addresses,
        routes: &node.network.routes,
        mtu: node.network.mtu,
        interface: node.network.interface.as_ref(),
        mac: node.mac.as_ref(),
        search: request.cluster.domain.as_ref(),
        vlan: node.network.vlan(),
        wifi: match &node.network.link {
            Link::Ethernet { .. } => None,
            Link::Wifi(wifi) => Some(Wifi {
                ssid: &wifi.ssid,
                psk: &wifi.psk,
                wpa3: wifi.security == WifiSecurity::Wpa3,
                hidden: wifi.hidden,
                country: &wifi.country,
            }),
        },
    }
}

/// The interface that has the node's address, where its name is known: a VLAN's own, or the one that the user named.
pub(super) fn interface(
    builder: &PlanBuilder,
    request: &Request<'_>,
) -> Result<Option<InterfaceName>, PlanError> {
    let profile = profile(request);
    match builder.facts.network.as_slice() {
        [stack] => {
            let site = Site { default_port: None, files: &builder.facts.files };
            Ok(stack.backend().link(&profile, &site)?)
        }
        _ => Ok(profile.vlan.map(|vlan| vlan.interface()).or_else(|| profile.interface.cloned())),
    }
}

/// The fixed address; none is DHCP.
pub(super) fn fixed<'a>(request: &Request<'a>) -> Option<&'a StaticNetwork> {
    match &request.node.network.addressing {
        Addressing::Static(network) => Some(network),
        Addressing::Dhcp => None,
    }
}

/// Firstboot looks for a fixed address on an interface that it knows by name, and netplan knows radios in no other way.
fn named_radio(builder: &PlanBuilder, profile: &Profile<'_>) -> Result<(), PlanError> {
    let by_name = profile.network.is_some() || builder.facts.network == [NetworkStack::Netplan];
    if by_name && profile.interface.is_none() && !on_pi(builder.facts) {
        return Err(PlanError::Unsupported {
            what: "a node on Wi-Fi with this image, whose radio must be known by its name,".to_owned(),
            hint: "name the node's `interface`, such as wlp2s0".to_owned(),
        });
    }
    Ok(())
}

/// Name servers and search domain, where no program brings them from the network service to the C library.
fn names(builder: &mut PlanBuilder, profile: &Profile<'_>) -> Result<(), PlanError> {
    let servers = profile.network.map(StaticNetwork::dns).unwrap_or_default();
    if builder.facts.resolver || (servers.is_empty() && profile.search.is_none()) {
        return Ok(());
    }
    let is_written = matches!(builder.base(resolv_conf::PATH)?, FileState::Link(_));
    if is_written || profile.network.is_none() {
        return Err(PlanError::Unsupported {
            what: format!(
                "a search domain or name servers on an image where no known program writes {}",
                resolv_conf::PATH
            ),
            hint: "use an image with systemd-resolved or resolvconf, or leave `domain` and `dns` out"
                .to_owned(),
        });
    }
    builder.text(resolv_conf::PATH, 0o644, resolv_conf::render(servers, profile.search), REASON);
    Ok(())
}

fn unsupported(found: &[NetworkStack], profile: &Profile<'_>) -> PlanError {
    let names = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let names = if found.is_empty() { "no known network service" } else { &names };
    let what = match (&profile.wifi, profile.vlan) {
        (None, Some(_)) => "a VLAN",
        (Some(_), _) => "a node on Wi-Fi",
        (None, None) => "a static address, an interface or a search domain",
    };
    let which = if found.len() > 1 { "exactly one of" } else { "one of" };
    PlanError::Unsupported {
        what: format!("{what} on an image with {names}"),
        hint: format!("use an image with {which} {}, or DHCP on any wired interface", suitable(profile)),
    }
}

/// The services that can do what the profile asks.
fn suitable(profile: &Profile<'_>) -> String {
    let suitable = NetworkStack::ALL.into_iter().filter(|stack| can(*stack, profile));
    let (pi, other): (Vec<_>, Vec<_>) = suitable.partition(|stack| stack.backend().capabilities().pi_only);
    let list = |stacks: Vec<NetworkStack>| stacks.iter().map(ToString::to_string).collect::<Vec<_>>();
    let on_pi = list(pi).into_iter().map(|name| format!("or {name} on a Raspberry Pi"));
    list(other).into_iter().chain(on_pi).collect::<Vec<_>>().join(", ")
}
