//! Building blocks of text formats.

pub mod decode;
pub mod glob;
pub mod ini;
pub mod lines;
pub mod printable;
pub mod yaml;
pub mod yaml_load;

pub use decode::{NotText, decode, is_marked};
pub use lines::Lines;
