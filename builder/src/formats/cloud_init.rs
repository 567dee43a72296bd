//! `/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg`: keeps cloud-init from undoing what the image says.

/// Where the file lies. The last name wins: images bring `99-…` files of their own.
pub const PATH: &str = "/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg";

/// What of a node is the image's own affair, so that cloud-init leaves it alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct CloudInitOverrides {
    /// The network. False for bases where nothing else sets it up, as on Ubuntu.
    pub network: bool,
    /// The accounts: else cloud-init makes one of its own, with sudo.
    pub accounts: bool,
    /// The time zone.
    pub time_zone: bool,
}

/// The file. cloud-init itself goes on running: where it grows the root file system it still does.
pub fn render(overrides: CloudInitOverrides) -> String {
    let mut text =
        "# Written by hcimage: the name, /etc/hosts, the host keys and the network are those of the image.\n\
         preserve_hostname: true\n\
         manage_etc_hosts: false\n\
         ssh_deletekeys: false\n"
            .to_owned();
    if overrides.network {
        text.push_str("network:\n  config: disabled\n");
    }
    if overrides.accounts {
        text.push_str("# So are the accounts.\nusers: []\n");
    }
    text
}
