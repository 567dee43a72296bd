//! The node's address where ifupdown sets it up. It knows interfaces by name only.

use crate::edit::interfaces;
use crate::edit::profile::Profile;
use crate::fs::ImagePath;
use crate::value::InterfaceName;

use super::draft::{Draft, at};
use super::error::PlanError;
use super::network::REASON;

pub(super) fn edits(draft: &mut Draft, profile: &Profile<'_>) -> Result<(), PlanError> {
    if let Some(mac) = profile.mac {
        return Err(PlanError::Unsupported {
            what: format!("choosing the interface by its MAC address {mac} on an image with ifupdown"),
            cure: "leave `mac` out and name the `interface`, such as eth0".to_owned(),
        });
    }
    let main = at(interfaces::PATH);
    let others = others(draft);
    let texts: Vec<&str> =
        others.iter().chain([&main]).filter_map(|path| draft.facts.files.text(path)).collect();
    let interface = match profile.interface {
        Some(interface) => interface.clone(),
        None => only_wired(&texts)?,
    };
    let up = texts.iter().any(|text| interfaces::is_brought_up(text, &interface));
    for path in others {
        draft.change(&path, REASON, |text| Ok(interfaces::without(text, &interface)))?;
    }
    draft.change(&main, REASON, |text| Ok(interfaces::edit(text, &interface, profile, up)))
}

/// The further files, where the main one reads them.
fn others(draft: &Draft) -> Vec<ImagePath> {
    let main = draft.facts.files.text(&at(interfaces::PATH));
    if !main.is_some_and(interfaces::reads_folder) {
        return Vec::new();
    }
    let folder = at(interfaces::FOLDER);
    let files = draft.facts.files.below(&folder).map(|(path, _)| path.clone());
    files.filter(|path| draft.facts.files.text(path).is_some()).collect()
}

/// The one that the base itself sets up.
fn only_wired(texts: &[&str]) -> Result<InterfaceName, PlanError> {
    let mut names: Vec<&str> = texts.iter().flat_map(|text| interfaces::configured(text)).collect();
    names.retain(|name| !name.starts_with("wl"));
    names.sort_unstable();
    names.dedup();
    let only = match names.as_slice() {
        [name] => name.parse().ok(),
        _ => None,
    };
    only.ok_or_else(|| PlanError::Unsupported {
        what: format!(
            "choosing among the interfaces that ifupdown sets up in the image ({})",
            names.join(", ")
        ),
        cure: "name the node's `interface`".to_owned(),
    })
}
