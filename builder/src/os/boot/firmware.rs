//! What a Raspberry Pi's firmware loads (Raspberry Pi documentation, "Boot options" and "autoboot.txt").

use crate::arch::Arch;
use crate::formats::config_txt::{self, Applies, Setting};

use super::super::facts::Bootloader;
use super::super::kernel::PiKernel;
use super::{BootStep, Chain, Initramfs, Leads};

/// The kernels that some board loads where none is named, each with the initramfs of `auto_initramfs=1`.
const DEFAULTS: [(&str, &str); 5] = [
    ("kernel_2712.img", "initramfs_2712"),
    ("kernel8.img", "initramfs8"),
    ("kernel7l.img", "initramfs7l"),
    ("kernel7.img", "initramfs7"),
    ("kernel.img", "initramfs"),
];

/// The kernels whose names alone make the firmware start the processor with 64 bits.
const WITH_64_BITS: [&str; 2] = ["kernel8.img", "kernel_2712.img"];

const RESTORE: &str = "name a file that is there, or restore it from a stock image";

impl Chain<'_> {
    pub(super) fn firmware(&self) -> Vec<BootStep> {
        let Bootloader::PiFirmware { cmdline, .. } = &self.facts.bootloader else { return Vec::new() };
        let mut steps = self.partition_steps();
        for (key, what) in [("start_file", "firmware"), ("fixup_file", "firmware"), ("armstub", "firmware")] {
            steps.extend(
                self.of(key)
                    .into_iter()
                    .filter(|_| !self.has_no_start_file())
                    .map(|(setting, certain)| self.file(what, setting, &setting.value, true, certain)),
            );
        }
        steps.extend(self.of("boot_ramdisk").into_iter().filter(|(s, _)| s.value != "0").map(
            |(setting, certain)| {
                let leads = Leads::nowhere(
                    "starts a system from boot.img in place of the one in this image",
                    "remove the line",
                );
                self.step("firmware", setting, leads.if_certain(certain))
            },
        ));
        steps.extend(self.kernels());
        let (initramfs, has_one) = self.initramfs();
        steps.extend(initramfs);
        for (setting, certain) in self.of("device_tree") {
            steps.push(self.file("device tree", setting, &setting.value, false, certain));
        }
        steps.extend(self.overlays());
        let line = self.text(cmdline).lines().next().unwrap_or_default();
        steps.extend(self.arguments(cmdline.as_str(), line, has_one));
        steps
    }

    fn settings(&self) -> &[Setting] {
        match &self.facts.bootloader {
            Bootloader::PiFirmware { settings, .. } => settings,
            Bootloader::Grub { .. } => &[],
        }
    }

    fn prefix(&self) -> &str {
        match &self.facts.bootloader {
            Bootloader::PiFirmware { prefix, .. } => prefix,
            Bootloader::Grub { .. } => "",
        }
    }

    /// The lines with this key that may count on the board, and whether they certainly do: the last that certainly
    /// applies, and all behind it that may.
    fn of(&self, key: &str) -> Vec<(&Setting, bool)> {
        let filters = self.board.and_then(|board| board.filters);
        let mut found: Vec<(&Setting, bool)> = Vec::new();
        for setting in self.settings().iter().filter(|setting| setting.key == key) {
            match setting.condition.applies(filters) {
                Applies::Yes => {
                    found.clear();
                    found.push((setting, true));
                }
                Applies::Maybe => found.push((setting, false)),
                Applies::No => {}
            }
        }
        // What may be replaced by a later line is no longer certain.
        let is_alone = found.len() == 1;
        found.iter_mut().for_each(|(_, certain)| *certain &= is_alone);
        found
    }

    fn step(&self, what: &'static str, setting: &Setting, leads: Leads) -> BootStep {
        let place = format!("{}/{}, line {}", self.facts.boot_dir, setting.file, setting.line);
        BootStep { what, place, says: setting.text(), leads }
    }

    /// A name on the boot partition. Those of the system have `os_prefix` before them, unless they begin with a slash.
    fn path(&self, name: &str, shared: bool) -> String {
        let prefix = if shared || name.starts_with('/') { "" } else { self.prefix() };
        format!("{}/{prefix}{name}", self.facts.boot_dir)
    }

    fn file(
        &self,
        what: &'static str,
        setting: &Setting,
        name: &str,
        shared: bool,
        certain: bool,
    ) -> BootStep {
        let path = self.path(name, shared);
        let leads = if !name.is_empty() && self.is_there(&path) {
            Leads::To(path)
        } else {
            Leads::nowhere(format!("names no file: {path} does not exist"), RESTORE).if_certain(certain)
        };
        self.step(what, setting, leads)
    }

    /// Processors since the Pi 5's have no firmware on the boot partition.
    fn has_no_start_file(&self) -> bool {
        self.board.is_some_and(|board| board.kernel == Some(PiKernel::Kernel2712))
    }

    fn partition_steps(&self) -> Vec<BootStep> {
        let Bootloader::PiFirmware { boot_partition, .. } = &self.facts.bootloader else { return Vec::new() };
        let step = |(setting, certain): (&Setting, bool)| {
            let number = setting.value.parse::<u32>().ok();
            let leads = match number {
                // The first that the firmware can boot.
                Some(0) => Leads::To(format!("partition {boot_partition}")),
                Some(number) if number == *boot_partition => Leads::To(format!("partition {number}")),
                _ => Leads::nowhere(
                    format!("is not the partition with config.txt, which is {boot_partition}"),
                    format!("use boot_partition={boot_partition}, or remove the line"),
                ),
            };
            self.step("partition", setting, leads.if_certain(certain))
        };
        self.of("boot_partition").into_iter().map(step).collect()
    }

    fn kernels(&self) -> Vec<BootStep> {
        let named = self.of("kernel");
        let mut steps: Vec<_> = named
            .iter()
            .map(|(setting, certain)| self.file("kernel", setting, &setting.value, false, *certain))
            .collect();
        if !named.iter().any(|(_, certain)| *certain) {
            steps.extend(self.default_kernel(named.is_empty()));
        }
        steps.extend(self.bits(&named));
        steps
    }

    /// The names of the kernels that the board loads where none is named.
    fn default_names(&self) -> Vec<&'static str> {
        match self.board.and_then(|board| board.kernel) {
            None => DEFAULTS.map(|(kernel, _)| kernel).to_vec(),
            Some(PiKernel::Kernel2712) => vec!["kernel_2712.img", "kernel8.img"],
            Some(PiKernel::Kernel8) => vec!["kernel8.img", "kernel7l.img", "kernel7.img"],
            Some(PiKernel::Kernel7) => vec!["kernel7.img", "kernel8.img"],
        }
    }

    fn default_kernel(&self, certain: bool) -> Option<BootStep> {
        let names = self.default_names();
        let there: Vec<_> =
            names.iter().filter(|name| self.is_there(&self.path(name, false))).copied().collect();
        let place = self.facts.boot_dir.to_string();
        let (says, leads) = match there.is_empty() {
            false => (there.join(", "), Leads::To("the default of the firmware".to_owned())),
            true => {
                let cause = "is what the firmware loads, and none of it is on the boot partition";
                (
                    names.join(", "),
                    Leads::nowhere(cause, "restore the kernel from a stock image").if_certain(certain),
                )
            }
        };
        // A default that may be replaced and is there says nothing.
        (certain || there.is_empty()).then_some(BootStep { what: "kernel", place, says, leads })
    }

    /// A system of 64 bits needs a kernel that is started with 64 bits.
    fn bits(&self, kernels: &[(&Setting, bool)]) -> Vec<BootStep> {
        let has_known_name =
            kernels.iter().any(|(kernel, _)| WITH_64_BITS.iter().any(|name| kernel.value.ends_with(name)));
        let off = self.of("arm_64bit").into_iter().filter(|(setting, _)| setting.value == "0");
        off.filter(|_| self.facts.arch == Arch::Aarch64 && !has_known_name)
            .map(|(setting, certain)| {
                let cause = "starts a kernel of 32 bits, and the system in this image has 64";
                self.step("kernel", setting, Leads::nowhere(cause, "use arm_64bit=1").if_certain(certain))
            })
            .collect()
    }

    /// The steps, and whether the kernel gets an initramfs; where that is not certain it does.
    fn initramfs(&self) -> (Vec<BootStep>, Initramfs) {
        let mut steps = Vec::new();
        for key in ["initramfs", "ramfsfile"] {
            for (setting, certain) in self.of(key) {
                let names = setting.value.split_whitespace().next().unwrap_or_default();
                steps.extend(
                    names.split(',').map(|name| self.file("initramfs", setting, name, false, certain)),
                );
            }
        }
        let named = !steps.is_empty();
        let auto = self.of("auto_initramfs");
        let names = self.default_names();
        let beside =
            DEFAULTS.iter().filter(|(kernel, _)| names.contains(kernel)).map(|(_, initramfs)| *initramfs);
        let beside: Vec<_> = beside.filter(|name| self.is_there(&self.path(name, false))).collect();
        let auto = auto.iter().rfind(|(setting, _)| setting.value != "0" && !beside.is_empty());
        if let Some((setting, _)) = auto.filter(|_| !named) {
            steps.push(self.step("initramfs", setting, Leads::To(beside.join(", "))));
        }
        let present = if steps.is_empty() { Initramfs::Absent } else { Initramfs::Present };
        (steps, present)
    }

    /// Overlays are shared where the prefix has none of its own, so either place will do.
    fn overlays(&self) -> Vec<BootStep> {
        let step = |(setting, _): (&Setting, bool)| {
            let dir = setting.value.rsplit_once('/').map(|(dir, _)| dir)?;
            let is_there = [false, true].into_iter().any(|shared| self.is_there(&self.path(dir, shared)));
            let leads = if is_there {
                Leads::To(self.path(dir, true))
            } else {
                let cause = "names no directory on the boot partition: no overlay is loaded";
                Leads::unsure(cause, "remove the line, or restore the directory")
            };
            Some(self.step("overlays", setting, leads))
        };
        self.of("overlay_prefix").into_iter().filter_map(step).collect()
    }
}

/// The lines of both files that decide what is booted.
pub(in super::super) fn all_settings(mut config: Vec<Setting>, autoboot: &str) -> Vec<Setting> {
    config.extend(config_txt::autoboot(autoboot));
    config
}
