//! The first-boot service: program, units, the seed, and the file in which a user may still change the node.

use hc_firstboot::announce::{ISSUE_LINK, ISSUE_PATH};
use hc_firstboot::overrides::{OVERRIDES_FILE, OVERRIDES_TEMPLATE};
use hc_firstboot::{ANNOUNCE_UNIT, ANNOUNCE_UNIT_TEXT, PROGRAM_PATH, STATUS_UNIT, UNIT, seed};

use super::builder::PlanBuilder;
use super::contribution::Gathered;
use super::edit::Content;
use super::error::PlanError;
use super::request::Request;

/// Only root looks in here.
const SEED_DIR: &str = "/etc/hcimage";

/// Without a machine id systemd enables everything that has an [Install] section, unless a preset says no. It can where it
/// finds the root writable (`rw` among the kernel's arguments, as on Debian for the Pi, or from the initramfs): on Raspberry Pi
/// OS trixie it is not yet, and nothing is enabled.
const PRESET_PATH: &str = "/etc/systemd/system-preset/00-hcimage.preset";
const PRESET: &str = "# Written by hcimage: firstboot enables k3s, when the node is ready for it.\n\
                      enable hc-firstboot.service\n\
                      enable hcimage-announce.service\n\
                      enable hcimage-stop-containers.service\n\
                      disable k3s.service\n\
                      disable k3s-agent.service\n";
const PRESET_PAGE: &str = "enable hcimage-status.service\n";
const PRESET_SSH: &str = "enable ssh.service\n";

pub(super) fn edits(
    builder: &mut PlanBuilder,
    request: &Request<'_>,
    gathered: &Gathered,
) -> Result<(), PlanError> {
    builder.file(
        PROGRAM_PATH,
        0o755,
        Content::Bytes(request.firstboot.into()),
        "finishes the node on its first boot",
    );
    let unit = format!("/etc/systemd/system/{UNIT}");
    builder.text(&unit, 0o644, hc_firstboot::UNIT_TEXT, "runs firstboot until it is done");
    builder.link(&format!("/etc/systemd/system/multi-user.target.wants/{UNIT}"), &unit, "enabled");
    let announce = format!("/etc/systemd/system/{ANNOUNCE_UNIT}");
    builder.text(
        &announce,
        0o644,
        ANNOUNCE_UNIT_TEXT,
        "tells network, console and LED how the first boot stands",
    );
    builder.link(
        &format!("/etc/systemd/system/multi-user.target.wants/{ANNOUNCE_UNIT}"),
        &announce,
        "enabled",
    );
    builder.link(ISSUE_LINK, ISSUE_PATH, "shows address and phase above the login prompt");
    builder.text(
        &format!("/etc/systemd/system/{}.d/10-hcimage.conf", request.node.bootstrap_role.role().unit()),
        0o644,
        hc_firstboot::CLOCK_GATE_TEXT,
        "k3s waits for a sane clock at every start",
    );
    let page = if request.cluster.status_page.is_some() { PRESET_PAGE } else { "" };
    if !page.is_empty() {
        let unit = format!("/etc/systemd/system/{STATUS_UNIT}");
        builder.text(&unit, 0o644, hc_firstboot::STATUS_UNIT_TEXT, "shows the first boot by HTTP");
        builder.link(&format!("/etc/systemd/system/multi-user.target.wants/{STATUS_UNIT}"), &unit, "enabled");
    }
    let ssh = if super::ssh::is_wanted(request) { PRESET_SSH } else { "" };
    builder.text(
        PRESET_PATH,
        0o644,
        format!("{PRESET}{page}{ssh}"),
        "systemd's first boot must not enable k3s before firstboot does",
    );
    let overrides = format!("{}/{OVERRIDES_FILE}", builder.facts.boot_dir);
    builder.text(&overrides, 0o644, OVERRIDES_TEMPLATE, "name and address may still be changed on the card");
    let seed = super::seed::seed(builder, request, gathered)?.to_toml()?;
    builder.dir(SEED_DIR, 0o700, "for the seed");
    builder.text(seed::SEED_PATH, 0o600, seed, "what firstboot needs to know");
    Ok(())
}
