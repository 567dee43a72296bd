//! The node's address and search domain, in the form that the image's own network service reads.

use std::cell::RefCell;

use hc_common::network::{Change, Files, NetworkStack, Profile, Render, Site, UnsupportedProfile, Wifi};

use crate::cluster::{Addressing, Link};
use crate::formats::resolv_conf;
use crate::fs::ImagePath;
use crate::os::{Bootloader, FileState, Interest, NotTaken, Snapshot};
use crate::value::{InterfaceName, Secret, StaticNetwork};

use super::builder::{PlanBuilder, at};
use super::edit::Content;
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "the node's address";

/// What the kernel of a Raspberry Pi calls its own interfaces, wired and wireless.
const PI_WIRED: &str = "eth0";
pub(super) const PI_WIRELESS: &str = "wlan0";

/// What this reads itself; the rest its services do, see [`of_services`].
pub(super) const READS: [Interest; 1] = [Interest::Path(resolv_conf::PATH)];

/// What the backends of all network services read.
pub(super) fn of_services() -> impl Iterator<Item = Interest> {
    let backends = NetworkStack::ALL.into_iter().map(NetworkStack::backend);
    backends.flat_map(|backend| {
        let files = backend.reads().iter().map(|path| Interest::Path(path));
        files.chain(backend.reads_dirs().iter().map(|dir| Interest::Dir(dir)))
    })
}

/// Where everything is as in the base, DHCP on any wired interface, the base's files stay as they are.
pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    if !is_ours(request) {
        return Ok(());
    }
    let profile = profile(request);
    let backend = usable(builder, &profile)?.backend();
    let default_port = default_port(builder, &profile)?;
    let base = BaseFiles::new(&builder.facts.files);
    let files = backend.render(&profile, &Site { default_port: default_port.as_ref(), files: &base });
    base.all_taken()?;
    for file in files? {
        add(builder, file, &profile)?;
    }
    if profile.wifi.is_some() {
        named_radio(builder, &profile)?;
    }
    if backend.capabilities().resolver { Ok(()) } else { names(builder, &profile) }
}

/// The one network service of the image, where it can do what the profile asks.
fn usable(builder: &PlanBuilder, profile: &Profile<'_>) -> Result<NetworkStack, PlanError> {
    match builder.facts.network.as_slice() {
        [stack] if can(*stack, profile) && (on_pi(builder) || !stack.backend().capabilities().pi_only) => {
            Ok(*stack)
        }
        // Its own message says more.
        [stack @ NetworkStack::Dhcpcd] if on_pi(builder) => Ok(*stack),
        found => Err(unsupported(found, profile)),
    }
}

fn can(stack: NetworkStack, profile: &Profile<'_>) -> bool {
    let capabilities = stack.backend().capabilities();
    (profile.wifi.is_none() || capabilities.wifi) && (profile.vlan.is_none() || capabilities.vlan)
}

fn on_pi(builder: &PlanBuilder) -> bool {
    matches!(builder.facts.bootloader, Bootloader::PiFirmware { .. })
}

/// The name of a Raspberry Pi's own interface; other boards have none that is known beforehand.
fn default_port(builder: &PlanBuilder, profile: &Profile<'_>) -> Result<Option<InterfaceName>, PlanError> {
    let name = if profile.wifi.is_some() { PI_WIRELESS } else { PI_WIRED };
    let name = name.parse().map_err(|_| unsupported(&builder.facts.network, profile))?;
    Ok(on_pi(builder).then_some(name))
}

/// A file that holds the password of a wireless network is never shown.
fn add(builder: &mut PlanBuilder, file: Render, profile: &Profile<'_>) -> Result<(), PlanError> {
    let Render { path, change, reason } = file;
    match change {
        Change::Edit { text } => builder.change(&at(&path), reason, |_| Ok(text)),
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

/// What the files of the base hold, as the backends ask for it. One that was not taken is an error afterwards.
struct BaseFiles<'a> {
    taken: &'a Snapshot,
    missing: RefCell<Option<NotTaken>>,
}

impl<'a> BaseFiles<'a> {
    fn new(taken: &'a Snapshot) -> Self {
        Self { taken, missing: RefCell::new(None) }
    }

    fn or_missing<T: Default>(&self, asked: Result<T, NotTaken>) -> T {
        asked.unwrap_or_else(|error| {
            self.missing.borrow_mut().get_or_insert(error);
            T::default()
        })
    }

    /// Whether all that was asked for was taken.
    fn all_taken(self) -> Result<(), NotTaken> {
        self.missing.into_inner().map_or(Ok(()), Err)
    }
}

impl Files for BaseFiles<'_> {
    fn text(&self, path: &str) -> Option<String> {
        self.or_missing(self.taken.text(&at(path)).map(|text| text.map(str::to_owned)))
    }

    fn dir(&self, dir: &str) -> Vec<(String, String)> {
        let text = |(path, state): (&ImagePath, &FileState)| match state {
            FileState::Text(text, _) => Some((path.to_string(), text.clone())),
            _ => None,
        };
        self.or_missing(self.taken.below(&at(dir)).map(|files| files.filter_map(text).collect()))
    }
}

impl From<UnsupportedProfile> for PlanError {
    fn from(UnsupportedProfile { what, hint }: UnsupportedProfile) -> Self {
        Self::Unsupported { what, hint }
    }
}

fn profile<'a>(request: &Request<'a>) -> Profile<'a> {
    let node = request.node;
    Profile {
        network: fixed(request),
        interface: node.network.interface.as_ref(),
        mac: node.mac.as_ref(),
        search: request.cluster.domain.as_ref(),
        vlan: node.network.vlan(),
        wifi: match &node.network.link {
            Link::Ethernet { .. } => None,
            Link::Wifi(wifi) => {
                Some(Wifi { ssid: &wifi.ssid, psk: &wifi.psk, hidden: wifi.hidden, country: &wifi.country })
            }
        },
    }
}

/// Whether anything is to be other than the base has it.
pub(super) fn is_ours(request: &Request<'_>) -> bool {
    let Profile { network, interface, mac, search, vlan, wifi } = profile(request);
    network.is_some()
        || interface.is_some()
        || mac.is_some()
        || search.is_some()
        || vlan.is_some()
        || wifi.is_some()
}

/// The interface that has the node's address, where its name is known: a VLAN's own, or the one that the user named.
pub(super) fn interface(
    builder: &PlanBuilder,
    request: &Request<'_>,
) -> Result<Option<InterfaceName>, PlanError> {
    let profile = profile(request);
    match builder.facts.network.as_slice() {
        [stack] => {
            let base = BaseFiles::new(&builder.facts.files);
            let link = stack.backend().link(&profile, &Site { default_port: None, files: &base });
            base.all_taken()?;
            Ok(link?)
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
    if by_name && profile.interface.is_none() && !on_pi(builder) {
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
