//! From facts and wishes to a list of edits. Pure: nothing is read, written or asked here.

mod card_care;
mod cloud_init;
mod config_txt;
mod data_disk;
mod device_tree;
mod draft;
mod edit;
mod error;
mod firstboot;
mod ifupdown;
mod k3s;
mod k3s_config;
mod kernel;
mod modules;
mod network;
mod registries;
mod request;
mod secrets;
mod seed;
mod split;
mod ssh;
mod swap;
mod system;
mod time_zone;
mod users;
mod wifi;

pub use edit::{Action, Content, Edit, Plan};
pub use error::PlanError;
pub use request::{NodeSecrets, Request};
pub use split::{Split, split};

use draft::Draft;

use crate::os::Facts;

/// All edits that make the image with these facts into the node that is asked for, in the order in which they
/// are carried out. What an image has already, from an earlier build, is left alone when they are carried out.
pub fn plan(facts: &Facts, request: &Request<'_>) -> Result<Plan, PlanError> {
    let board = request.board;
    if facts.arch != board.architecture {
        return Err(PlanError::Architecture {
            board: board.name.clone(),
            needs: board.architecture,
            found: facts.arch,
        });
    }
    device_tree::check(facts, board)?;
    let mut draft = Draft::new(facts, request.time);
    kernel::edits(&mut draft)?;
    config_txt::edits(&mut draft, request)?;
    system::edits(&mut draft, request)?;
    cloud_init::edits(&mut draft, request)?;
    time_zone::edits(&mut draft, request)?;
    users::edits(&mut draft, request)?;
    ssh::edits(&mut draft, request)?;
    modules::edits(&mut draft, request)?;
    network::edits(&mut draft, request)?;
    swap::edits(&mut draft)?;
    card_care::edits(&mut draft, request);
    data_disk::edits(&mut draft, request)?;
    k3s::edits(&mut draft, request)?;
    registries::edits(&mut draft, request);
    secrets::edits(&mut draft, request);
    firstboot::edits(&mut draft, request)?;
    Ok(draft.finish())
}
