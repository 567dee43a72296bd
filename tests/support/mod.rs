//! What the image, command-line and boot tests share: bases, a k3s release, other people's tools.
#![allow(dead_code, reason = "each test program uses its own part")]

pub mod base;
pub mod hcimage;
pub mod own;
pub mod proof;
mod sparse;
pub mod tools;
pub mod tree;
