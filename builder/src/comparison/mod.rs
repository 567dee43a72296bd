//! What differs between two node images, or between what was written beside them, in a person's words.
//!
//! Contents are not shown: an image holds the secrets of its node.

mod manifests;
mod trees;

pub use manifests::{BadManifest, manifests};
pub use trees::{CompareError, Comparison, trees};

use serde::Serialize;

/// One path that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// The path as the running system sees it.
    pub path: String,
    /// What differs, such as `content, mode 0644 and 0600`, or `only in the second: a file of 120 bytes`.
    pub how: String,
}

/// Where a path is that only one of them has.
#[derive(Debug, Clone, Copy)]
enum Side {
    First,
    Second,
}

impl Differing {
    fn only(path: impl Into<String>, side: Side, what: &str) -> Self {
        let side = match side {
            Side::First => "first",
            Side::Second => "second",
        };
        Self { path: path.into(), how: format!("only in the {side}: {what}") }
    }

    /// None where nothing differs.
    fn of(path: impl Into<String>, parts: &[String]) -> Option<Self> {
        (!parts.is_empty()).then(|| Self { path: path.into(), how: parts.join(", ") })
    }
}

/// A part that differs by its value.
fn values(what: &str, first: impl std::fmt::Display, second: impl std::fmt::Display) -> String {
    format!("{what} {first} and {second}")
}
