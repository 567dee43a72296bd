//! What shows a node's first boot.

/// The page of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusPage {
    /// How long it stays once the node is Ready, in minutes; up to a day.
    pub minutes_after_ready: u32,
}

impl StatusPage {
    /// How long it stays where nothing else is said.
    pub const DEFAULT_MINUTES: u32 = 60;
}

impl Default for StatusPage {
    fn default() -> Self {
        Self { minutes_after_ready: Self::DEFAULT_MINUTES }
    }
}
