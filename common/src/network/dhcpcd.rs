//! dhcpcd: Raspberry Pi OS bullseye. It knows interfaces by name only.

use super::at_boot::AtBoot;
use super::backend::{
    ADDRESS, Backend, Capabilities, Render, RenderError, Site, UnsupportedProfile, command, edit, write,
};
use super::files::FileError;
use super::port::Port;
use super::profile::Profile;
use super::{dhcpcd_conf, networkd_files, wpa_supplicant};

pub(super) struct Dhcpcd;

impl Backend for Dhcpcd {
    fn name(&self) -> &'static str {
        "dhcpcd"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { vlan: false, wifi: true, pi_only: true, resolver: true }
    }

    fn reads(&self) -> &'static [&'static str] {
        &[dhcpcd_conf::PATH]
    }

    fn reads_dirs(&self) -> &'static [&'static str] {
        &networkd_files::DIRS
    }

    fn render(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<Vec<Render>, RenderError> {
        check(profile)?;
        let Some(interface) = profile.interface.or(site.default_port) else {
            return Err(RenderError::Unsupported(UnsupportedProfile::new(
                "an interface without a name, on an image with dhcpcd,",
                "name the node's `interface`, such as eth0",
            )));
        };
        let mut files = Vec::new();
        if let Some(wifi) = &profile.wifi {
            let text = wpa_supplicant::render(wifi);
            files.push(write(wpa_supplicant::PATH, wpa_supplicant::MODE, text, ADDRESS));
        }
        let old = site.files.text(dhcpcd_conf::PATH)?;
        let before = old.as_deref().unwrap_or_default();
        let text = dhcpcd_conf::edit(before, interface, profile.network, profile.search)?;
        files.push(edit(dhcpcd_conf::PATH, old, text));
        Ok(files)
    }

    fn at_boot(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<AtBoot, FileError> {
        let port = Port::new(profile, site);
        let known = |name: &str| port.has_name(|own| own == name);
        let renamed = networkd_files::renamed(&port, known, site.files)?;
        let text = site.files.text(dhcpcd_conf::PATH)?.unwrap_or_default();
        Ok(match (renamed, profile.interface.or(site.default_port)) {
            (Some(setting), _) if !profile.is_default() => AtBoot::Otherwise(setting),
            (_, Some(interface)) => dhcpcd_conf::at_boot(&text, interface, profile.network),
            (_, None) => AtBoot::AsWanted,
        })
    }

    fn reload(&self, link: &str) -> Vec<Vec<String>> {
        // Reads the file again and leaves everything else as it is.
        vec![command(["dhcpcd", "--rebind", link])]
    }
}

fn check(profile: &Profile<'_>) -> Result<(), UnsupportedProfile> {
    if let Some(vlan) = profile.vlan {
        return Err(UnsupportedProfile::new(
            format!("VLAN {vlan} on an image with dhcpcd, which makes no interface for it,"),
            "use an image with NetworkManager, such as Raspberry Pi OS bookworm or later, or give the port the \
             VLAN without a tag at the switch and leave `vlan` out",
        ));
    }
    if profile.has_extras() {
        return Err(UnsupportedProfile::new(
            "an MTU, a further address or a static route on an image with dhcpcd",
            "use an image with NetworkManager, such as Raspberry Pi OS bookworm or later, or have the router do it",
        ));
    }
    if profile.wifi.as_ref().is_some_and(|wifi| wifi.wpa3) {
        return Err(UnsupportedProfile::new(
            "WPA3 on an image with dhcpcd",
            "use an image with NetworkManager, such as Raspberry Pi OS bookworm or later, or a network with WPA2",
        ));
    }
    if let Some(mac) = profile.mac {
        return Err(UnsupportedProfile::new(
            format!("choosing the interface by its MAC address {mac} on an image with dhcpcd"),
            "leave `mac` out and name the `interface`, such as eth0",
        ));
    }
    Ok(())
}
