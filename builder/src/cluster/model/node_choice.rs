//! Which nodes get what a table of the cluster file offers.

use crate::value::{Hostname, Role};

use super::Node;

/// Nodes, by their role and their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeChoice {
    /// The role; none is any.
    pub role: Option<Role>,
    /// The names; none are all.
    pub names: Vec<Hostname>,
}

impl NodeChoice {
    /// Whether the node is one of them.
    pub fn includes(&self, node: &Node) -> bool {
        self.role.is_none_or(|role| role == node.bootstrap_role.role())
            && (self.names.is_empty() || self.names.iter().any(|name| node.is_called(name)))
    }
}
