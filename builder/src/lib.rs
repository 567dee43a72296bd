//! Turns a stock operating-system image into an appliance, offline: see `docs/architecture.md`.

pub mod apply;
pub mod arch;
pub mod board;
pub mod card;
pub mod cli;
pub mod cluster;
pub mod difference;
pub mod disk;
pub mod edit;
pub mod fs;
pub mod interrupt;
#[cfg(test)]
mod judges;
pub mod manifest;
pub mod os;
pub mod output;
pub mod pipeline;
pub mod plan;
pub mod progress;
pub mod proof;
pub mod run;
pub mod secrets;
pub mod source;
pub mod value;
