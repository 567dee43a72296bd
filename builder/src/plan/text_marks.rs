//! Byte order marks, which some editors put before a text: the program that reads the text takes the mark for a part of the
//! first word, which is lost then (`console=` of `cmdline.txt`, `#cloud-config` of the user data).

use crate::formats::{config_txt, user_data};
use crate::fs::Attributes;
use crate::os::{Facts, FileState, Interest};
use crate::value::Secret;

use super::builder::{at, describe};
use super::edit::{Action, Content, Edit, Plan};
use super::error::PlanError;
use super::request::Request;

/// Texts on the boot partition that people edit on any machine, besides those that features change.
const NAMES: [&str; 7] = [
    config_txt::NAME,
    config_txt::AUTOBOOT,
    user_data::NAMES[0],
    user_data::NAMES[1],
    "network-config",
    "meta-data",
    "userconf.txt",
];

pub(super) const READS: [Interest; 7] = [
    Interest::Boot(NAMES[0]),
    Interest::Boot(NAMES[1]),
    Interest::Boot(NAMES[2]),
    Interest::Boot(NAMES[3]),
    Interest::Boot(NAMES[4]),
    Interest::Boot(NAMES[5]),
    Interest::Boot(NAMES[6]),
];

/// Removes the mark from every text that has one and that no other edit writes anew. UTF-16 is refused, since nobody would
/// read it.
pub(super) fn add(plan: &mut Plan, facts: &Facts, request: &Request<'_>) -> Result<(), PlanError> {
    for name in NAMES {
        let path = at(&format!("{}/{name}", facts.boot_dir));
        let state = facts.files.get(&path)?;
        if *state == FileState::Utf16 {
            return Err(PlanError::NotText { path: path.to_string(), found: describe(state) });
        }
    }
    for path in facts.files.marked() {
        let FileState::Text(text, attributes) = facts.files.get(path)? else { continue };
        if plan.edits.iter().any(|edit| edit.path == *path) {
            continue;
        }
        // Whatever it is, it may hold a password.
        let content = Content::Secret(Secret::new(text.clone()));
        let attributes = Attributes { mtime: request.time, ..*attributes };
        let reason = "without the byte order mark, which hides its first word";
        plan.edits.push(Edit {
            path: path.clone(),
            action: Action::Write(content, attributes),
            reason: reason.into(),
        });
    }
    Ok(())
}
