//! The writes that growth consists of.

use std::sync::Arc;

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    /// Place in the file system, in bytes.
    pub at: u64,
    pub content: Content,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// These bytes. Groups that look alike share them.
    Bytes(Arc<[u8]>),
    /// So many bytes of zeros; those that are zero already need not be written.
    Zeros(u64),
}

impl Write {
    pub(crate) fn bytes(at: u64, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { at, content: Content::Bytes(bytes.into()) }
    }
}
