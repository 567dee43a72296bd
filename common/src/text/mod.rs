//! Building blocks of text formats.

pub mod glob;
pub mod ini;
pub mod lines;
pub mod yaml;

pub use lines::Lines;
