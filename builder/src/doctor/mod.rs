//! What is wrong with a card, an image of one, or a mounted boot partition, and what to do about it.
//!
//! In: a file, a block device or a folder. Out: [`Facts`], what was read, and [`Finding`]s, which a pure function makes of
//! them. Nothing is written: files and devices are opened for reading, and a journal is replayed in memory.
//!
//! `card` reads; `files`, `bundle`, `logs`, `places` and `wear` are parts of that. `facts` has the types, `findings`,
//! `signs` and `report_text` are pure. `mask` hides what the card has of secrets, and `collect` writes an archive for a
//! report of a bug from an allow-list.

mod bundle;
mod card;
mod collect;
mod facts;
mod files;
mod findings;
mod logs;
mod mask;
mod places;
mod report_text;
mod signs;
mod wear;

pub use card::{Card, Origin};
pub use collect::{CollectError, collect};
pub use facts::{Bundle, Facts, FileSystemFacts, Found, Log, PartitionFacts, Speaker, TableFacts};
pub use findings::{Finding, Severity, findings};
pub use mask::Mask;
pub use report_text::Report;
pub use wear::Wear;
