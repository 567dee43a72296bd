//! A package of the base's distribution, and which nodes get it.

use crate::packages::PackageRequest;
use crate::value::UnitName;

use super::NodeChoice;

/// A package that nodes get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPackage {
    /// The package.
    pub request: PackageRequest,
    /// Units that are enabled and started.
    pub enable: Vec<UnitName>,
    /// Units that are neither.
    pub disable: Vec<UnitName>,
    /// The nodes that get it.
    pub nodes: NodeChoice,
}
