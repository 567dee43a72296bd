//! `/etc/group` and its shadow file, `/etc/gshadow` (group(5), gshadow(5)).

use super::passwd::OF_PEOPLE;
use super::records::Records;
use crate::formats::error::EditError;
use crate::value::UserName;

/// The path of the file.
pub const PATH: &str = "/etc/group";
/// The path of its shadow file; it is optional.
pub const SHADOW_PATH: &str = "/etc/gshadow";

/// Both files have four fields; the last one lists the members.
const FIELDS: usize = 4;

/// The group of all users: the primary group of accounts without one of their own (useradd(8)).
const USERS: &str = "users";

/// A group and its ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// A regular user's, or made by one.
    OfPeople(u32),
    /// One of the system, whose members may do what others may not.
    OfSystem(u32),
}

/// The group with this name, if it exists.
pub fn find(text: &str, name: &UserName) -> Result<Option<Group>, EditError> {
    Ok(number(text, name.as_str())?
        .map(|gid| if OF_PEOPLE.contains(&gid) { Group::OfPeople(gid) } else { Group::OfSystem(gid) }))
}

/// The ID of the group of all users, for an account whose name is that of the system group `taken`.
pub fn of_all_users(text: &str, name: &UserName, taken: u32) -> Result<u32, EditError> {
    let missing = || EditError::SystemName { what: "a group", name: name.to_string(), id: taken };
    number(text, USERS)?.ok_or_else(missing)
}

fn number(text: &str, name: &str) -> Result<Option<u32>, EditError> {
    let records = Records::parse(text, FIELDS);
    let Some(record) = records.get(name)? else { return Ok(None) };
    let field = record.get(2).copied().unwrap_or_default();
    let invalid = || EditError::NoNumber { name: name.to_owned(), field: field.to_owned() };
    field.parse().map(Some).map_err(|_| invalid())
}

/// All group IDs in use.
pub fn numbers(text: &str) -> Vec<u32> {
    let records = Records::parse(text, FIELDS);
    records.all().filter_map(|record| record.get(2).and_then(|gid| gid.parse().ok())).collect()
}

/// The first ID that neither an account nor a group has; both get the same, as with adduser.
pub fn free_number(passwd: &str, group: &str) -> Result<u32, EditError> {
    let taken = [super::passwd::numbers(passwd), numbers(group)].concat();
    OF_PEOPLE.into_iter().find(|id| !taken.contains(id)).ok_or(EditError::NoFreeNumber)
}

/// Adds the account to the groups with `true` and removes it from those with `false`; groups that do not exist are
/// ignored. A new account gets a group with its name and the ID `gid`, unless it exists; the primary group of an
/// existing account must exist.
pub fn edit(
    text: &str,
    name: &UserName,
    gid: u32,
    known: bool,
    groups: &[(&str, bool)],
) -> Result<String, EditError> {
    let mut records = Records::parse(text, FIELDS);
    if !numbers(text).contains(&gid) {
        if known {
            return Err(EditError::NoGroup { name: name.to_string(), gid });
        }
        records.put(&[name.as_str(), "x", &gid.to_string(), ""]);
    }
    join(&mut records, name, groups)?;
    Ok(records.render())
}

/// The same for the shadow file. `own`: whether the account has a group with its name.
pub fn edit_shadow(
    text: &str,
    name: &UserName,
    own: bool,
    groups: &[(&str, bool)],
) -> Result<String, EditError> {
    let mut records = Records::parse(text, FIELDS);
    if own && records.get(name.as_str())?.is_none() {
        records.put(&[name.as_str(), "!", "", ""]);
    }
    join(&mut records, name, groups)?;
    Ok(records.render())
}

fn join(records: &mut Records, name: &UserName, groups: &[(&str, bool)]) -> Result<(), EditError> {
    for (group, member) in groups {
        let Some(record) = records.get(group)? else { continue };
        let mut record: Vec<String> = record.into_iter().map(str::to_owned).collect();
        if let Some(members) = record.last_mut() {
            *members = with(members, name.as_str(), *member);
        }
        records.put(&record);
    }
    Ok(())
}

/// A list of members, with or without `name`; the others keep their order.
fn with(members: &str, name: &str, member: bool) -> String {
    let mut list: Vec<&str> = members.split(',').filter(|other| !other.is_empty()).collect();
    match (list.contains(&name), member) {
        (false, true) => list.push(name),
        (true, false) => list.retain(|other| *other != name),
        _ => return members.to_owned(),
    }
    list.join(",")
}
