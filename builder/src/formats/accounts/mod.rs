//! The files of accounts and groups.

pub mod group;
pub mod passwd;
pub mod shadow;
pub mod subids;

mod records;
