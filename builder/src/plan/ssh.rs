//! The SSH server: on where the cluster file gives accounts keys, and then by keys alone.

use crate::formats::sshd_config;
use crate::os::{FileState, Interest, NotTaken};

use super::builder::PlanBuilder;
use super::error::PlanError;
use super::request::Request;
use super::unsupported::Unsupported;

const REASON: &str = "accounts of the cluster file log in by their keys";

/// The unit's other name, and its place in the package.
const ALIAS: &str = "/etc/systemd/system/sshd.service";
const UNIT: &str = "/lib/systemd/system/ssh.service";
const OVERRIDE: &str = "/etc/systemd/system/ssh.service";
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants/ssh.service";
const WANTS_SOCKET: &str = "/etc/systemd/system/sockets.target.wants/ssh.socket";

pub(super) const READS: [Interest; 5] = [
    Interest::Path(UNIT),
    Interest::Path(OVERRIDE),
    Interest::Path(WANTS),
    Interest::Path(WANTS_SOCKET),
    Interest::Path(sshd_config::MAIN_PATH),
];

/// Whether anybody is to log in by SSH.
pub(super) fn is_wanted(request: &Request<'_>) -> bool {
    request.cluster.users.iter().any(|user| !user.ssh_keys.is_empty())
}

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    if !is_wanted(request) {
        return Ok(());
    }
    if builder.is_absent(UNIT)? {
        return Err(Unsupported::SshServer.into());
    }
    if !sshd_config::reads_dir_first(builder.base_text(sshd_config::MAIN_PATH)?) {
        return Err(Unsupported::SshConfiguration(sshd_config::MAIN_PATH).into());
    }
    enable(builder)?;
    builder.text(sshd_config::PATH, 0o644, sshd_config::render(), "by keys alone, and nobody as root");
    Ok(())
}

/// Raspberry Pi OS leaves the service disabled.
fn enable(builder: &mut PlanBuilder) -> Result<(), NotTaken> {
    let is_masked = matches!(builder.base(OVERRIDE)?, FileState::Link(target) if target == "/dev/null");
    // By its socket, as on Ubuntu, it is as good.
    let is_link = |path| -> Result<bool, NotTaken> { Ok(matches!(builder.base(path)?, FileState::Link(_))) };
    let is_on = is_link(WANTS)? || is_link(WANTS_SOCKET)?;
    if is_masked {
        builder.remove(OVERRIDE, REASON);
    }
    if !is_on {
        builder.link(WANTS, UNIT, REASON);
        builder.link(ALIAS, UNIT, REASON);
    }
    Ok(())
}
