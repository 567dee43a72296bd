//! Facts, for a person and for a program.

use serde_json::{Value, json};

use crate::disk::ByteSize;
use crate::os::{Bootloader, CgroupVersion, Facts, Kernel};

/// Names and values, in the order in which they are printed.
pub(super) fn rows(facts: &Facts) -> Vec<(&'static str, String)> {
    let loader = match &facts.bootloader {
        Bootloader::PiFirmware { .. } => "Raspberry Pi firmware",
        Bootloader::Grub { .. } => "GRUB",
    };
    let mut rows = vec![
        ("system", facts.system.to_string()),
        ("release", facts.pretty_name.clone()),
        ("architecture", facts.arch.to_string()),
        ("boot loader", loader.to_owned()),
        ("kernel words", facts.bootloader.arguments_file().to_string()),
    ];
    if let Bootloader::PiFirmware { prefix, .. } = &facts.bootloader
        && !prefix.is_empty()
    {
        rows.push(("os_prefix", prefix.clone()));
    }
    let effects = facts.cloud_init.iter().flat_map(|cloud| &cloud.effects);
    rows.extend([
        ("kernels", list(facts.kernels.iter().map(kernel))),
        ("cgroups", cgroups(facts)),
        ("network", list(&facts.network)),
        ("swap", list(&facts.swap)),
        ("cloud-init", facts.cloud_init.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)),
        ("first user by", list(&facts.user_setup)),
        ("root grows by", list(&facts.root_growth)),
        ("machine-id", facts.machine_id.to_string()),
        ("packages", facts.packages.to_string()),
        ("iptables", if facts.old_iptables { "too old, k3s brings its own" } else { "good" }.to_owned()),
        ("hostname", facts.hostname.clone().unwrap_or_else(|| "none".to_owned())),
        ("free", format!("{}, {} inodes", ByteSize(facts.space.bytes), facts.space.inodes)),
    ]);
    rows.extend(effects.map(|effect| ("user data", effect.to_string())));
    rows
}

pub(super) fn json(facts: &Facts) -> Value {
    let (prefix, named) = match &facts.bootloader {
        Bootloader::PiFirmware { prefix, kernels, .. } => (Some(prefix), kernels.as_slice()),
        Bootloader::Grub { .. } => (None, &[][..]),
    };
    let strings = |items: &[crate::os::Swap]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
    let kernels = facts
        .kernels
        .iter()
        .map(|kernel| json!({ "release": kernel.release, "modules": kernel.modules.len() }));
    json!({
        "family": facts.system.family,
        "release": facts.system.codename,
        "pretty_name": facts.pretty_name,
        "architecture": facts.arch,
        "kernel_words": facts.bootloader.arguments_file().as_str(),
        "boot_folder": facts.boot_dir.as_str(),
        "os_prefix": prefix,
        "named_kernels": named,
        "kernels": kernels.collect::<Vec<_>>(),
        "cgroup_version": match facts.cgroup_version() { CgroupVersion::V1 => 1, CgroupVersion::V2 => 2 },
        "memory_cgroup_word": facts.memory_cgroup_word(),
        "network": facts.network,
        "swap": strings(&facts.swap),
        "cloud_init": facts.cloud_init,
        "user_setup": facts.user_setup,
        "root_growth": facts.root_growth,
        "machine_id": facts.machine_id,
        "packages": facts.packages,
        "old_iptables": facts.old_iptables,
        "hostname": facts.hostname,
        "free_bytes": facts.space.bytes,
        "free_inodes": facts.space.inodes,
        "boot": super::boot::json(facts),
    })
}

fn list<I: IntoIterator>(items: I) -> String
where
    I::Item: ToString,
{
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

fn kernel(kernel: &Kernel) -> String {
    format!("{} ({} modules)", kernel.release, kernel.modules.len())
}

fn cgroups(facts: &Facts) -> String {
    let version = match facts.cgroup_version() {
        CgroupVersion::V1 => "version 1",
        CgroupVersion::V2 => "version 2",
    };
    let memory = match (&facts.bootloader, facts.memory_cgroup_word()) {
        (_, true) => "memory switched on by a kernel word",
        (Bootloader::PiFirmware { .. }, false) => "memory as the firmware has it, mostly off",
        (Bootloader::Grub { .. }, false) => "memory as the kernel has it, mostly on",
    };
    format!("{version}, {memory}")
}
