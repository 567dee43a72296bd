//! Checks that the machine meets the requirements of k3s: memory, cgroups, kernel modules, a writable root.
//!
//! k3s itself fails only after minutes, with unrelated messages, if one of these is missing.

use std::path::Path;
use std::time::Duration;

use super::Phase;
use crate::context::Context;
use crate::mounts;
use crate::phase_error::PhaseError;
use crate::state::PhaseName;
use crate::sys::Command;
use crate::systemd::{self, Unit, is_enabled, systemctl};

/// The memory in MiB below which k3s does not start, and below which it is slow: of a server, of an agent. The
/// requirements of k3s are 2 GiB and 512 MiB; a board has less than its nominal memory, because firmware and kernel
/// reserve a part.
const MEMORY: [(u64, u64); 2] = [(480, 1700), (200, 420)];

/// Controllers that the kubelet needs in the unified hierarchy.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

pub(super) struct Host;

impl Phase for Host {
    fn name(&self) -> PhaseName {
        PhaseName::Host
    }

    /// Waiting changes nothing here.
    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::ZERO
    }

    /// Always checked: it is quick, and another kernel may have been booted.
    fn is_done(&self, _cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(false)
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        hold_back_k3s(cx)?;
        // A built-in module is loaded already; `verify` reports a missing one.
        for name in &cx.seed.k3s.modules {
            let _ = cx.sys.run(&Command::new("modprobe", ["--quiet", name]));
        }
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        root_is_writable(cx)?;
        cgroups(cx)?;
        modules(cx)?;
        Ok(memory(cx)?.into_iter().collect())
    }
}

/// A base that applies systemd's presets on its first boot may have enabled and started k3s. It must not run before the
/// commit point.
fn hold_back_k3s(cx: &mut Context<'_>) -> Result<(), PhaseError> {
    let unit = cx.unit();
    if cx.state.committed {
        return Ok(());
    }
    let runs = Unit::show(cx.sys, unit)?.is_started();
    if !runs && !is_enabled(cx.sys, unit)? {
        return Ok(());
    }
    systemctl(cx.sys, ["disable", "--now", unit])?;
    let started = if runs { "started" } else { "enabled" };
    let text =
        format!("the base had {started} {unit} too early (by a systemd preset?): stopped until its phase");
    cx.note(PhaseName::Host, &text).map_err(PhaseError::Abort)
}

fn root_is_writable(cx: &Context<'_>) -> Result<(), PhaseError> {
    match mounts::at(cx.sys, Path::new("/")) {
        Some(root) if root.read_only => {
            let e = std::io::ErrorKind::ReadOnlyFilesystem.into();
            Err(PhaseError::abort("the root file system is read-only", crate::state::advice(&e)))
        }
        _ => Ok(()),
    }
}

fn cgroups(cx: &Context<'_>) -> Result<(), PhaseError> {
    let missing: Vec<&str> = match text(cx, "/sys/fs/cgroup/cgroup.controllers") {
        Some(there) => {
            let has = |name: &&&str| there.split_whitespace().any(|word| word == **name);
            CONTROLLERS.iter().filter(|name| !has(name)).copied().collect()
        }
        // cgroup v1: each controller is a directory.
        None if cx.sys.stat(Path::new("/sys/fs/cgroup/memory")).is_ok() => Vec::new(),
        None => vec!["memory"],
    };
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!("missing cgroup controllers: {}", missing.join(", "));
    Err(PhaseError::abort(
        what,
        "add cgroup_memory=1 cgroup_enable=memory to the kernel command line (on a Pi: to the only line of cmdline.txt \
        on the boot partition)",
    ))
}

fn modules(cx: &Context<'_>) -> Result<(), PhaseError> {
    let there = |name: &&String| {
        cx.sys.stat(Path::new(&format!("/sys/module/{name}"))).is_ok()
            // A built-in module without parameters has no directory, but modprobe finds it.
            || systemd::run(cx.sys, &Command::new("modprobe", ["--quiet", name])).is_ok_and(|out| out.success)
    };
    let missing: Vec<_> = cx.seed.k3s.modules.iter().filter(|name| !there(name)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!("missing kernel modules: {}", missing.join(", "));
    Err(PhaseError::abort(
        what,
        "install the package with the additional kernel modules (Ubuntu: linux-modules-extra-raspi), or build the image \
        with another flannel backend (host-gw)",
    ))
}

/// An error where there is too little memory; a note where k3s will be slow.
fn memory(cx: &Context<'_>) -> Result<Option<String>, PhaseError> {
    let Some(mib) = text(cx, "/proc/meminfo").and_then(|text| total_mib(&text)) else { return Ok(None) };
    let [server, agent] = MEMORY;
    let (least, enough) = if cx.seed.role.is_agent() { agent } else { server };
    if mib < least {
        let what =
            format!("not enough memory: k3s needs at least {least} MiB here, and this machine has {mib} MiB");
        return Err(PhaseError::abort(what, "use a board with more memory, or make this node an agent"));
    }
    Ok((mib < enough).then(|| format!("low memory for k3s ({mib} MiB): it may be slow")))
}

/// `MemTotal:        3884124 kB` (proc_meminfo(5)).
fn total_mib(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

fn text(cx: &Context<'_>, path: &str) -> Option<String> {
    let bytes = cx.sys.read(Path::new(path)).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
