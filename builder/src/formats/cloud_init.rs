//! `/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg`: keeps cloud-init from overwriting settings of the image.

/// The path of the file. The last name wins: images have their own `99-…` files.
pub const PATH: &str = "/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg";

/// The settings that the image makes, so that cloud-init must not.
#[derive(Debug, Clone, Copy, Default)]
pub struct CloudInitOverrides {
    /// The network. False for bases without another network setup, such as Ubuntu.
    pub network: bool,
    /// The accounts: otherwise cloud-init creates its default account, with sudo.
    pub accounts: bool,
    /// The time zone.
    pub time_zone: bool,
}

/// The file. cloud-init still runs, for example to grow the root file system.
pub fn render(overrides: CloudInitOverrides) -> String {
    let mut text =
        "# Written by hcimage: the name, /etc/hosts, the host keys and the network are those of the image.\n\
         preserve_hostname: true\n\
         manage_etc_hosts: false\n\
         ssh_deletekeys: false\n\
         # k3s runs without swap.\n\
         swap:\n\
         \x20 size: 0\n"
            .to_owned();
    if overrides.network {
        text.push_str("network:\n  config: disabled\n");
    }
    if overrides.accounts {
        text.push_str("# So are the accounts.\nusers: []\n");
    }
    text
}
