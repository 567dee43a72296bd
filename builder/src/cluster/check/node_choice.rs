//! `role` and `nodes` of a table that only some nodes get: nodes that do not exist, and choices that nothing is left of.

use crate::cluster::field::Field;
use crate::cluster::file::File;
use crate::cluster::problem::Problems;
use crate::value::{Hostname, Role};

/// `what` is what the nodes get, such as `package`.
pub(super) fn check(
    role: Option<&Field<Role>>,
    names: &[Field<Hostname>],
    what: &str,
    file: &File,
    problems: &mut Problems<'_>,
) {
    if let Some(role) = role
        && problems.is_whole()
        && super::of_role(file, role.value).next().is_none()
    {
        let message = format!("no node gets this {what}: none is {}", an(role.value));
        problems.warning(&role.span, message, "remove `role`, or add such a node");
    }
    for name in names {
        let mut named =
            file.nodes.iter().filter(|node| node.name.as_ref().is_some_and(|own| own.value == name.value));
        let Some(node) = named.next() else {
            if problems.is_whole() {
                let message = format!("no node is named {}", name.value);
                problems.error(&name.span, message, "name one of [[nodes]]");
            }
            continue;
        };
        let other = role.zip(node.role.as_ref()).filter(|(role, of)| role.value != of.value);
        if let Some((role, _)) = other {
            let message = format!("the node {} has another role than this {what} is for", name.value);
            problems.error(&role.span, message, "remove `role`, or the node");
        }
    }
}

fn an(role: Role) -> &'static str {
    match role {
        Role::Server => "a server",
        Role::Agent => "an agent",
    }
}
