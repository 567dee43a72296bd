//! The command line: bad input is refused with its reason and the right exit code, and leaves nothing behind.

#![cfg(test)]

mod boot;
mod cache;
mod charts;
mod container_images;
mod damage;
mod diff;
mod download;
mod init;
mod interrupt;
mod lock;
mod overlays;
mod run;
mod sbom;
mod usage;
