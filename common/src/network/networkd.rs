//! A file of systemd-networkd (systemd.network(5)).

use std::fmt::Write as _;

use super::at_boot::{AtBoot, Setting};
use super::backend::{ADDRESS, Backend, Capabilities, PORT, Render, RenderError, Site, command, write};
use super::files::{FileError, Files};
use super::networkd_files;
use super::port::Port;
use super::profile::{ETHERNET, Profile};
use super::wait_online;
use crate::text::{glob, ini};
use crate::value::VlanId;

/// Where the file goes. Of all files that match an interface the first one by name holds, and bases have a `10-…`.
pub const PATH: &str = "/etc/systemd/network/00-hcimage.network";

/// Permission bits.
const MODE: u16 = 0o644;

const HEADER: &str = "# Written by hcimage.\n";

/// Where the files for a VLAN go: the one for the port below it, and the one that makes its interface.
pub const PORT_PATH: &str = "/etc/systemd/network/00-hcimage-port.network";
/// See [`PORT_PATH`]; systemd.netdev(5).
pub const NETDEV_PATH: &str = "/etc/systemd/network/00-hcimage.netdev";

/// The file, for Ethernet. Without an interface it is for those that are wired. With a VLAN it is for the VLAN's, and
/// needs [`render_port`] and [`render_netdev`] beside it.
pub fn render(profile: &Profile<'_>) -> String {
    let mut text = match profile.vlan {
        Some(vlan) => format!("{HEADER}[Match]\nName={}\n", vlan.interface()),
        None => matched(profile),
    };
    // Writing into a String cannot fail; the same holds below.
    if let Some(mtu) = profile.mtu {
        let _ = writeln!(text, "\n[Link]\nMTUBytes={mtu}");
    }
    text.push_str("\n[Network]\n");
    text.push_str(match profile.network.map(|network| network.address().ip().is_ipv4()) {
        None => "DHCP=yes\n",
        Some(true) => "DHCP=no\nIPv6AcceptRA=yes\n",
        // Routers are those of the file; addresses of the other family come by DHCP.
        Some(false) => "DHCP=ipv4\n",
    });
    if let Some(network) = profile.network {
        let _ = writeln!(text, "Address={}", network.address());
        if let Some(gateway) = network.gateway() {
            let _ = writeln!(text, "Gateway={gateway}");
        }
        for server in network.dns() {
            let _ = writeln!(text, "DNS={server}");
        }
    }
    for address in profile.more_addresses {
        let _ = writeln!(text, "Address={address}");
    }
    if let Some(search) = profile.search {
        let _ = writeln!(text, "Domains={search}");
    }
    for route in profile.routes {
        let _ = writeln!(text, "\n[Route]\nDestination={}\nGateway={}", route.to(), route.via());
    }
    text
}

/// The file for the port below a VLAN: it is up and has no address, and nothing waits until it has.
pub fn render_port(profile: &Profile<'_>, vlan: VlanId) -> String {
    format!(
        "{}\n[Link]\nRequiredForOnline=no\n{}\n[Network]\nVLAN={}\nDHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n",
        matched(profile),
        profile.mtu.map(|mtu| format!("MTUBytes={mtu}\n")).unwrap_or_default(),
        vlan.interface()
    )
}

/// The file that makes the VLAN's interface.
pub fn render_netdev(vlan: VlanId) -> String {
    format!("{HEADER}[NetDev]\nName={}\nKind=vlan\n\n[VLAN]\nId={vlan}\n", vlan.interface())
}

/// The beginning of a file for a port.
fn matched(profile: &Profile<'_>) -> String {
    let lines = match (profile.interface, profile.mac) {
        (None, None) => format!("Name={ETHERNET}"),
        (Some(name), None) => format!("Name={name}"),
        // By type too: interfaces of other kinds inherit the address of the one below them.
        (None, Some(mac)) => format!("MACAddress={mac}\nType=ether\nName={ETHERNET}"),
        (Some(name), Some(mac)) => format!("MACAddress={mac}\nType=ether\nName={name}"),
    };
    format!("{HEADER}[Match]\n{lines}\n")
}

pub(super) struct Networkd;

impl Backend for Networkd {
    fn name(&self) -> &'static str {
        "systemd-networkd"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { vlan: true, wifi: false, pi_only: false, resolver: false }
    }

    fn reads_dirs(&self) -> &'static [&'static str] {
        &networkd_files::DIRS
    }

    fn render(&self, profile: &Profile<'_>, _site: &Site<'_>) -> Result<Vec<Render>, RenderError> {
        let mut files = Vec::new();
        if let Some(vlan) = profile.vlan {
            files.push(write(NETDEV_PATH, MODE, render_netdev(vlan), PORT));
            files.push(write(PORT_PATH, MODE, render_port(profile, vlan), PORT));
        }
        files.push(write(PATH, MODE, render(profile), ADDRESS));
        files.push(wait_online::drop_in(wait_online::SECONDS));
        Ok(files)
    }

    fn at_boot(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<AtBoot, FileError> {
        if profile.is_default() {
            return by_default(profile, site);
        }
        let own = match profile.vlan {
            Some(vlan) => vec![(PORT_PATH, None), (PATH, Some(vlan.interface()))],
            None => vec![(PATH, None)],
        };
        for (path, name) in own {
            let port = name.as_ref().map_or_else(|| Port::new(profile, site), Port::named);
            if let Some(setting) = obstacle(path, &port, site.files)? {
                return Ok(AtBoot::Otherwise(setting));
            }
            if site.files.text(path)?.is_none() {
                return Ok(AtBoot::Nothing(None));
            }
        }
        Ok(AtBoot::AsWanted)
    }

    fn reload(&self, link: &str) -> Vec<Vec<String>> {
        vec![command(["networkctl", "reload"]), command(["networkctl", "reconfigure", link])]
    }
}

/// What keeps a file of ours from its port: another one, or another name of the port.
pub(super) fn obstacle(path: &str, port: &Port<'_>, files: &dyn Files) -> Result<Option<Setting>, FileError> {
    let own = path.rsplit('/').next().unwrap_or_default();
    let before = networkd_files::before(own, port, files)?;
    let renamed = networkd_files::renamed(port, |name| knows(port, name), files)?;
    Ok(before.or(renamed))
}

/// Whether our file for a port is for a name, too.
fn knows(port: &Port<'_>, name: &str) -> bool {
    match port.is_named() {
        true => port.has_name(|own| own == name),
        false => port.is_wireless() || glob::matches(ETHERNET, name),
    }
}

/// Whether the base has a file for a port.
pub(super) fn by_default(profile: &Profile<'_>, site: &Site<'_>) -> Result<AtBoot, FileError> {
    let port = Port::new(profile, site).perhaps();
    let own = PATH.rsplit('/').next().unwrap_or_default();
    let Some(file) = networkd_files::of_port(&port, site.files)?.filter(|file| file.name != own) else {
        let ours = site.files.text(PATH)?.is_some();
        return Ok(if ours { AtBoot::AsWanted } else { AtBoot::Nothing(None) });
    };
    let unmanaged = file.value("Link", "Unmanaged").filter(|(value, _)| ini::is_true(value));
    Ok(match unmanaged {
        Some((_, line)) => {
            let effect = format!("systemd-networkd does not manage {}", port.text());
            AtBoot::Nothing(Some(Setting::in_line(&file.path, line, effect, "remove `Unmanaged`")))
        }
        None => AtBoot::AsWanted,
    })
}
