//! `/etc/subuid` and `/etc/subgid`: ID ranges for an account's own containers (subuid(5)).

use super::records::Records;
use crate::formats::error::EditError;
use crate::value::UserName;

/// The paths of the files; they are optional.
pub const PATHS: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

/// `SUB_UID_MIN` and `SUB_UID_COUNT` of login.defs(5).
const FIRST: u64 = 100_000;
const COUNT: u64 = 65_536;

/// Gives the account a range after all others, as useradd does, unless it has one.
pub fn edit(text: &str, name: &UserName) -> Result<String, EditError> {
    let mut records = Records::parse(text, 3);
    let has_one = records.all().any(|record| record.first() == Some(&name.as_str()));
    if has_one {
        return Ok(text.to_owned());
    }
    let end = |record: Vec<&str>| {
        let number = |at: usize| record.get(at).and_then(|field| field.parse::<u64>().ok());
        number(1)?.checked_add(number(2)?)
    };
    let start = records.all().filter_map(end).fold(FIRST, u64::max);
    // IDs have 32 bits, and the last one means "none".
    if start.saturating_add(COUNT) >= u64::from(u32::MAX) {
        return Err(EditError::NoFreeNumber);
    }
    records.put(&[name.as_str(), &start.to_string(), &COUNT.to_string()]);
    Ok(records.render())
}
