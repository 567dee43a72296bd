//! What the builder and the first-boot program must understand in the same way.
//!
//! - [`value`]: names, addresses and labels, parsed once, with one set of rules.
//! - [`network`]: what a node's network service is told: the profile, and one backend for each service.
//! - [`text`]: the building blocks of the text formats.
//! - [`overlay`]: what a cluster keeps of overlays.
//! - [`paths`]: names that both programs use on the node.
//!
//! Pure: nothing is read, written or run here. Firstboot is a small static program, so this crate has few dependencies.

pub mod network;
pub mod overlay;
pub mod paths;
pub mod text;
pub mod value;
