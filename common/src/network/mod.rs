//! What a node's network service is told.
//!
//! A [`Profile`] says what is wanted: one interface, its address, its wireless network or VLAN. Each network service has a
//! [`Backend`] that turns the profile into the files of that service. The builder writes these files into the image;
//! firstboot writes the same bytes where the address changed or is not set yet.
//!
//! A new service is a file with its backend here, a variant of [`NetworkStack`], and its detection in the builder's
//! `os/network.rs`.

mod backend;
mod dhcpcd;
pub mod dhcpcd_conf;
mod ifupdown;
pub mod interfaces;
pub mod keyfile;
pub mod netplan;
mod network_manager;
pub mod networkd;
pub mod profile;
mod stack;
pub mod wpa_supplicant;

pub use backend::{Backend, Capabilities, Change, Files, Render, Site, UnsupportedProfile};
pub use profile::{Profile, Wifi};
pub use stack::NetworkStack;
