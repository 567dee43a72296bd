//! The nodes of a cluster while they set themselves up: found on the network, asked, and shown in one table.

mod table;

pub use table::{Row, RowStatus, lines};
