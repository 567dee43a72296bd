//! Container images, and which nodes get them.

use crate::images::ImageSource;

use super::NodeChoice;

/// Container images that nodes have from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedImages {
    /// The images.
    pub source: ImageSource,
    /// The nodes that get them.
    pub nodes: NodeChoice,
}
