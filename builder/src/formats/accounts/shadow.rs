//! `/etc/shadow`: passwords and their expiry (shadow(5)). The text is secret.

use super::logins::NONE;
use super::records::Records;
use crate::formats::error::EditError;
use crate::value::{PasswordHash, UserName};

/// The path of the file.
pub const PATH: &str = "/etc/shadow";

pub(super) const FIELDS: usize = 9;

/// Gives the account this password, or none. Its expiry and a forced change at the next login are removed: they would
/// block the login by key. `today` is in days since 1970.
///
/// Fails if the file has the name, but passwd does not (`known`): it may have been removed incompletely.
pub fn edit(
    text: &str,
    name: &UserName,
    password: Option<&PasswordHash>,
    today: i64,
    known: bool,
) -> Result<String, EditError> {
    let mut records = Records::parse(text, FIELDS);
    let password = password.map_or(NONE, PasswordHash::expose);
    let old = records.get(name.as_str())?;
    if old.is_some() && !known {
        return Err(EditError::Orphan { name: name.to_string() });
    }
    let (min, max, warn) = match old.as_deref() {
        Some([_, _, _, min, max, warn, ..]) => (*min, *max, *warn),
        _ => ("0", "99999", "7"),
    };
    let changed = match old.as_deref() {
        Some([_, same, changed, ..]) if *same == password && !matches!(*changed, "0") => {
            (*changed).to_owned()
        }
        _ => today.to_string(),
    };
    let record = [name.as_str(), password, &changed, min, max, warn, "", "", ""].map(str::to_owned);
    records.put(&record);
    Ok(records.render())
}

/// Removes root's password, including an empty one.
pub fn lock_root(text: &str) -> Result<String, EditError> {
    let mut records = Records::parse(text, FIELDS);
    let Some(mut record) =
        records.get("root")?.map(|record| record.into_iter().map(str::to_owned).collect::<Vec<_>>())
    else {
        return Ok(text.to_owned());
    };
    if let Some(password) = record.get_mut(1).filter(|password| !password.starts_with(['*', '!'])) {
        NONE.clone_into(password);
    }
    records.put(&record);
    Ok(records.render())
}

/// Whether root's password is the marker for systemd to ask on the first boot (systemd-firstboot(1)).
pub fn root_is_unprovisioned(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("root:!unprovisioned:"))
}
