//! NetworkManager: Raspberry Pi OS bookworm and later, Debian desktops.

use super::backend::{
    ADDRESS, Backend, Capabilities, PORT, Render, Site, UnsupportedProfile, command, write,
};
use super::keyfile;
use super::profile::Profile;

pub(super) struct NetworkManager;

impl Backend for NetworkManager {
    fn name(&self) -> &'static str {
        "NetworkManager"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { vlan: true, wifi: true, pi_only: false, resolver: true, reload: true }
    }

    fn render(&self, profile: &Profile<'_>, _site: &Site<'_>) -> Result<Vec<Render>, UnsupportedProfile> {
        let mut files = Vec::new();
        if profile.vlan.is_some() {
            files.push(write(keyfile::PORT_PATH, keyfile::MODE, keyfile::render_port(profile), PORT));
        }
        files.push(write(keyfile::PATH, keyfile::MODE, keyfile::render(profile), ADDRESS));
        Ok(files)
    }

    fn reload(&self, _link: &str) -> Vec<Vec<String>> {
        vec![
            command(["nmcli", "connection", "load", keyfile::PATH]),
            command(["nmcli", "--wait", "20", "connection", "up", "id", keyfile::ID]),
        ]
    }
}
