//! The SSH server: on where the cluster file gives accounts keys, and then by keys alone.

use crate::formats::sshd_config;
use crate::os::FileState;

use super::builder::{PlanBuilder, at};
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "accounts of the cluster file log in by their keys";

/// The unit's other name, and its place in the package.
const ALIAS: &str = "/etc/systemd/system/sshd.service";
const UNIT: &str = "/lib/systemd/system/ssh.service";

/// Whether anybody is to log in by SSH.
pub(super) fn is_wanted(request: &Request<'_>) -> bool {
    request.cluster.users.iter().any(|user| !user.ssh_keys.is_empty())
}

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    if !is_wanted(request) {
        return Ok(());
    }
    let state = |path: &str| builder.facts.files.get(&at(path));
    if *state(UNIT) == FileState::Absent {
        return Err(PlanError::Unsupported {
            what: "an account with SSH keys on an image without the package openssh-server".to_owned(),
            hint: "use an image with an SSH server, or leave `ssh-keys` out and set `password-hash`"
                .to_owned(),
        });
    }
    if !sshd_config::reads_dir_first(builder.base_text(sshd_config::MAIN_PATH)?) {
        return Err(PlanError::Unsupported {
            what: format!("{} of the image, which sets who may log in itself,", sshd_config::MAIN_PATH),
            hint: "restore the stock file, whose first line includes /etc/ssh/sshd_config.d/*.conf"
                .to_owned(),
        });
    }
    enable(builder);
    builder.text(sshd_config::PATH, 0o644, sshd_config::render(), "by keys alone, and nobody as root");
    Ok(())
}

/// Raspberry Pi OS leaves the service disabled.
fn enable(builder: &mut PlanBuilder) {
    let state = |path: &str| builder.facts.files.get(&at(path));
    let is_masked =
        matches!(state("/etc/systemd/system/ssh.service"), FileState::Link(target) if target == "/dev/null");
    let enabled = |path: &str| matches!(state(path), FileState::Link(_));
    let wants = "/etc/systemd/system/multi-user.target.wants/ssh.service";
    // By its socket, as on Ubuntu, it is as good.
    let on = enabled(wants) || enabled("/etc/systemd/system/sockets.target.wants/ssh.socket");
    if is_masked {
        builder.remove("/etc/systemd/system/ssh.service", REASON);
    }
    if !on {
        builder.link(wants, UNIT, REASON);
        builder.link(ALIAS, UNIT, REASON);
    }
}
