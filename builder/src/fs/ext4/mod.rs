//! ext4, edited offline.
pub mod grow;
