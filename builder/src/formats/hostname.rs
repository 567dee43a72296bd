//! `/etc/hostname`: the node's name.

use crate::value::Hostname;

/// The path of the file.
pub const PATH: &str = "/etc/hostname";

/// The file.
pub fn render(name: &Hostname) -> String {
    format!("{name}\n")
}
