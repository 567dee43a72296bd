//! The accounts of the cluster file.

use crate::cluster::User;
use crate::formats::accounts::group::{self, Group};
use crate::formats::accounts::{logins, passwd, shadow, subids};
use crate::formats::{EditError, authorized_keys, sudoers};
use crate::fs::{Attributes, ImagePath};
use crate::os::{FileState, Interest};

use super::builder::{PlanBuilder, at};
use super::edit::{Action, Content};
use super::error::PlanError;
use super::request::Request;
use super::unsupported::Unsupported;

const REASON: &str = "the accounts of the cluster file";

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

/// Raspberry Pi OS lets `pi` become root by this file, whatever the cluster file says.
const PI_RULE: &str = "/etc/sudoers.d/010_pi-nopasswd";

pub(super) const READS: [Interest; 8] = [
    Interest::Path(passwd::PATH),
    Interest::Path(group::PATH),
    Interest::Path(group::SHADOW_PATH),
    Interest::Path(shadow::PATH),
    Interest::Path(subids::PATHS[0]),
    Interest::Path(subids::PATHS[1]),
    Interest::Path(sudoers::MAIN_PATH),
    Interest::Homes,
];

/// One account, as the image will have it.
struct Person<'a> {
    user: &'a User,
    account: passwd::Account,
    /// Whether the base has it already.
    known: bool,
}

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let users = &request.cluster.users;
    if users.is_empty() {
        return close_open(builder);
    }
    let people = people(builder, users)?;
    passwords(builder, &people, request.time.div_euclid(SECONDS_OF_A_DAY))?;
    for person in &people {
        home(builder, person)?;
    }
    sudo(builder, users)
}

/// Settles names and numbers, and writes them down.
fn people<'a>(builder: &mut PlanBuilder, users: &'a [User]) -> Result<Vec<Person<'a>>, PlanError> {
    let mut people: Vec<Person<'a>> = Vec::new();
    let mut accounts = logins::close_open(builder.base_text(passwd::PATH)?);
    let mut groups = builder.base_text(group::PATH)?.to_owned();
    for user in users {
        let found = passwd::find(&accounts, &user.name).map_err(within(passwd::PATH))?;
        let known = found.is_some();
        let account = found.map_or_else(|| new(&accounts, &groups, user), Ok)?;
        accounts = passwd::edit(&accounts, &account);
        groups = group::edit(&groups, &user.name, account.gid, known, &memberships(user))
            .map_err(within(group::PATH))?;
        people.push(Person { user, account, known });
    }
    let own: Vec<bool> = users
        .iter()
        .map(|user| matches!(group::find(&groups, &user.name), Ok(Some(Group::OfPeople(_)))))
        .collect();
    builder.change(&at(passwd::PATH), REASON, |_| Ok(accounts))?;
    builder.change(&at(group::PATH), REASON, |_| Ok(groups))?;
    if !builder.is_absent(group::SHADOW_PATH)? {
        builder.change_secret(&at(group::SHADOW_PATH), REASON, |text| {
            let edit = |text: String, (user, own): (&User, bool)| {
                group::edit_shadow(&text, &user.name, own, &memberships(user))
            };
            users.iter().zip(own).try_fold(text.to_owned(), edit)
        })?;
    }
    for path in subids::PATHS {
        if !builder.is_absent(path)? {
            builder.change(&at(path), REASON, |text| {
                users.iter().try_fold(text.to_owned(), |text, user| subids::edit(&text, &user.name))
            })?;
        }
    }
    Ok(people)
}

/// An account with the first free number, or with the number of the group that is its own already. A group of the system
/// with its name, such as Ubuntu's `admin`, is not: its members may do more than others. Such an account has the group of
/// all users.
fn new(accounts: &str, groups: &str, user: &User) -> Result<passwd::Account, PlanError> {
    let uid = group::free_number(accounts, groups).map_err(within(passwd::PATH))?;
    let gid = match group::find(groups, &user.name).map_err(within(group::PATH))? {
        None => uid,
        Some(Group::OfPeople(gid)) => gid,
        Some(Group::OfSystem(gid)) => {
            group::of_all_users(groups, &user.name, gid).map_err(within(group::PATH))?
        }
    };
    Ok(passwd::new(accounts, &user.name, uid, gid))
}

/// Who may become root may also read the logs. Of somebody who may not, nothing is taken away but that.
fn memberships(user: &User) -> Vec<(&'static str, bool)> {
    if user.sudo { vec![("sudo", true), ("adm", true)] } else { vec![("sudo", false)] }
}

/// Root has none from now on: who may become root does so by sudo.
fn passwords(builder: &mut PlanBuilder, people: &[Person<'_>], today: i64) -> Result<(), PlanError> {
    builder.change_secret(&at(shadow::PATH), REASON, |text| {
        people.iter().try_fold(
            shadow::lock_root(&logins::close_open(text))?,
            |text, Person { user, known, .. }| {
                shadow::edit(&text, &user.name, user.password.as_ref(), today, *known)
            },
        )
    })
}

/// Accounts that the image's owner has made are kept; none is open to everybody.
fn close_open(builder: &mut PlanBuilder) -> Result<(), PlanError> {
    let reason = "nobody may log in without a password";
    if !builder.is_absent(passwd::PATH)? {
        builder.change(&at(passwd::PATH), reason, |text| Ok(logins::close_open(text)))?;
    }
    if builder.is_absent(shadow::PATH)? {
        return Ok(());
    }
    builder.change_secret(&at(shadow::PATH), reason, |text| Ok(logins::close_open(text)))
}

/// The home directory and the keys in it, all owned by the account: sshd passes over what others could have written
/// (`StrictModes` in sshd_config(5)).
fn home(builder: &mut PlanBuilder, person: &Person<'_>) -> Result<(), PlanError> {
    let passwd::Account { name, home, uid, gid, .. } = &person.account;
    let path = |path: String| {
        let path = ImagePath::parse(&path).ok().filter(|_| !matches!(home.as_str(), "/" | "/nonexistent"));
        path.ok_or_else(|| Unsupported::Home { name: name.clone(), home: home.clone() })
    };
    let owned = |mode, builder: &PlanBuilder| Attributes { uid: *uid, gid: *gid, ..builder.attributes(mode) };
    let dir = path(home.clone())?;
    safe(builder, &dir, *uid)?;
    builder.push(dir, Action::Dir(owned(0o700, builder)), REASON);
    if person.user.ssh_keys.is_empty() {
        return Ok(());
    }
    let (dir, file) = (path(format!("{home}/.ssh"))?, path(format!("{home}/.ssh/authorized_keys"))?);
    safe(builder, &dir, *uid)?;
    builder.push(dir, Action::Dir(owned(0o700, builder)), REASON);
    let old = match builder.facts.files.get(&file)? {
        FileState::Absent => "",
        FileState::Text(text, _) => text,
        _ => return Err(Unsupported::OpenPath(file).into()),
    };
    let text = authorized_keys::edit(old, &person.user.ssh_keys);
    let content = Content::Bytes(text.into_bytes().into());
    builder.push(file, Action::Write(content, owned(0o600, builder)), "keys of the cluster file");
    Ok(())
}

/// Whether a directory of the base, if it is there, can be written by nobody but its owner, who is the account or root.
fn safe(builder: &PlanBuilder, path: &ImagePath, uid: u32) -> Result<(), PlanError> {
    match builder.facts.files.get(path)? {
        FileState::Absent => Ok(()),
        FileState::Dir(found) if found.mode & 0o022 == 0 && [0, uid].contains(&found.uid) => Ok(()),
        _ => Err(Unsupported::OpenPath(path.clone()).into()),
    }
}

fn sudo(builder: &mut PlanBuilder, users: &[User]) -> Result<(), PlanError> {
    builder.remove(PI_RULE, "the cluster file says who may become root");
    let Some(first) = users.iter().find(|user| user.sudo) else {
        return Ok(());
    };
    let main = builder.facts.files.text(&at(sudoers::MAIN_PATH))?;
    if !main.is_some_and(sudoers::reads_dir) {
        let why = if main.is_none() { Unsupported::Sudo } else { Unsupported::Sudoers };
        return Err(why(first.name.clone()).into());
    }
    let rules = users.iter().filter(|user| user.sudo).map(|user| (&user.name, user.password.is_some()));
    builder.text(sudoers::PATH, sudoers::MODE, sudoers::render(rules), "who may become root");
    Ok(())
}

fn within(path: &'static str) -> impl Fn(EditError) -> PlanError {
    move |source| PlanError::Edit { path: path.to_owned(), source }
}
