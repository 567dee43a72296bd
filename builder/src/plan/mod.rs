//! From facts and wishes to a list of edits. Pure: nothing is read, written or asked here.

mod data_disk;
mod draft;
mod edit;
mod error;
mod firstboot;
mod k3s;
mod kernel;
mod manifest;
mod network;
mod request;
mod swap;
mod system;

pub use edit::{Action, Content, Edit, Plan};
pub use error::PlanError;
pub use manifest::{BadManifest, Manifest};
pub use request::{DataDisk, Request};

use draft::Draft;

use crate::os::Facts;

/// All edits that make the image with these facts into the node that is asked for, in the order in which they
/// are carried out. What an image has already, from an earlier build, is left alone when they are carried out.
pub fn plan(facts: &Facts, request: &Request) -> Result<Plan, PlanError> {
    if facts.arch != request.arch {
        return Err(PlanError::Architecture {
            board: request.board.clone(),
            needs: request.arch,
            found: facts.arch,
        });
    }
    let mut draft = Draft::new(facts, request.time);
    kernel::edits(&mut draft)?;
    system::edits(&mut draft, request)?;
    network::edits(&mut draft, request)?;
    swap::edits(&mut draft)?;
    data_disk::edits(&mut draft, request)?;
    k3s::edits(&mut draft, request)?;
    firstboot::edits(&mut draft, request)?;
    Ok(draft.finish())
}
