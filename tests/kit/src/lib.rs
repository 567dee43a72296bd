//! What the integration tests share: base images, a k3s release, the program under test, a publisher with faults, and
//! external tools as checks.

pub mod base;
pub mod checkers;
pub mod desk;
pub mod examples;
pub mod external_tool;
pub mod facts;
pub mod files;
pub mod golden;
pub mod gpg;
pub mod guest;
pub mod hcimage;
pub mod lan;
pub mod oci_layout;
pub mod own_network;
pub mod own_programs;
pub mod processes;
pub mod proof;
pub mod publisher;
pub mod registry;
pub mod servers;
mod sparse;
pub mod tools;
pub mod tree;
pub mod unpacked;
