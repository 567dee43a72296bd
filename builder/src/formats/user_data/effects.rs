//! What user data does on the first boot that may hinder the node: it is the owner's own, so it stays, and the build warns.
//!
//! Keys: cloud-init's module reference, `cc_bootcmd`, `cc_runcmd`, `cc_power_state_change`, `cc_disk_setup`,
//! `cc_package_update_upgrade_install`, `cc_write_files`.

use yaml_rust2::Yaml;

use super::kind::Kind;

/// A key and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The key at the top level; none for user data that is a program as a whole.
    pub key: &'static str,
    /// What it does, as the end of a sentence that begins with the key.
    pub does: &'static str,
}

/// Keys that do what they do whatever is in them.
const ALWAYS: [(&str, &str); 5] = [
    ("power_state", "restarts the node, or powers it off, in the middle of its first boot"),
    ("disk_setup", "may partition a disk anew, such as the data disk"),
    ("fs_setup", "may format a file system, such as the data disk's"),
    ("bootcmd", "runs commands at every boot, before the network and the node's own services"),
    ("autoinstall", "belongs to an installer and has no effect on this image"),
];

/// Keys that switch something on.
const SWITCHES: [(&str, &str); 4] = [
    ("package_reboot_if_required", "restarts the node in the middle of its first boot"),
    ("apt_reboot_if_required", "restarts the node in the middle of its first boot"),
    ("package_upgrade", "may replace the kernel on the first boot, and keeps the node busy meanwhile"),
    ("apt_upgrade", "may replace the kernel on the first boot, and keeps the node busy meanwhile"),
];

/// Words in the commands of `runcmd` and `bootcmd`.
const COMMANDS: [(&[&str], &str); 3] = [
    (
        &["get.k3s.io", "k3s", "rke2", "kubeadm", "microk8s", "k0s"],
        "handles k3s or another Kubernetes, which hc-firstboot sets up itself",
    ),
    (
        &["reboot", "shutdown", "poweroff", "halt", "kexec"],
        "restarts the node or powers it off in the middle of its first boot",
    ),
    (&["swapon", "mkswap"], "switches swap on, with which k3s does not start as it should"),
];

/// Where files are that the image sets up.
const OURS: [&str; 10] = [
    "/etc/rancher",
    "/var/lib/rancher",
    "/usr/local/bin/k3s",
    "/etc/hcimage",
    "/etc/systemd/system/k3s",
    "/etc/netplan",
    "/etc/NetworkManager",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/fstab",
];

/// What a user data does.
pub fn effects(text: &str) -> Vec<Effect> {
    match Kind::of(text) {
        Kind::Script => {
            vec![Effect { key: "", does: "runs a program of the image's owner on the first boot" }]
        }
        Kind::CloudConfig => of_settings(text),
        Kind::Nothing | Kind::Opaque(_) => Vec::new(),
    }
}

fn of_settings(text: &str) -> Vec<Effect> {
    // What cannot be read is an error when the user data is edited.
    let Ok(settings) = super::parse(text) else { return Vec::new() };
    let value = |key: &str| settings.get(&Yaml::String(key.to_owned()));
    let mut found = Vec::new();
    let mut add = |(key, does): (&'static str, &'static str)| found.push(Effect { key, does });
    ALWAYS.into_iter().filter(|(key, _)| value(key).is_some()).for_each(&mut add);
    SWITCHES.into_iter().filter(|(key, _)| value(key) == Some(&Yaml::Boolean(true))).for_each(&mut add);
    for key in ["runcmd", "bootcmd"] {
        let words = value(key).map(words).unwrap_or_default();
        for (wanted, does) in COMMANDS {
            if words.iter().any(|word| wanted.contains(&word.as_str())) {
                add((key, does));
            }
        }
    }
    let files = value("write_files").and_then(Yaml::as_vec).map(Vec::as_slice).unwrap_or_default();
    let is_ours = |file: &Yaml| {
        file["path"].as_str().is_some_and(|path| OURS.iter().any(|ours| path.starts_with(ours)))
    };
    if files.iter().any(is_ours) {
        add(("write_files", "replaces a file that the image sets up"));
    }
    found
}

/// The words of a list of commands, each of which is a text or a list of words: names of programs without their
/// directories, and host names.
fn words(commands: &Yaml) -> Vec<String> {
    let mut words = Vec::new();
    let mut left = vec![commands];
    while let Some(value) = left.pop() {
        match value {
            Yaml::Array(items) => left.extend(items),
            Yaml::String(text) => {
                let parts = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'));
                words.extend(parts.map(str::to_ascii_lowercase));
            }
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<&'static str> {
        effects(text).into_iter().map(|effect| effect.key).collect()
    }

    #[test]
    fn what_hinders_the_node_is_found_by_its_key() {
        for (text, want) in [
            ("runcmd:\n- curl -sfL https://get.k3s.io | sh -\n", &["runcmd"][..]),
            ("runcmd:\n- [ systemctl, restart, k3s ]\n", &["runcmd"]),
            ("runcmd:\n- [ /sbin/reboot ]\n- [swapon, /x]\n", &["runcmd", "runcmd"]),
            ("runcmd:\n- [ echo, hello ]\n- apt-get install -y vim\n", &[]),
            ("bootcmd: [date]\n", &["bootcmd"]),
            ("power_state: {mode: reboot}\n", &["power_state"]),
            ("disk_setup: {}\nfs_setup: []\n", &["disk_setup", "fs_setup"]),
            (
                "package_upgrade: true\npackage_reboot_if_required: true\n",
                &["package_reboot_if_required", "package_upgrade"],
            ),
            ("package_upgrade: false\n", &[]),
            ("write_files:\n- path: /etc/rancher/k3s/config.yaml\n  content: x\n", &["write_files"]),
            ("write_files:\n- path: /etc/motd\n  content: x\n", &[]),
            ("power_state: [\n", &[]),
        ] {
            assert_eq!(keys(&format!("#cloud-config\n{text}")), want, "{text}");
        }
        assert_eq!(keys("#!/bin/sh\nreboot\n"), [""]);
        assert!(keys("power_state: {}\n").is_empty(), "not user data without its first line");
    }
}
