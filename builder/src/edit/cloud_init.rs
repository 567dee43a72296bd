//! `/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg`: keeps cloud-init from undoing what the image says.

/// Where the file lies. The last name wins: images bring `99-…` files of their own.
pub const PATH: &str = "/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg";

/// The file, for a base whose network is set up without cloud-init. cloud-init itself goes on running: where it grows
/// the root file system it still does. It makes an account of its own, with sudo, unless `has_accounts` says that the
/// image has those that it is to have.
pub fn render(has_accounts: bool) -> String {
    let mut text =
        "# Written by hcimage: the name, /etc/hosts, the host keys and the network are those of the image.\n\
         preserve_hostname: true\n\
         manage_etc_hosts: false\n\
         ssh_deletekeys: false\n\
         network:\n  config: disabled\n"
            .to_owned();
    if has_accounts {
        text.push_str("# So are the accounts.\nusers: []\n");
    }
    text
}
