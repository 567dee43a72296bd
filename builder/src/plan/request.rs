//! What a plan is made for, parsed and complete.

use crate::board::Board;
use crate::charts::PackedChart;
use crate::cluster::{Cluster, Node};
use crate::images::ImageBundle;
use crate::packages::PackageSet;
use crate::secrets::NodeFile;
use crate::source::k3s_release::K3sBundle;

use super::{FilledOverlay, ReadFolder};

/// One node of a cluster, and everything that goes onto its card.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The node.
    pub node: &'a Node,
    /// The node's board.
    pub board: &'a Board,
    /// What only this cluster has; none where k3s is to make its own authorities and tokens.
    pub secrets: Option<&'a NodeSecrets>,
    /// k3s itself.
    pub k3s: &'a K3sBundle,
    /// The user's container images, if there are any.
    pub images: Option<&'a ImageBundle>,
    /// The charts of the cluster, in its order.
    pub charts: &'a [PackedChart],
    /// The cluster's overlays; empty for all but the first server.
    pub overlays: &'a [FilledOverlay],
    /// Folders of the user's that overlays put onto nodes, of all nodes.
    pub folders: &'a [ReadFolder],
    /// Packages for the node, in the order in which dpkg takes them.
    pub packages: &'a PackageSet,
    /// The firstboot program for the board.
    pub firstboot: &'static [u8],
    /// The build time in seconds since 1970: the time of every change.
    pub time: i64,
    /// The floor of the node's clock, in seconds since 1970: the latest time that is known to be over.
    pub clock_floor: i64,
}

/// The secrets of one node.
#[derive(Debug, Clone)]
pub struct NodeSecrets {
    /// The files.
    pub files: Vec<NodeFile>,
    /// When the authorities begin, in seconds since 1970; none where they were made elsewhere.
    pub not_before: Option<i64>,
    /// When the first of them ends, in seconds since 1970; none where they were made elsewhere.
    pub not_after: Option<i64>,
}
