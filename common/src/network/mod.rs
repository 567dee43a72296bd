//! What a node's network service is told.
//!
//! A [`Profile`] says what is wanted: one interface, its address, its wireless network or VLAN. Each network service has a
//! [`Backend`] that turns the profile into the files of that service. The builder writes these files into the image;
//! firstboot writes the same bytes where the address changed or is not set yet.
//!
//! A new service is a file with its backend here, a variant of [`NetworkStack`], and its detection in the builder's
//! `os/network.rs`.

mod at_boot;
mod backend;
mod dhcpcd;
pub mod dhcpcd_conf;
mod files;
mod ifupdown;
pub mod interfaces;
pub mod keyfile;
pub mod netplan;
mod netplan_files;
mod network_manager;
pub mod networkd;
mod networkd_files;
mod nm_conf;
mod nm_profiles;
mod port;
pub mod profile;
pub mod resolv_conf;
mod stack;
pub mod wait_online;
pub mod wpa_supplicant;

pub use at_boot::{AtBoot, Setting};
pub use backend::{Backend, Capabilities, Change, Render, RenderError, Site, UnsupportedProfile};
pub use files::{FileError, FileProblem, Files, Written};
pub use profile::{Profile, Wifi};
pub use stack::NetworkStack;
