//! Which names may be made on FAT.

use crate::fs::{FsError, ImagePath, Result};

/// UTF-16 units of a long name.
const MAX_UNITS: usize = 255;

/// An error for a name that FAT cannot hold, or that another system would read differently.
///
/// That includes names that begin with a dot: `fatfs` gives `.ssh` a short name without a stem, which fsck.fat reports
/// as damage.
pub(super) fn check_new(path: &ImagePath) -> Result<&str> {
    let name = path.name().unwrap_or_default();
    let bad = |problem: &str| {
        Err(FsError::BadPath { path: path.to_string(), problem: format!("FAT cannot hold a name {problem}") })
    };
    if name.encode_utf16().count() > MAX_UNITS {
        return bad("of more than 255 characters");
    }
    if is_illegal(name) || name.chars().any(char::is_control) {
        return bad("with a control character or one of \"*/:<>?\\|");
    }
    if name.starts_with(['.', ' ']) || name.ends_with(['.', ' ']) || name.is_empty() {
        return bad("that begins or ends with a dot or a space");
    }
    Ok(name)
}

/// Whether a name has a character that the format does not allow in a long name. Those that only steer a terminal, such as
/// U+009B, it does allow.
pub(super) fn is_illegal(name: &str) -> bool {
    name.chars().any(|c| c < ' ' || "\"*/:<>?\\|".contains(c))
}

/// Slots that a new name takes: its long form in pieces of 13 units, and the short form.
pub(super) fn slots(name: &str) -> usize {
    name.encode_utf16().count().div_ceil(13).saturating_add(1)
}
