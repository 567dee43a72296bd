//! From facts and wishes to a list of edits. Pure: nothing is read, written or asked here.

mod builder;
mod cloud_init;
mod config_txt;
mod data_disk;
mod device_tree;
mod edit;
mod error;
mod firstboot;
mod flash_wear;
mod k3s;
mod k3s_config;
mod kernel;
mod modules;
mod network;
mod registries;
mod request;
mod secrets;
mod seed;
mod shared_plan;
mod ssh;
mod swap;
mod system;
mod time_zone;
mod users;
mod wifi;

pub use edit::{Action, Content, Edit, Plan};
pub use error::PlanError;
pub use request::{NodeSecrets, Request};
pub use shared_plan::{SharedPlan, split};

use builder::PlanBuilder;

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
    let mut builder = PlanBuilder::new(facts, request.time);
    kernel::edits(&mut builder)?;
    config_txt::edits(&mut builder, request)?;
    system::edits(&mut builder, request)?;
    cloud_init::edits(&mut builder, request)?;
    time_zone::edits(&mut builder, request)?;
    users::edits(&mut builder, request)?;
    ssh::edits(&mut builder, request)?;
    modules::edits(&mut builder, request)?;
    network::edits(&mut builder, request)?;
    swap::edits(&mut builder)?;
    flash_wear::edits(&mut builder, request);
    data_disk::edits(&mut builder, request)?;
    k3s::edits(&mut builder, request)?;
    registries::edits(&mut builder, request);
    secrets::edits(&mut builder, request);
    firstboot::edits(&mut builder, request)?;
    Ok(builder.finish())
}
