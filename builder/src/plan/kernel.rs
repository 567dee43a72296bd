//! The kernel's arguments: k3s needs the memory cgroup, which a Pi's firmware switches off.

use crate::edit::kernel_words::CGROUP_MEMORY;
use crate::edit::{cmdline, grub_cfg, grub_default, raspi_extra_cmdline};
use crate::os::{Bootloader, Family};

use super::draft::Draft;
use super::error::PlanError;

const REASON: &str = "k3s needs the memory cgroup";

pub(super) fn edits(draft: &mut Draft) -> Result<(), PlanError> {
    match draft.facts.bootloader.clone() {
        Bootloader::PiFirmware { cmdline, .. } => {
            draft.change(&cmdline, REASON, |text| cmdline::edit(text, &CGROUP_MEMORY))?;
            if draft.facts.system.family == Family::DebianPi {
                keep_on_kernel_updates(draft)?;
            }
        }
        Bootloader::Grub { config } => {
            draft.change(&config, REASON, |text| grub_cfg::edit(text, &CGROUP_MEMORY))?;
            // update-grub writes grub.cfg anew at every kernel update and takes the words from here.
            draft.text(grub_default::PATH, 0o644, grub_default::render(&CGROUP_MEMORY), REASON);
        }
    }
    Ok(())
}

/// Debian's raspi-firmware writes cmdline.txt anew at every kernel update and takes further words from here.
fn keep_on_kernel_updates(draft: &mut Draft) -> Result<(), PlanError> {
    draft.change_or_make(raspi_extra_cmdline::PATH, REASON, |text| {
        raspi_extra_cmdline::edit(text, &CGROUP_MEMORY)
    })
}
