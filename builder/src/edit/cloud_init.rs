//! `/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg`: keeps cloud-init from undoing what the image says.

/// Where the file lies. The last name wins: images bring `99-…` files of their own.
pub const PATH: &str = "/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg";

/// The file. cloud-init itself goes on running: it makes the users, and where it grows the root file system it still does.
/// It sets up the network only where the image does not: `network_by_image` is for bases such as Raspberry Pi OS trixie,
/// whose NetworkManager needs no help; on Ubuntu nothing else does it.
pub fn render(network_by_image: bool) -> String {
    let mut text =
        "# Written by hcimage: the name, /etc/hosts, the host keys and the network are those of the image.\n\
         preserve_hostname: true\n\
         manage_etc_hosts: false\n\
         ssh_deletekeys: false\n"
            .to_owned();
    if network_by_image {
        text.push_str("network:\n  config: disabled\n");
    }
    text
}
