//! `/etc/passwd`: the accounts (passwd(5)).

use super::records::Records;
use crate::formats::error::EditError;
use crate::value::UserName;

/// The path of the file.
pub const PATH: &str = "/etc/passwd";

pub(super) const FIELDS: usize = 7;

/// The IDs of regular users (Debian Policy, 9.2.2): lower ones belong to packages, and so do most higher ones.
pub(super) const OF_PEOPLE: std::ops::RangeInclusive<u32> = 1000..=59999;

/// The account of a regular user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: UserName,
    /// Its ID.
    pub uid: u32,
    /// The ID of its primary group.
    pub gid: u32,
    /// Its home directory, an absolute path.
    pub home: String,
    /// Its login shell.
    pub shell: String,
    comment: String,
}

/// The account with this name. Fails if it is a system account, or shares its ID with another.
pub fn find(text: &str, name: &UserName) -> Result<Option<Account>, EditError> {
    let records = Records::parse(text, FIELDS);
    let Some(record) = records.get(name.as_str())? else { return Ok(None) };
    let [_, _, uid, gid, comment, home, shell] = record.as_slice() else { return Ok(None) };
    let number = |field: &str| {
        field
            .parse::<u32>()
            .map_err(|_| EditError::NoNumber { name: name.to_string(), field: field.to_owned() })
    };
    let (uid, gid) = (number(uid)?, number(gid)?);
    if !OF_PEOPLE.contains(&uid) {
        return Err(EditError::SystemName { what: "an account", name: name.to_string(), id: uid });
    }
    let shares = |other: &Vec<&str>| {
        other.first() != Some(&name.as_str()) && other.get(2).and_then(|id| id.parse().ok()) == Some(uid)
    };
    if let Some(other) = records.all().find(shares) {
        let other = other.first().copied().unwrap_or_default().to_owned();
        return Err(EditError::SharedNumber { name: name.to_string(), other, id: uid });
    }
    let shell =
        if shell.is_empty() || refuses_logins(shell) { login_shell(text) } else { (*shell).to_owned() };
    let home = (*home).to_owned();
    Ok(Some(Account { name: name.clone(), uid, gid, home, shell, comment: (*comment).to_owned() }))
}

/// Whether this program in the place of a shell ends at once (nologin(8)).
pub(super) fn refuses_logins(shell: &str) -> bool {
    shell.ends_with("/nologin") || shell.ends_with("/false")
}

/// Whether an account's line has a shell that lets it log in.
pub(super) fn has_shell(record: &[&str]) -> bool {
    record.get(6).is_some_and(|shell| !refuses_logins(shell))
}

/// A new account with this name and these IDs.
pub fn new(text: &str, name: &UserName, uid: u32, gid: u32) -> Account {
    let home = format!("/home/{name}");
    Account { name: name.clone(), uid, gid, home, shell: login_shell(text), comment: String::new() }
}

/// All user IDs in use.
pub fn numbers(text: &str) -> Vec<u32> {
    let records = Records::parse(text, FIELDS);
    records.all().filter_map(|record| record.get(2).and_then(|uid| uid.parse().ok())).collect()
}

/// The home directories of all regular users, and of all accounts whose shell does not refuse logins.
pub fn homes(text: &str) -> Vec<String> {
    let records = Records::parse(text, FIELDS);
    let is_persons = |record: &Vec<&str>| {
        record.get(2).and_then(|uid| uid.parse::<u32>().ok()).is_some_and(|uid| OF_PEOPLE.contains(&uid))
    };
    let home = |record: Vec<&str>| record.get(5).map(|home| (*home).to_owned());
    let mut homes: Vec<String> = records.all().filter(is_persons).filter_map(home).collect();
    homes.extend(with_shell(text).into_iter().map(|(_, home)| home));
    homes
}

/// The accounts whose shell does not refuse logins, each with its home directory.
pub fn with_shell(text: &str) -> Vec<(String, String)> {
    let records = Records::parse(text, FIELDS);
    let name_and_home =
        |record: Vec<&str>| Some(((*record.first()?).to_owned(), (*record.get(5)?).to_owned()));
    records.all().filter(|record| has_shell(record)).filter_map(name_and_home).collect()
}

/// Writes the account's line; its password is in shadow(5).
pub fn edit(text: &str, account: &Account) -> String {
    let mut records = Records::parse(text, FIELDS);
    let Account { name, uid, gid, home, shell, comment } = account;
    let (uid, gid) = (uid.to_string(), gid.to_string());
    records.put(&[name.as_str(), "x", &uid, &gid, comment, home, shell]);
    records.render()
}

/// Root's shell: an image may lack bash.
fn login_shell(text: &str) -> String {
    let records = Records::parse(text, FIELDS);
    let root = records.get("root").ok().flatten();
    let shell = root.and_then(|record| record.get(6).copied()).filter(|shell| shell.starts_with('/'));
    shell.filter(|shell| !shell.ends_with("/nologin")).unwrap_or("/bin/bash").to_owned()
}
