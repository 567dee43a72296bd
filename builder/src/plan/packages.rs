//! Packages of the base's distribution: their files on the card, and the unit in which firstboot has dpkg install them.

use hc_firstboot::{INSTALL_PACKAGES, INSTALL_PACKAGES_PATH, PACKAGES_UNIT, PACKAGES_UNIT_TEXT, seed};

use super::builder::PlanBuilder;
use super::error::PlanError;
use super::request::Request;

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    if request.packages.0.is_empty() {
        return Ok(());
    }
    for package in &request.packages.0 {
        let path = format!("{}/{:02}/{}", seed::PACKAGES_DIR, package.stage, package.file.name);
        let reason = match &package.replaces {
            Some(old) => format!("package {} {}, which replaces {old}", package.name, package.version),
            None => format!("package {} {}", package.name, package.version),
        };
        builder.artifact(&path, 0o644, &package.file, reason);
    }
    builder.text(INSTALL_PACKAGES_PATH, 0o755, INSTALL_PACKAGES, "has dpkg install the packages");
    let path = format!("/etc/systemd/system/{PACKAGES_UNIT}");
    builder.text(&path, 0o644, PACKAGES_UNIT_TEXT, "firstboot starts it to have the packages installed");
    Ok(())
}

/// What firstboot is told; none where no package is asked for. One that the base has already may have its units enabled all the
/// same.
pub(super) fn seed(request: &Request<'_>) -> Option<seed::Packages> {
    let wanted = || request.cluster.packages.iter().filter(|package| package.nodes.includes(request.node));
    wanted().next()?;
    let installed = request.packages.0.iter().filter_map(|package| package.name.parse().ok());
    Some(seed::Packages {
        installed: installed.collect(),
        enable: wanted().flat_map(|package| package.enable.iter().cloned()).collect(),
        disable: wanted().flat_map(|package| package.disable.iter().cloned()).collect(),
    })
}
