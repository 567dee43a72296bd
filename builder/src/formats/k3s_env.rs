//! `/etc/systemd/system/<unit>.env`: the environment of the k3s unit.

use crate::value::{KubeconfigMode, Role};

/// The permissions: users put tokens and proxy passwords there.
pub const MODE: u16 = 0o600;

/// The path of the file; the unit reads it if it exists.
pub fn path(role: Role) -> String {
    format!("/etc/systemd/system/{}.env", role.unit())
}

/// The file; by default it sets nothing.
pub fn render(kubeconfig_mode: Option<KubeconfigMode>) -> String {
    let mut text = String::from(
        "# Written by hcimage. The environment of k3s: NAME=value lines, such as HTTPS_PROXY.\n",
    );
    if let Some(mode) = kubeconfig_mode {
        text.push_str(&format!("K3S_KUBECONFIG_MODE={mode}\n"));
    }
    text
}
