//! The files of accounts and groups.

pub mod group;
pub mod logins;
pub mod passwd;
pub mod shadow;
pub mod subids;

mod records;
