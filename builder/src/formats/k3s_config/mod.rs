//! `/etc/rancher/k3s/config.yaml` and the file beside it.
//!
//! One file per role: an agent stops on keys that only a server knows. Secrets stay in files of their own. Which keys there
//! are, whose they are and in which order they stand is said once, in [`keys`].

pub mod keys;

use super::yaml::{self, Key, Node};
use crate::value::Role;

use keys::{Descriptor, KEYS};

/// Where the file lies.
pub const PATH: &str = "/etc/rancher/k3s/config.yaml";

/// Beside it and read after it; what may hold passwords stays out of what `hcimage plan` shows.
pub const SECRET_PATH: &str = "/etc/rancher/k3s/config.yaml.d/10-hcimage.yaml";

/// A key and its value.
pub type Setting = (&'static str, Node);

/// The file with the settings of a role that are not secret, in the order of [`KEYS`].
pub fn render(role: Role, settings: &[Setting]) -> String {
    let header = "# Written by hcimage. Settings of your own go into config.yaml.d/*.yaml beside it.\n";
    let of_file = of_role(role, settings).filter(|(known, _)| !known.secret);
    let lines = of_file.map(|(known, node)| {
        let comment = known.comment.map(|comment| format!("# {comment}\n")).unwrap_or_default();
        comment + &yaml::entry(&known.key.into(), node)
    });
    std::iter::once(header.to_owned()).chain(lines).collect()
}

/// The settings of a role that may be secret, in the order of [`KEYS`].
pub fn secret(role: Role, settings: &[Setting]) -> Vec<(Key, Node)> {
    let secret = of_role(role, settings).filter(|(known, _)| known.secret);
    secret.map(|(known, node)| (known.key.into(), node.clone())).collect()
}

/// What says something to a node with this role.
fn of_role(role: Role, settings: &[Setting]) -> impl Iterator<Item = (&'static Descriptor, &Node)> {
    let set = move |known: &'static Descriptor| {
        let (_, node) = settings.iter().find(|(key, _)| *key == known.key)?;
        (known.roles.include(role) && says_something(known, node)).then_some((known, node))
    };
    KEYS.iter().filter_map(set)
}

/// A value that is empty, or k3s's own default, is left out.
fn says_something(known: &Descriptor, node: &Node) -> bool {
    match node {
        Node::Text(text) => !text.is_empty() && known.default != Some(text),
        Node::Switch(on) => *on,
        Node::List(items) => !items.is_empty(),
        Node::Number(_) | Node::Map(_) => true,
    }
}
