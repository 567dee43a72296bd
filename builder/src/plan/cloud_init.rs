//! cloud-init, which goes on running, since it grows the root on many bases: it must not undo what the image says.

use hc_common::network::NetworkStack;

use crate::formats::cloud_init::{self, CloudInitOverrides};
use crate::formats::user_data;
use crate::fs::ImagePath;
use crate::os::{Facts, FileState, Interest, NotTaken};

use super::builder::{PlanBuilder, at};
use super::error::PlanError;
use super::network;
use super::request::Request;

pub(super) const READS: [Interest; 1] = [Interest::Boot(user_data::NAME)];

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    if builder.facts.cloud_init.is_none() {
        return Ok(());
    }
    let seed = seed(builder.facts)?;
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
            || seed.as_ref().is_some_and(|(_, text)| !user_data::makes_accounts(text)),
        time_zone: request.cluster.time_zone.is_some(),
    };
    let text = cloud_init::render(overrides);
    builder.text(cloud_init::PATH, 0o644, text, "cloud-init would overwrite name and network");
    if let Some((path, _)) = seed {
        let reason = "cloud-init would give the node another name, or accounts that nobody asked for";
        // It may hold passwords.
        builder.change_secret(&path, reason, |text| user_data::edit(text, overrides))?;
    }
    Ok(())
}

/// The user data beside the boot files, where it is a text.
fn seed(facts: &Facts) -> Result<Option<(ImagePath, String)>, NotTaken> {
    let path = at(&format!("{}/{}", facts.boot_dir, user_data::NAME));
    Ok(match facts.files.get(&path)? {
        FileState::Text(text, _) => Some((path, text.clone())),
        _ => None,
    })
}
