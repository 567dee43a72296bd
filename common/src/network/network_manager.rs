//! NetworkManager: Raspberry Pi OS bookworm and later, Debian desktops.

use super::at_boot::{AtBoot, Setting};
use super::backend::{ADDRESS, Backend, Capabilities, PORT, Render, RenderError, Site, command, write};
use super::files::FileError;
use super::interfaces::{self, Parts};
use super::keyfile;
use super::networkd_files;
use super::nm_conf::{self, Conf};
use super::nm_profiles::{self, NmProfile};
use super::port::Port;
use super::profile::Profile;

pub(super) struct NetworkManager;

impl Backend for NetworkManager {
    fn name(&self) -> &'static str {
        "NetworkManager"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { vlan: true, wifi: true, pi_only: false, resolver: true }
    }

    fn reads(&self) -> &'static [&'static str] {
        &[nm_conf::MAIN, interfaces::PATH]
    }

    fn reads_dirs(&self) -> &'static [&'static str] {
        const DIRS: [&str; 11] = {
            let [etc, run, lib] = nm_conf::DIRS;
            let [run_profiles, etc_profiles, lib_profiles] = nm_profiles::DIRS;
            let [net_etc, net_run, net_local, net_lib] = networkd_files::DIRS;
            [
                etc,
                run,
                lib,
                run_profiles,
                etc_profiles,
                lib_profiles,
                interfaces::DIR,
                net_etc,
                net_run,
                net_local,
                net_lib,
            ]
        };
        &DIRS
    }

    fn render(&self, profile: &Profile<'_>, _site: &Site<'_>) -> Result<Vec<Render>, RenderError> {
        let mut files = Vec::new();
        if profile.vlan.is_some() {
            files.push(write(keyfile::PORT_PATH, keyfile::MODE, keyfile::render_port(profile), PORT));
        }
        files.push(write(keyfile::PATH, keyfile::MODE, keyfile::render(profile), ADDRESS));
        Ok(files)
    }

    fn at_boot(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<AtBoot, FileError> {
        let conf = Conf::read(site.files)?;
        let profiles = nm_profiles::read(site.files)?;
        let parts = interfaces::read_all(site.files)?;
        let port = Port::new(profile, site);
        let renamed = networkd_files::renamed(&port, |name| port.has_name(|own| own == name), site.files)?;
        if profile.is_default() {
            return Ok(by_default(&conf, &profiles, &parts, port));
        }
        // Without a name the profile is for all Ethernet ports, whatever they are called.
        let renamed = renamed.filter(|_| port.is_named());
        let obstacle = conf
            .unmanaged(&port)
            .or_else(|| by_ifupdown(&conf, &parts, &port))
            .or_else(|| elsewhere(&conf))
            .or(renamed)
            .or_else(|| stronger(&profiles, profile, &port));
        Ok(match obstacle {
            Some(setting) => AtBoot::Otherwise(setting),
            None if profiles.iter().any(NmProfile::is_ours) => AtBoot::AsWanted,
            None => AtBoot::Nothing(None),
        })
    }

    fn reload(&self, _link: &str) -> Vec<Vec<String>> {
        vec![
            command(["nmcli", "connection", "load", keyfile::PATH]),
            command(["nmcli", "--wait", "20", "connection", "up", "id", keyfile::ID]),
        ]
    }
}

/// NetworkManager makes up a profile with DHCP for each Ethernet port without one, unless it is told not to.
fn by_default(conf: &Conf, profiles: &[NmProfile], parts: &Parts, port: Port<'_>) -> AtBoot {
    if let Some(setting) = conf.unmanaged(&port).or_else(|| by_ifupdown(conf, parts, &port)) {
        return AtBoot::Nothing(Some(setting));
    }
    let effect = "NetworkManager makes no profile with DHCP for the Ethernet port";
    let none = conf.lists("main", "no-auto-default", &port);
    let none = none.map(|key| key.setting(effect, "take the port out of `no-auto-default`"));
    let port = port.perhaps();
    match none {
        Some(setting) if !profiles.iter().any(|profile| profile.is_for(&port)) => {
            AtBoot::Nothing(Some(setting))
        }
        _ => AtBoot::AsWanted,
    }
}

/// Interfaces that ifupdown's files name are left to it, whether it runs or not.
fn by_ifupdown(conf: &Conf, parts: &Parts, port: &Port<'_>) -> Option<Setting> {
    if !conf.leaves_ifupdown() {
        return None;
    }
    for (path, text) in &parts.files {
        if let Some(name) = interfaces::configured(text).into_iter().find(|name| port.fits(name)) {
            let effect = format!("it names {name}, which NetworkManager then leaves to ifupdown");
            let cure = format!(
                "remove the stanza `iface {name}`, or set `managed=true` in [ifupdown] of {}",
                nm_conf::MAIN
            );
            return Some(Setting::new(path.clone(), effect, cure));
        }
    }
    parts.unknown.clone()
}

/// Another directory for profiles than the one that hcimage writes to.
fn elsewhere(conf: &Conf) -> Option<Setting> {
    let key = conf.last("keyfile", "path")?;
    let same = key.value().trim_end_matches('/') == nm_profiles::DIRS[1] || key.value().is_empty();
    let effect = format!("NetworkManager reads its profiles from {} only", key.value());
    (!same).then(|| key.setting(effect, "remove `path`"))
}

/// A profile that NetworkManager prefers to ours, or may prefer.
fn stronger(profiles: &[NmProfile], profile: &Profile<'_>, port: &Port<'_>) -> Option<Setting> {
    let vlan = profile.vlan.map(|vlan| vlan.interface());
    let competes = |other: &&NmProfile| {
        !other.is_ours()
            && other.priority() >= i64::from(keyfile::PRIORITY)
            && (other.is_for(port) || vlan.as_ref().is_some_and(|name| other.is_vlan(name)))
    };
    profiles.iter().find(competes).map(|other| {
        let effect = format!(
            "the profile is for {} and has the priority {}, as high as hcimage's",
            port.text(),
            other.priority()
        );
        Setting::new(
            format!("{}, [connection]", other.path),
            effect,
            "remove the profile, or set `autoconnect-priority` to a lower value or `autoconnect=false`",
        )
    })
}
