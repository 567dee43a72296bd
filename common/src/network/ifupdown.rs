//! ifupdown: Debian servers and Debian's older images. It knows interfaces by name only.

use super::backend::{Backend, Capabilities, Render, Site, UnsupportedProfile, edit};
use super::interfaces::{self, Up};
use super::profile::Profile;
use crate::value::InterfaceName;

pub(super) struct Ifupdown;

impl Backend for Ifupdown {
    fn name(&self) -> &'static str {
        "ifupdown"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { vlan: true, wifi: false, pi_only: false, resolver: false, reload: false }
    }

    fn reads(&self) -> &'static [&'static str] {
        &[interfaces::PATH]
    }

    fn reads_dirs(&self) -> &'static [&'static str] {
        &[interfaces::DIR]
    }

    fn link(
        &self,
        profile: &Profile<'_>,
        site: &Site<'_>,
    ) -> Result<Option<InterfaceName>, UnsupportedProfile> {
        if profile.vlan.is_none() {
            return Ok(profile.interface.cloned());
        }
        let files = Stanzas::read(site);
        interface_on(&files.port(profile)?, profile).map(Some)
    }

    fn render(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<Vec<Render>, UnsupportedProfile> {
        if let Some(mac) = profile.mac {
            return Err(UnsupportedProfile::new(
                format!("choosing the interface by its MAC address {mac} on an image with ifupdown"),
                "leave `mac` out and name the `interface`, such as eth0",
            ));
        }
        let files = Stanzas::read(site);
        let port = files.port(profile)?;
        let interface = interface_on(&port, profile)?;
        let brought_up = |interface| files.texts().find_map(|text| interfaces::brought_up(text, interface));
        // A VLAN comes up when its port does.
        let up = Up { already: brought_up(&interface).is_some(), by: brought_up(&port).unwrap_or_default() };
        let without = |text: &str| interfaces::without(&interfaces::without(text, &port), &interface);
        let mut renders: Vec<Render> =
            files.others.iter().map(|(path, text)| edit(path, without(text))).collect();
        let port = profile.vlan.map(|_| &port);
        let text = interfaces::edit(&files.main, &interface, port, profile, up);
        renders.push(edit(interfaces::PATH, text));
        Ok(renders)
    }
}

/// The files that ifupdown reads.
struct Stanzas {
    main: String,
    /// The further files, where the main one reads them.
    others: Vec<(String, String)>,
}

impl Stanzas {
    fn read(site: &Site<'_>) -> Self {
        let main = site.files.text(interfaces::PATH).unwrap_or_default();
        let others = if interfaces::reads_dir(&main) { site.files.dir(interfaces::DIR) } else { Vec::new() };
        Self { main, others }
    }

    /// What the further files and the main one say.
    fn texts(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(|(_, text)| text.as_str()).chain([self.main.as_str()])
    }

    fn port(&self, profile: &Profile<'_>) -> Result<InterfaceName, UnsupportedProfile> {
        profile.interface.cloned().map_or_else(|| self.only_wired(), Ok)
    }

    /// The one that the base itself sets up.
    fn only_wired(&self) -> Result<InterfaceName, UnsupportedProfile> {
        let mut names: Vec<&str> = self.texts().flat_map(interfaces::configured).collect();
        // Radios, and VLANs above a port.
        names.retain(|name| !name.starts_with("wl") && !name.contains('.'));
        names.sort_unstable();
        names.dedup();
        let only = match names.as_slice() {
            [name] => name.parse().ok(),
            _ => None,
        };
        only.ok_or_else(|| {
            UnsupportedProfile::new(
                format!(
                    "choosing among the interfaces that ifupdown sets up in the image ({})",
                    names.join(", ")
                ),
                "name the node's `interface`",
            )
        })
    }
}

fn interface_on(port: &InterfaceName, profile: &Profile<'_>) -> Result<InterfaceName, UnsupportedProfile> {
    let Some(vlan) = profile.vlan else { return Ok(port.clone()) };
    vlan.interface_on(port).map_err(|_| {
        UnsupportedProfile::new(
            format!("VLAN {vlan} on the port {port}, whose names are longer than the kernel's together,"),
            "rename the port in the image (systemd.link(5)), or use an image with another network service",
        )
    })
}
