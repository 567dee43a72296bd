//! Building blocks of text formats.

pub mod lines;
pub mod printable;
pub mod yaml;

pub use lines::Lines;
