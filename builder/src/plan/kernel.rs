//! The kernel's arguments: k3s needs the memory cgroup, which a Pi's firmware switches off.

use crate::formats::kernel_args::CGROUP_MEMORY;
use crate::formats::{cmdline, grub_cfg, grub_default, init_program, raspi_extra_cmdline};
use crate::os::{Bootloader, Family, Interest};

use super::builder::PlanBuilder;
use super::disk_id;
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "k3s needs the memory cgroup";

pub(super) const READS: [Interest; 1] = [Interest::Path(raspi_extra_cmdline::PATH)];

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    match builder.facts.bootloader.clone() {
        Bootloader::PiFirmware { cmdline, .. } => {
            let id = disk_id::change(builder.facts, request)?;
            builder.change(&cmdline, REASON, |text| {
                let text = init_program::without_publishers(&disk_id::renamed(text, id))?;
                cmdline::edit(&text, &CGROUP_MEMORY)
            })?;
            if builder.facts.system.family == Family::DebianPi {
                keep_on_kernel_updates(builder)?;
            }
        }
        Bootloader::Grub { config } => {
            builder.change(&config, REASON, |text| grub_cfg::edit(text, &CGROUP_MEMORY))?;
            // update-grub writes grub.cfg anew at every kernel update and takes the words from here.
            builder.text(grub_default::PATH, 0o644, grub_default::render(&CGROUP_MEMORY), REASON);
        }
    }
    Ok(())
}

/// Debian's raspi-firmware writes cmdline.txt anew at every kernel update and takes further words from here.
fn keep_on_kernel_updates(builder: &mut PlanBuilder) -> Result<(), PlanError> {
    builder.change_or_make(raspi_extra_cmdline::PATH, REASON, |text| {
        raspi_extra_cmdline::edit(text, &CGROUP_MEMORY)
    })
}
