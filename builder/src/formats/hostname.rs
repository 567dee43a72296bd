//! `/etc/hostname`: the node's name.

use crate::value::Hostname;

/// Where the file lies.
pub const PATH: &str = "/etc/hostname";

/// The file.
pub fn render(name: &Hostname) -> String {
    format!("{name}\n")
}
