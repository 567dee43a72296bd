//! Sets the host name, and checks that the machine has its own machine ID and host keys.

use std::path::Path;
use std::time::Duration;

use super::Phase;
use crate::context::Context;
use crate::durable;
use crate::overrides::{OVERRIDES_FILE, Overrides};
use crate::phase_error::PhaseError;
use crate::state::{self, PhaseName};
use crate::sys::Command;
use crate::systemd::{self, Unit, is_enabled, systemctl};

const HOSTNAME_PATH: &str = "/etc/hostname";
const HOSTS_PATH: &str = "/etc/hosts";
const MACHINE_ID_PATH: &str = "/etc/machine-id";

/// Debian's address for the machine's own name (Debian Reference, 5.1.1).
const OWN_ADDRESS: &str = "127.0.1.1";

/// The user's overrides for k3s, which reads these files in order; the last value wins.
const K3S_OVERRIDES: &str = "/etc/rancher/k3s/config.yaml.d/90-hcimage-toml.yaml";

const SSHD: &str = "/usr/sbin/sshd";
const SSHD_UNIT: &str = "ssh.service";
const SSH_DIR: &str = "/etc/ssh";

/// The time limit of ssh-keygen. The time for an RSA key is random, and a board is busy at its first boot: a minute was
/// too short on a slow emulated one.
const KEYGEN_LIMIT: Duration = Duration::from_secs(300);

pub(super) struct Identity;

impl Phase for Identity {
    fn name(&self) -> PhaseName {
        PhaseName::Identity
    }

    /// systemd writes the machine ID early in every boot; a minute is enough.
    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::from_secs(60)
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        let read = cx.state.committed || cx.state.overrides == overrides(cx)?;
        Ok(read && is_named(cx) && settings_are_right(cx)? && has_machine_id(cx) && has_host_keys(cx))
    }

    /// Sets the host name now and for later boots (cloud-init may have changed it).
    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        if !cx.state.committed {
            cx.state.overrides = overrides(cx)?;
            // Checked here, before anything depends on it.
            cx.network()?;
            cx.save().map_err(PhaseError::Abort)?;
        }
        let name = cx.hostname();
        for (path, wanted) in
            [(HOSTNAME_PATH, format!("{name}\n")), (HOSTS_PATH, hosts(&text(cx, HOSTS_PATH), name))]
        {
            if text(cx, path) != wanted {
                replace(cx, path, &wanted, 0o644)?;
            }
        }
        if cx.sys.hostname() != name {
            cx.sys.set_hostname(name).map_err(|e| failed(&format!("setting the host name to {name}"), &e))?;
        }
        write_settings(cx)?;
        make_host_keys(cx)
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        if !is_named(cx) {
            let what = format!("wrong host name: expected {}, found {}", cx.hostname(), cx.sys.hostname());
            return Err(PhaseError::retry(what, "find the program that changes it (cloud-init, DHCP)"));
        }
        if !has_machine_id(cx) {
            let what = format!("{MACHINE_ID_PATH} has no machine ID yet");
            return Err(PhaseError::retry(
                what,
                "check that /etc is writable, then power the node off and on",
            ));
        }
        if !has_host_keys(cx) {
            let what = format!("{SSH_DIR} has no host keys after `ssh-keygen -A`");
            return Err(PhaseError::retry(
                what,
                "check that /etc is writable, then power the node off and on",
            ));
        }
        Ok(notes(cx))
    }
}

/// The user's overrides. An invalid file stops the run: otherwise the node would join the cluster with an unintended name
/// or address.
fn overrides(cx: &Context<'_>) -> Result<Overrides, PhaseError> {
    Overrides::load(cx.sys, &cx.seed.report.boot_dir).map_err(|what| {
        let advice = "fix or delete the file with another computer, then power the node off and on";
        PhaseError::abort(what, advice)
    })
}

fn notes(cx: &Context<'_>) -> Vec<String> {
    let now = Overrides::load(cx.sys, &cx.seed.report.boot_dir).ok();
    if cx.state.committed && now.is_some_and(|now| now != cx.state.overrides) {
        return vec![format!("{OVERRIDES_FILE} was changed after the start of k3s: ignored")];
    }
    if cx.state.overrides.is_empty() {
        Vec::new()
    } else {
        vec![format!("{}, by {OVERRIDES_FILE}", cx.hostname())]
    }
}

fn is_named(cx: &Context<'_>) -> bool {
    let name = cx.hostname();
    let hosts_now = text(cx, HOSTS_PATH);
    cx.sys.hostname() == name
        && text(cx, HOSTNAME_PATH).trim() == name
        && hosts(&hosts_now, name) == hosts_now
}

/// `/etc/hosts` with the host name at Debian's address for it; without it sudo and others wait for a name server.
fn hosts(text: &str, name: &str) -> String {
    let is_own = |line: &str| line.split_ascii_whitespace().next() == Some(OWN_ADDRESS);
    let has_name = |line: &str| {
        let active = line.split('#').next().unwrap_or_default();
        active.split_ascii_whitespace().skip(1).any(|word| word == name)
    };
    if text.lines().any(|line| is_own(line) && has_name(line)) {
        return text.to_owned();
    }
    let others = text.lines().filter(|line| !is_own(line));
    let own = format!("{OWN_ADDRESS}\t{name}");
    others.chain([own.as_str()]).flat_map(|line| [line, "\n"]).collect()
}

/// Name and address for k3s, if the user changed them: they override the builder's configuration.
fn settings(cx: &Context<'_>) -> Option<String> {
    let overrides = &cx.state.overrides;
    let name = overrides.hostname.as_ref().map(|_| format!("node-name: \"{}\"\n", cx.node_name()));
    let address = overrides.address.map(|address| format!("node-ip: \"{}\"\n", address.ip()));
    let lines: String = [name, address].into_iter().flatten().collect();
    (!lines.is_empty()).then(|| format!("# From {OVERRIDES_FILE} on the boot partition.\n{lines}"))
}

fn settings_are_right(cx: &Context<'_>) -> Result<bool, PhaseError> {
    Ok(settings(cx).unwrap_or_default() == text(cx, K3S_OVERRIDES))
}

fn write_settings(cx: &Context<'_>) -> Result<(), PhaseError> {
    if settings_are_right(cx)? {
        return Ok(());
    }
    if let Some(dir) = Path::new(K3S_OVERRIDES).parent() {
        cx.sys.make_dirs(dir).map_err(|e| failed(&format!("creating {}", dir.display()), &e))?;
    }
    // An empty file has the effect of no file, and is replaced just as durably.
    replace(cx, K3S_OVERRIDES, &settings(cx).unwrap_or_default(), 0o600)
}

/// 32 hex digits (machine-id(5)); before that the file is empty or `uninitialized`. systemd must write it, because the
/// base's first-boot conditions depend on it.
fn has_machine_id(cx: &Context<'_>) -> bool {
    let id = text(cx, MACHINE_ID_PATH);
    let id = id.trim();
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// If sshd is installed, at least one host key that is not empty (a power cut may leave an empty one).
fn has_host_keys(cx: &Context<'_>) -> bool {
    if cx.sys.stat(Path::new(SSHD)).is_err() {
        return true;
    }
    let names = cx.sys.list(Path::new(SSH_DIR)).unwrap_or_default();
    let keys = names.iter().filter(|name| name.starts_with("ssh_host_") && name.ends_with("_key"));
    let mut sizes = keys.map(|name| cx.sys.stat(&Path::new(SSH_DIR).join(name)).map_or(0, |stat| stat.size));
    sizes.next().is_some_and(|first| first > 0 && sizes.all(|size| size > 0))
}

/// The base's own service has run before (by the order of the units). If it is missing or failed, the keys are created
/// here. Empty key files are removed, because ssh-keygen creates only missing ones.
fn make_host_keys(cx: &Context<'_>) -> Result<(), PhaseError> {
    if has_host_keys(cx) {
        return Ok(());
    }
    let dir = Path::new(SSH_DIR);
    for name in cx.sys.list(dir).unwrap_or_default() {
        let path = dir.join(&name);
        if name.starts_with("ssh_host_") && cx.sys.stat(&path).is_ok_and(|stat| stat.size == 0) {
            cx.sys
                .remove(&path)
                .map_err(|e| failed(&format!("removing the empty {}", path.display()), &e))?;
        }
    }
    let mut command = Command::new("ssh-keygen", ["-A"]);
    command.limit = KEYGEN_LIMIT;
    let output = systemd::run(cx.sys, &command)?;
    // Without a sync the key could be empty after a power cut.
    cx.sys.sync_all().map_err(|e| failed("writing the host keys", &e))?;
    if output.success {
        return start_sshd(cx);
    }
    let what = format!("running {command}: {}", systemd::last_line(&output.stderr));
    Err(PhaseError::retry(what, "check whether the card is full or worn out (see dmesg)"))
}

/// Without host keys sshd has failed already, so often that systemd does not try again.
fn start_sshd(cx: &Context<'_>) -> Result<(), PhaseError> {
    if !is_enabled(cx.sys, SSHD_UNIT)? || Unit::show(cx.sys, SSHD_UNIT)?.active != "failed" {
        return Ok(());
    }
    systemctl(cx.sys, ["reset-failed", SSHD_UNIT])?;
    systemctl(cx.sys, ["start", "--no-block", SSHD_UNIT])?;
    Ok(())
}

fn replace(cx: &Context<'_>, path: &str, content: &str, mode: u32) -> Result<(), PhaseError> {
    durable::replace(cx.sys, Path::new(path), content.as_bytes(), mode)
        .map_err(|e| failed(&format!("writing {path}"), &e))
}

fn failed(what: &str, e: &std::io::Error) -> PhaseError {
    PhaseError::abort(format!("{what}: {e}"), state::advice(e))
}

/// The content of a file; empty if it is missing, which has the same meaning.
fn text(cx: &Context<'_>, path: &str) -> String {
    let bytes = cx.sys.read(Path::new(path)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::hosts;

    #[test]
    fn hosts_gets_the_own_name_once() {
        let table = [
            ("127.0.0.1 localhost\n127.0.1.1 old\n", "127.0.0.1 localhost\n127.0.1.1\thc-1\n"),
            ("127.0.1.1 hc-1.lan hc-1 # x\n", "127.0.1.1 hc-1.lan hc-1 # x\n"),
            ("127.0.1.1 old # hc-1\n", "127.0.1.1\thc-1\n"),
            ("10.0.0.9 hc-1", "10.0.0.9 hc-1\n127.0.1.1\thc-1\n"),
            ("", "127.0.1.1\thc-1\n"),
        ];
        for (text, expected) in table {
            assert_eq!(hosts(text, "hc-1"), expected, "{text:?}");
            assert_eq!(hosts(expected, "hc-1"), expected);
        }
    }
}
