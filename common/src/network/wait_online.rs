//! How long `network-online.target` waits for systemd-networkd. Much is ordered behind it, on bases with cloud-init even
//! logins, so that a node without a cable must not wait there. k3s waits for the node's address by itself: see the clock
//! gate of firstboot.

use super::backend::{Render, write};

/// Behind the drop-in that netplan makes, `10-netplan.conf`.
pub const PATH: &str = "/etc/systemd/system/systemd-networkd-wait-online.service.d/50-hcimage.conf";

/// How long to wait where a port may be waited for.
pub const SECONDS: u8 = 30;
/// How long to wait where every interface is optional. The service of most releases waits for them to the end of its
/// time, since none of them counts as online.
pub const SECONDS_OPTIONAL: u8 = 3;

/// The drop-in. One port is enough: an empty second one would be waited for at every boot. The hyphen: the end of the
/// time is no failure.
pub fn render(seconds: u8) -> String {
    format!(
        "# Written by hcimage.\n[Service]\nExecStart=\n\
         ExecStart=-/lib/systemd/systemd-networkd-wait-online --any --timeout={seconds}\n"
    )
}

pub(super) fn drop_in(seconds: u8) -> Render {
    write(PATH, 0o644, render(seconds), "a boot without a cable does not wait for minutes")
}
