//! Turns a stock operating-system image into an appliance, offline: see `docs/architecture.md`.

pub mod arch;
pub mod disk;
pub mod edit;
pub mod fs;
pub mod interrupt;
pub mod progress;
pub mod source;
pub mod value;
