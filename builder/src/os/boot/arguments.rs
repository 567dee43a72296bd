//! The kernel's arguments: where the root is, and what runs on it.

use crate::formats::device::DeviceName;
use crate::formats::{ext4_options, init_program, kernel_args};

use super::super::image::PartitionRole;
use super::{BootStep, Chain, Initramfs, Leads};

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "zsh", "busybox"];

/// Arguments that end in a shell for an administrator (systemd(1), systemd.special(7), initramfs-tools(7), dracut.cmdline(7)).
const RESCUES: [&str; 11] =
    ["single", "s", "S", "1", "-s", "-b", "rescue", "emergency", "rd.break", "rd.emergency", "break"];

impl Chain<'_> {
    /// The steps that a line of arguments adds.
    pub(super) fn arguments(&self, place: &str, line: &str, initramfs: Initramfs) -> Vec<BootStep> {
        let step = |what, says: &str, leads| BootStep {
            what,
            place: place.to_owned(),
            says: says.to_owned(),
            leads,
        };
        let words = match kernel_args::words(line) {
            Ok(words) => words,
            Err(error) => {
                return vec![step(
                    "arguments",
                    line,
                    Leads::nowhere("is not a command line", error.to_string()),
                )];
            }
        };
        let last = |key: &str| {
            words.iter().rev().find(|word| word.split_once('=').is_some_and(|(name, _)| name == key))
        };
        let mut steps = vec![match last("root") {
            Some(root) => step("root", root, self.root(root, initramfs)),
            None => step("root", line, Leads::nowhere("has no root=", self.root_hint())),
        }];
        for word in &words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let is_last = last(key).is_none_or(|last| last == word);
            if let Some((what, leads)) = self.word(key, value, word).filter(|_| is_last) {
                steps.push(step(what, word, leads));
            }
        }
        steps
    }

    fn root_hint(&self) -> String {
        match self.device("", PartitionRole::Root) {
            Leads::Nowhere(fault) => format!("in root=, {}", fault.hint),
            _ => "add root= with the root partition".to_owned(),
        }
    }

    fn root(&self, word: &str, initramfs: Initramfs) -> Leads {
        let value = word.strip_prefix("root=").unwrap_or(word);
        let is_network =
            value == "/dev/nfs" || value == "nfs" || value.contains(":/") || value.starts_with("nfs");
        let leads = self.device(value, PartitionRole::Root);
        match leads {
            Leads::Nowhere(fault) if is_network => {
                Leads::nowhere("is a root over the network, and the node's is in this image", fault.hint)
            }
            Leads::To(_) if initramfs == Initramfs::Absent && !is_known_to_the_kernel(value) => {
                Leads::nowhere(
                    "is a name that the kernel does not know without an initramfs, and none is loaded",
                    self.root_hint(),
                )
            }
            other => other,
        }
    }

    fn word(&self, key: &str, value: &str, word: &str) -> Option<(&'static str, Leads)> {
        const REMOVE: &str = "remove the word";
        Some(match key {
            "rootfstype" if !value.split(',').any(|fstype| matches!(fstype, "ext4" | "auto" | "")) => (
                "root",
                Leads::nowhere("is another type than that of the root, which is ext4", "use rootfstype=ext4"),
            ),
            "rootflags" => match ext4_options::unknown(value) {
                Some(option) => {
                    let cause =
                        format!("has {option:?}, which ext4 does not know: the root would not be mounted");
                    ("root", Leads::nowhere(cause, "remove the option"))
                }
                None => return None,
            },
            "overlayroot" if !is_off(value) => ("root", overlay()),
            "systemd.volatile" if !matches!(value, "no" | "0" | "off" | "false" | "n" | "f") => {
                ("root", overlay())
            }
            "boot" if value != "local" && value.starts_with("overlay") => ("root", overlay()),
            "boot" if value != "local" => {
                ("root", Leads::nowhere("starts from something else than the root of this image", REMOVE))
            }
            "netboot" => ("root", Leads::nowhere("starts from the network", REMOVE)),
            "init" => ("init", self.init(value)),
            "rdinit" if value != "/init" => {
                ("init", Leads::nowhere("replaces the program that mounts the root", REMOVE))
            }
            "resume" => match self.named(&DeviceName::parse(value)) {
                Some(found) => ("resume", Leads::To(found.to_string())),
                None => (
                    "resume",
                    Leads::unsure("names no partition of this image: each start may wait for it", REMOVE),
                ),
            },
            "systemd.unit" if !init_program::is_whole_target(value) => ("target", rescue(value)),
            _ if RESCUES.contains(&key) && (word == key || key == "break" || key == "rd.break") => {
                ("target", rescue(key))
            }
            _ => return None,
        })
    }

    fn init(&self, value: &str) -> Leads {
        let name = value.rsplit('/').next().unwrap_or_default();
        if SHELLS.contains(&name) {
            return Leads::nowhere("starts a shell in place of the system", "remove the word");
        }
        if !self.is_there(value) {
            return Leads::nowhere("names no file of this image", "remove the word, or restore the file");
        }
        if init_program::starts_the_system(value) {
            return Leads::To(value.to_owned());
        }
        Leads::unsure(
            "starts a program that hcimage does not know in place of the system",
            "remove the word, unless that program starts systemd in the end",
        )
    }

    /// What overlayroot reads of the root itself (overlayroot(8)).
    pub(super) fn overlay(&self) -> Vec<BootStep> {
        let mut steps = Vec::new();
        for path in super::OVERLAYROOT_PATHS {
            let Ok(path) = crate::fs::ImagePath::parse(path) else { continue };
            for (number, line) in (1..).zip(self.text(&path).lines()) {
                let value =
                    line.trim().strip_prefix("overlayroot=").map(|value| value.trim_matches(['"', '\'']));
                if value.is_some_and(|value| !is_off(value)) {
                    let (place, says) = (format!("{path}, line {number}"), line.trim().to_owned());
                    steps.push(BootStep { what: "root", place, says, leads: overlay() });
                }
            }
        }
        steps
    }
}

fn is_known_to_the_kernel(value: &str) -> bool {
    let name = DeviceName::parse(value);
    // A link of udev's is not there yet, whatever it names.
    name.is_known_to_the_kernel() && !value.trim_matches('"').starts_with("/dev/disk/")
}

fn is_off(value: &str) -> bool {
    matches!(value, "" | "disabled")
}

fn overlay() -> Leads {
    Leads::nowhere(
        "keeps all changes in memory, so the node would forget its cluster at each start",
        "switch the overlay file system off (raspi-config: Performance Options)",
    )
}

fn rescue(to: &str) -> Leads {
    Leads::nowhere(format!("starts {to} in place of the system"), "remove the word")
}
