//! Images made by mke2fs and debugfs, edited here, checked by e2fsck, debugfs and `ext4-view`.
//!
//! No test needs root. A test whose tool is missing fails and names the package.

#![expect(clippy::cast_possible_truncation, reason = "fixtures are small")]

mod after_edit;
mod attributes;
mod changed;
mod hostile;
mod image;
mod kernel_rules;
mod large;
mod limits;
mod matrix;
mod operating;
mod operations;
mod refusals;
mod replay;
mod writing;
