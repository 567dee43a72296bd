//! Turns a stock operating-system image into an appliance, offline: see `docs/architecture.md`.

pub mod apply;
pub mod arch;
pub mod bmap;
pub mod board;
pub mod change_manifest;
pub mod charts;
pub mod cli;
pub mod cluster;
pub mod comparison;
pub mod difference;
pub mod disk;
pub mod doctor;
pub mod exit_class;
#[cfg(test)]
mod external_tools;
pub mod flash;
pub mod formats;
pub mod fs;
pub mod images;
pub mod interrupt;
pub mod live;
pub mod local_file;
pub mod openpgp;
pub mod os;
pub mod output;
pub mod overlays;
pub mod packages;
pub mod payload;
pub mod pipeline;
mod placement;
pub mod plan;
pub mod progress;
#[cfg(unix)]
pub mod run;
pub mod sbom;
pub mod secrets;
pub mod session;
pub mod source;
pub mod support_matrix;
pub mod terminal;
pub mod turing_pi;
pub mod used_ranges;
pub mod user_dirs;
pub mod value;
pub mod watch;
