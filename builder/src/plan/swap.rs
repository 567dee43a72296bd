//! Swap off, for good: the kubelet's memory limits mean nothing with it, and it wears a card.

use std::collections::BTreeSet;

use crate::formats::{dphys_swapfile, rpi_swap, zram_generator};
use crate::os::{Interest, Swap};

use super::builder::{PlanBuilder, at};
use super::edit::Action;
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "k3s runs without swap";

pub(super) const READS: [Interest; 1] = [Interest::Path(dphys_swapfile::PATH)];

pub(super) fn edits(builder: &mut PlanBuilder, _: &Request<'_>) -> Result<(), PlanError> {
    // Two mechanisms may use the same file.
    let mut files = BTreeSet::new();
    for swap in builder.facts.swap.clone() {
        match swap {
            Swap::DphysSwapfile { file } => {
                dphys(builder)?;
                files.extend(file);
            }
            Swap::RpiSwap => rpi(builder),
            Swap::ZramGenerator => zram_generator(builder),
            Swap::ZramService { unit } | Swap::Unit { unit } => mask(builder, &unit),
            // Their files are edited together with what else cloud-init must not do.
            Swap::CloudInit { .. } => {}
            // The line goes together with the mounts, see `data_disk`: one file, one edit.
            Swap::Fstab { file, .. } => files.extend(file),
            // Without a line in fstab, which is removed, systemd switches it on by its type (systemd-gpt-auto-generator(8)).
            // The generator then finds nothing else either: stock images name in fstab what they mount.
            Swap::GptPartition { .. } => {
                builder.link(
                    "/etc/systemd/system-generators/systemd-gpt-auto-generator",
                    "/dev/null",
                    REASON,
                );
            }
        }
    }
    files.into_iter().for_each(|file| builder.push(file, Action::Remove, REASON));
    Ok(())
}

/// Masked: what else wants the unit, an update of its package, or presets on a first boot whose root is writable then, would
/// bring it back where only the links are gone.
fn dphys(builder: &mut PlanBuilder) -> Result<(), PlanError> {
    for target in ["multi-user.target.wants", "local-fs.target.wants"] {
        builder.remove(&format!("/etc/systemd/system/{target}/dphys-swapfile.service"), REASON);
    }
    for level in ["rc0.d/K01", "rc1.d/K01", "rc2.d/S01", "rc3.d/S01", "rc4.d/S01", "rc5.d/S01", "rc6.d/K01"] {
        builder.remove(&format!("/etc/{level}dphys-swapfile"), REASON);
    }
    builder.link("/etc/systemd/system/dphys-swapfile.service", "/dev/null", REASON);
    builder.change(&at(dphys_swapfile::PATH), REASON, |text| Ok(dphys_swapfile::edit(text)))?;
    Ok(())
}

/// Not only disabled, for the same reasons.
fn mask(builder: &mut PlanBuilder, unit: &str) {
    for target in ["multi-user.target.wants", "swap.target.wants"] {
        builder.remove(&format!("/etc/systemd/system/{target}/{unit}"), REASON);
    }
    builder.link(&format!("/etc/systemd/system/{unit}"), "/dev/null", REASON);
}

fn zram_generator(builder: &mut PlanBuilder) {
    builder.text(zram_generator::PATH, 0o644, zram_generator::render(), REASON);
    builder.link("/etc/systemd/system-generators/zram-generator", "/dev/null", REASON);
}

/// Both its own switch and zram-generator's: either alone comes back with an update of the other.
fn rpi(builder: &mut PlanBuilder) {
    builder.text(rpi_swap::PATH, 0o644, rpi_swap::render(), REASON);
    builder.link("/etc/systemd/system-generators/rpi-swap-generator", "/dev/null", REASON);
    zram_generator(builder);
}
