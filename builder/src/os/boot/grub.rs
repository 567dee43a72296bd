//! What GRUB loads: from its file on the EFI system partition to the default entry of the menu.

use crate::formats::device::DeviceName;
use crate::formats::grub_boot::{self, Command};
use crate::fs::ImagePath;

use super::super::image::PartitionRole;
use super::super::layout::KERNELS;
use super::{BootStep, Chain, Initramfs, Leads, PartitionNames};

/// The files on the EFI system partition that lead to the menu, by their names there. Firmware starts `BOOT` from a disk
/// that it does not know; its loader, and each publisher's, has a file beside it.
pub(in crate::os) const STUBS: [&str; 3] =
    ["EFI/BOOT/grub.cfg", "EFI/debian/grub.cfg", "EFI/ubuntu/grub.cfg"];

const REGENERATE: &str = "run update-grub on a system that boots, or use the publisher's image";

/// What a `search` looks for.
enum Search<'a> {
    FileSystem(DeviceName, &'a str),
    File,
}

impl Chain<'_> {
    pub(super) fn grub(&self, config: &ImagePath) -> Vec<BootStep> {
        let mut steps = Vec::new();
        for stub in STUBS {
            if let Ok(path) = self.facts.boot_dir.join(stub) {
                steps.extend(self.stub(&path));
            }
        }
        let step = |what, line, says: &str, leads| BootStep {
            what,
            place: format!("{config}, line {line}"),
            says: says.to_owned(),
            leads,
        };
        let Some(entry) = grub_boot::default_entry(self.text(config)) else { return steps };
        // Without a search, GRUB stays where the menu is.
        let mut root = self.partition(PartitionRole::Kernels).or_else(|| self.partition(PartitionRole::Root));
        let has = |names: &[&str]| entry.commands.iter().any(|command| is_one_of(command, names));
        let initramfs = if has(&INITRD) { Initramfs::Present } else { Initramfs::Absent };
        for command in &entry.commands {
            let Command { line, words } = command;
            if let Some(search) = search(words) {
                let (found, leads) = self.found(&search);
                root = found.or(root);
                steps.extend(leads.map(|leads| step("GRUB", *line, &words.join(" "), leads)));
            } else if is_one_of(command, &LINUX) {
                steps.extend(words.get(1).map(|path| step("kernel", *line, path, self.loaded(path, root))));
                let arguments = words.get(2..).unwrap_or_default().join(" ");
                steps.extend(self.arguments(&format!("{config}, line {line}"), &arguments, initramfs));
            } else if is_one_of(command, &INITRD) {
                let files = words.get(1..).unwrap_or_default();
                steps
                    .extend(files.iter().map(|path| step("initramfs", *line, path, self.loaded(path, root))));
            }
        }
        if !has(&LINUX) {
            let cause = "is the entry that starts by itself, and loads no kernel";
            steps.push(step("kernel", 1, &entry.title, Leads::nowhere(cause, REGENERATE)));
        }
        steps
    }

    /// A file that looks for the partition with the menu, and goes on there.
    fn stub(&self, path: &ImagePath) -> Vec<BootStep> {
        let (mut steps, mut root) = (Vec::new(), None);
        for Command { line, words } in grub_boot::commands(self.text(path)) {
            let says = words.join(" ");
            let step = |leads| BootStep {
                what: "GRUB",
                place: format!("{path}, line {line}"),
                says: says.clone(),
                leads,
            };
            if let Some(search) = search(&words) {
                let (found, leads) = self.found(&search);
                root = found;
                steps.extend(leads.map(step));
            } else if let (Some(root), Some(dir)) = (root, words.get(1).and_then(|word| prefix(word))) {
                let file = format!("{dir}/grub.cfg");
                steps.push(step(self.loaded(&file, Some(root))));
            }
        }
        steps
    }

    fn found(&self, search: &Search<'_>) -> (Option<&PartitionNames>, Option<Leads>) {
        match search {
            Search::File => (None, None),
            Search::FileSystem(_, text) if text.contains('$') => (None, None),
            Search::FileSystem(name, _) => match self.named(name) {
                Some(found) => (Some(found), Some(Leads::To(found.to_string()))),
                None => {
                    let cause = "looks for a file system that is not in this image: it is of another disk";
                    (None, Some(Leads::nowhere(cause, self.search_hint(name))))
                }
            },
        }
    }

    fn search_hint(&self, name: &DeviceName) -> String {
        let home = self.partition(PartitionRole::Kernels).or_else(|| self.partition(PartitionRole::Root));
        let value = home.and_then(|home| match name {
            DeviceName::Label(_) => home.label.clone(),
            _ => home.uuid.clone(),
        });
        value.map_or_else(|| REGENERATE.to_owned(), |value| format!("use {value}, where the menu is"))
    }

    /// A file that GRUB loads from `root`, where the path itself does not name another partition.
    fn loaded(&self, path: &str, root: Option<&PartitionNames>) -> Leads {
        let (root, path) = match path.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((device, path)) => (self.numbered(device).or(root), path),
            None => (root, path),
        };
        let Some(root) = root.filter(|_| !path.contains('$')) else {
            return Leads::To("what GRUB finds".to_owned());
        };
        let below = match root.role {
            Some(PartitionRole::Root) => "",
            Some(PartitionRole::Kernels) => KERNELS,
            Some(PartitionRole::Boot) => self.facts.boot_dir.as_str(),
            None => {
                return Leads::nowhere(
                    format!("is loaded from {root}, which the system does not use"),
                    REGENERATE,
                );
            }
        };
        match self.is_there(&format!("{below}{path}")) {
            true => Leads::To(root.to_string()),
            false => Leads::nowhere(format!("names no file on {root}"), REGENERATE),
        }
    }

    /// `hd0,gpt1`: the number counts, since the disk depends on the machine.
    fn numbered(&self, device: &str) -> Option<&PartitionNames> {
        let partition = device.rsplit(',').next()?.trim_start_matches(|c: char| !c.is_ascii_digit());
        let number: u32 = partition.parse().ok()?;
        self.facts.partitions.iter().find(|partition| partition.number == number)
    }
}

const LINUX: [&str; 3] = ["linux", "linuxefi", "linux16"];
const INITRD: [&str; 3] = ["initrd", "initrdefi", "initrd16"];

fn is_one_of(command: &Command, names: &[&str]) -> bool {
    command.words.first().is_some_and(|name| names.contains(&name.as_str()))
}

/// The directory of `set prefix=($root)/boot/grub`.
fn prefix(word: &str) -> Option<&str> {
    word.strip_prefix("prefix=($root)").filter(|dir| !dir.contains('$'))
}

/// `search --fs-uuid --set=root NAME` in its forms (GRUB manual, "search"), and the commands that it is short for.
fn search(words: &[String]) -> Option<Search<'_>> {
    let (command, rest) = words.split_first()?;
    let uuid = |text: &str| DeviceName::Uuid(text.to_owned());
    let label = |text: &str| DeviceName::Label(text.to_owned());
    match command.as_str() {
        "search.fs_uuid" => rest.first().map(|text| Search::FileSystem(uuid(text), text)),
        "search.fs_label" => rest.first().map(|text| Search::FileSystem(label(text), text)),
        "search.file" => Some(Search::File),
        "search" => {
            let has = |options: [&str; 2]| rest.iter().any(|word| options.contains(&word.as_str()));
            let name = name(rest)?;
            Some(if has(["--fs-uuid", "-u"]) {
                Search::FileSystem(uuid(name), name)
            } else if has(["--label", "-l"]) || has(["--fs-label", "-l"]) {
                Search::FileSystem(label(name), name)
            } else {
                Search::File
            })
        }
        _ => None,
    }
}

/// The word that is neither an option nor an option's argument.
fn name(words: &[String]) -> Option<&str> {
    let mut words = words.iter().map(String::as_str);
    let mut name = None;
    while let Some(word) = words.next() {
        match word {
            "--hint" | "--hint-bios" | "--hint-efi" | "--hint-baremetal" | "--hint-ieee1275" | "-s" => {
                _ = words.next()
            }
            option if option.starts_with('-') => {}
            // `--set root NAME`: the last one is looked for.
            word => name = Some(word),
        }
    }
    name
}
