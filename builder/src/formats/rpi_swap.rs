//! `/etc/rpi/swap.conf.d/90-hcimage.conf`: disables swap on Raspberry Pi OS trixie, which uses rpi-swap.

/// The path of the file. Drop-ins win over `/etc/rpi/swap.conf`, later names over earlier ones (swap.conf(5)).
pub const PATH: &str = "/etc/rpi/swap.conf.d/90-hcimage.conf";

/// The file.
pub fn render() -> String {
    "# Written by hcimage: the memory limits of Kubernetes do not hold with swap.\n[Main]\nMechanism=none\n"
        .into()
}
