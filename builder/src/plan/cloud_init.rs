//! cloud-init, which goes on running, since it grows the root on many bases: it must not undo what the image says.

use hc_common::network::NetworkStack;

use crate::formats::cloud_init::{self, CloudInitOverrides};
use crate::formats::user_data::{Kind, Opaque};
use crate::formats::{cloud_cfg, user_data};
use crate::fs::ImagePath;
use crate::os::{FileState, Interest};

use super::builder::{PlanBuilder, at, describe};
use super::error::PlanError;
use super::network;
use super::request::Request;
use super::unsupported::Unsupported;

pub(super) const READS: [Interest; 8] = [
    Interest::Boot(user_data::NAMES[0]),
    Interest::Boot(user_data::NAMES[1]),
    Interest::Path(user_data::PATHS[0]),
    Interest::Path(user_data::PATHS[1]),
    Interest::Path(user_data::PATHS[2]),
    Interest::Path(user_data::PATHS[3]),
    Interest::Path(cloud_cfg::PATH),
    Interest::Dir(cloud_cfg::DIR),
];

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    if builder.facts.cloud_init.is_none() {
        return Ok(());
    }
    let seeds = seeds(builder)?;
    let overrides = CloudInitOverrides {
        // Where cloud-init writes the base's network and no edit of ours does, it must go on, or there is none;
        // where an edit does, both would set up the same interface.
        network: network::is_ours(builder.facts, request)?
            || matches!(
                builder.facts.network.as_slice(),
                [NetworkStack::NetworkManager | NetworkStack::Dhcpcd]
            ),
        // Ubuntu's seed for the Pi opens an account with a password that everybody knows. Only accounts that the
        // owner of the image has put into it are kept, and those only where the cluster file names none.
        accounts: !request.cluster.users.is_empty()
            || !seeds.is_empty() && !seeds.iter().any(|(_, text)| user_data::makes_accounts(text)),
        time_zone: request.cluster.time_zone.is_some(),
    };
    let text = cloud_init::render(overrides);
    builder.text(cloud_init::PATH, 0o644, text, "cloud-init would overwrite name and network");
    for (path, _) in seeds {
        let reason = "cloud-init would give the node another name, swap, or accounts that nobody asked for";
        // It may hold passwords.
        builder.change_secret(&path, reason, |text| user_data::edit(text, overrides))?;
    }
    configuration(builder)
}

/// User data and vendor data, wherever they lie, where they are texts that can be looked into.
fn seeds(builder: &PlanBuilder) -> Result<Vec<(ImagePath, String)>, PlanError> {
    let beside_boot = user_data::NAMES.map(|name| at(&format!("{}/{name}", builder.facts.boot_dir)));
    let mut seeds = Vec::new();
    for path in beside_boot.into_iter().chain(user_data::PATHS.map(at)) {
        let unseen = |what: String| Unsupported::UserData { path: path.clone(), what };
        match builder.facts.files.get(&path)? {
            FileState::Absent => {}
            FileState::Text(text, _) => match Kind::of(text) {
                Kind::Opaque(kind) => return Err(unseen(kind.to_string()).into()),
                Kind::Nothing | Kind::CloudConfig | Kind::Script => seeds.push((path, text.clone())),
            },
            FileState::Link(_) | FileState::Dir(_) => {
                return Err(unseen("a link or a directory".to_owned()).into());
            }
            state @ FileState::Utf16 => return Err(unseen(describe(state).to_owned()).into()),
            FileState::Other(_) => return Err(unseen(Opaque::Binary.to_string()).into()),
        }
    }
    Ok(seeds)
}

/// Its own files, of which the lines for swap go; all else is overruled by ours.
fn configuration(builder: &mut PlanBuilder) -> Result<(), PlanError> {
    let (main, dir) = (at(cloud_cfg::PATH), at(cloud_cfg::DIR));
    let mut paths = vec![main];
    paths.extend(builder.facts.files.below(&dir)?.map(|(path, _)| path.clone()));
    for path in paths {
        let is_read = path.as_str().ends_with(".cfg") && path.as_str() != cloud_init::PATH;
        if is_read && builder.facts.files.text(&path)?.is_some() {
            builder.change(&path, "k3s runs without swap", cloud_cfg::without_swap_lines)?;
        }
    }
    Ok(())
}
