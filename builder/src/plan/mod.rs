//! From facts and a request to a list of edits. Pure: nothing is read, written or asked here.
//!
//! Each feature of a node is a file here: it names what it reads of the base and returns a contribution, edits and whatever
//! else, as data. [`plan`] puts them together; a new feature is a file and a line in its list.

mod boot;
mod builder;
mod charts;
mod cloud_init;
mod config_txt;
mod container_images;
mod contribution;
mod data_disk;
mod datastore;
mod device_tree;
mod disk_id;
mod edit;
mod error;
mod firstboot;
mod flash_wear;
mod k3s;
mod k3s_config;
mod k3s_settings;
mod kernel;
mod kernel_defaults;
mod modules;
mod mount_point;
mod network;
mod overlays;
mod packages;
mod questions;
mod registries;
mod request;
mod secrets;
mod seed;
mod shared_plan;
mod ssh;
mod swap;
mod system;
mod text_marks;
mod time_zone;
mod unsupported;
mod users;
mod warnings;
mod wifi;

pub use boot::BootFaults;
pub use container_images::{NodeImages, of_k3s, pulled};
pub use edit::{Action, Content, DiskId, Edit, Plan, Reason};
pub use error::PlanError;
pub use overlays::{FilledOverlay, ReadFolder};
pub use request::{NodeSecrets, Request};
pub use shared_plan::{SharedPlan, split};
pub use unsupported::Unsupported;
pub use warnings::warnings;

use contribution::{Add, Feature};

use crate::os::{Facts, Interest};

/// All features, in the order in which their edits are carried out.
static FEATURES: [Feature; 26] = [
    Feature { name: "disk id", reads: &[], add: Add::Alone(disk_id::edits) },
    Feature { name: "kernel arguments", reads: &kernel::READS, add: Add::Alone(kernel::edits) },
    Feature { name: "firmware settings", reads: &config_txt::READS, add: Add::Alone(config_txt::edits) },
    Feature { name: "system", reads: &system::READS, add: Add::Alone(system::edits) },
    Feature { name: "first-boot questions", reads: &questions::READS, add: Add::Alone(questions::edits) },
    Feature { name: "cloud-init", reads: &cloud_init::READS, add: Add::Alone(cloud_init::edits) },
    Feature { name: "time zone", reads: &time_zone::READS, add: Add::Alone(time_zone::edits) },
    Feature { name: "accounts", reads: &users::READS, add: Add::Alone(users::edits) },
    Feature { name: "SSH", reads: &ssh::READS, add: Add::Alone(ssh::edits) },
    Feature { name: "kernel modules", reads: &[], add: Add::Alone(modules::edits) },
    Feature { name: "Wi-Fi", reads: &wifi::READS, add: Add::Alone(wifi::edits) },
    Feature { name: "network", reads: &network::READS, add: Add::Alone(network::edits) },
    Feature { name: "swap", reads: &swap::READS, add: Add::Alone(swap::edits) },
    Feature { name: "flash wear", reads: &[], add: Add::Alone(flash_wear::edits) },
    Feature { name: "kernel defaults", reads: &[], add: Add::Alone(kernel_defaults::edits) },
    Feature { name: "data disk", reads: &data_disk::READS, add: Add::Alone(data_disk::edits) },
    Feature { name: "k3s", reads: &[], add: Add::Alone(k3s::edits) },
    Feature { name: "k3s settings", reads: &[], add: Add::FromAll(k3s_config::edits) },
    Feature { name: "datastore", reads: &[], add: Add::Alone(datastore::edits) },
    Feature { name: "k3s images and manifests", reads: &[], add: Add::Alone(k3s::payload) },
    Feature { name: "overlays", reads: &[], add: Add::Alone(overlays::edits) },
    Feature { name: "charts", reads: &[], add: Add::Alone(charts::edits) },
    Feature { name: "packages", reads: &[], add: Add::Alone(packages::edits) },
    Feature { name: "registries", reads: &[], add: Add::Alone(registries::edits) },
    Feature { name: "secrets", reads: &[], add: Add::Alone(secrets::edits) },
    Feature { name: "first boot", reads: &[], add: Add::FromAll(firstboot::edits) },
];

/// What [`plan`] reads of a base, for [`crate::os::probe`] to take.
pub fn files_of_interest() -> Vec<Interest> {
    let others = network::of_services().chain(mount_point::reads()).chain(text_marks::READS);
    FEATURES.iter().flat_map(|feature| feature.reads).copied().chain(others).collect()
}

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
    let all = contribution::contributions(&FEATURES, facts, request)?;
    mount_point::check(facts, request, &all)?;
    let mut plan = contribution::merge(all)?;
    text_marks::add(&mut plan, facts, request)?;
    // Last: a file that cannot be edited has the simpler cause.
    boot::check(facts, request)?;
    Ok(plan)
}

#[cfg(test)]
mod tests;
