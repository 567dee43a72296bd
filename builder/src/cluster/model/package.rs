//! A package of the base's distribution, and which nodes get it.

use crate::packages::PackageRequest;
use crate::value::{Hostname, Role, UnitName};

use super::Node;

/// A package that nodes get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPackage {
    /// The package.
    pub request: PackageRequest,
    /// Units that are enabled and started.
    pub enable: Vec<UnitName>,
    /// Units that are neither.
    pub disable: Vec<UnitName>,
    /// The role of the nodes; none is any.
    pub role: Option<Role>,
    /// The nodes; none are all.
    pub nodes: Vec<Hostname>,
}

impl WantedPackage {
    /// Whether the node gets it.
    pub fn is_for(&self, node: &Node) -> bool {
        self.role.is_none_or(|role| role == node.bootstrap_role.role())
            && (self.nodes.is_empty() || self.nodes.contains(&node.name))
    }
}
