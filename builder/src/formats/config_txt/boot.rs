//! What `config.txt` and `autoboot.txt` say of the files and the partition that a Raspberry Pi boots.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::{NAME, filter_of, included};

/// The name of the file that selects the partition, in the boot directory.
pub const AUTOBOOT: &str = "autoboot.txt";

/// The settings of `config.txt` that decide what is booted (Raspberry Pi documentation, "Boot options").
const KEYS: [&str; 13] = [
    "arm_64bit",
    "armstub",
    "auto_initramfs",
    "boot_ramdisk",
    "cmdline",
    "device_tree",
    "fixup_file",
    "initramfs",
    "kernel",
    "os_prefix",
    "overlay_prefix",
    "ramfsfile",
    "start_file",
];

/// Stock files include at most two; a file is read for each line that includes it.
const MAX_INCLUDES: usize = 16;

/// A line that decides what is booted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The file's name in the boot directory: an included one has its own.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// When it applies.
    pub condition: Condition,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// The files that the firmware loads in a normal boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFiles {
    /// The prefix of the system's file names: often a directory with a trailing slash.
    pub prefix: String,
    /// The file with the kernel arguments, without the prefix.
    pub cmdline: String,
    /// The named kernels, without the prefix; the board may decide between them. Empty for the firmware's defaults.
    pub kernels: BTreeSet<String>,
}

/// Why the file does not determine the boot files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// A setting for some boards or pins only.
    #[error("`{setting}` is below the filter [{filter}], so it depends on the board: move it below [all]")]
    Conditional {
        /// The line.
        setting: String,
        /// The filter above it.
        filter: String,
    },
    /// Too many included files.
    #[error("the file includes more than {MAX_INCLUDES} files: move their settings into it")]
    Includes,
}

/// The settings that decide what is booted, in the order in which the firmware reads them. `include` returns the text of
/// an included file, or `None` if it is missing, which the firmware ignores; nested includes are not followed.
pub fn settings(text: &str, include: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Setting>, Unclear> {
    if text.lines().filter_map(included).count() > MAX_INCLUDES {
        return Err(Unclear::Includes);
    }
    let (mut found, mut condition) = (Vec::new(), Condition::default());
    for (number, line) in (1..).zip(text.lines()) {
        match included(line) {
            Some(name) => {
                let inner = include(name).unwrap_or_default();
                for (number, line) in (1..).zip(inner.lines()) {
                    found.extend(setting(name, number, line, &mut condition, &KEYS));
                }
            }
            None => found.extend(setting(NAME, number, line, &mut condition, &KEYS)),
        }
    }
    Ok(found)
}

/// The lines of `autoboot.txt` that select a partition.
pub fn autoboot(text: &str) -> Vec<Setting> {
    let mut condition = Condition::default();
    let lines = (1..).zip(text.lines());
    lines
        .filter_map(|(number, line)| setting(AUTOBOOT, number, line, &mut condition, &["boot_partition"]))
        .collect()
}

fn setting(file: &str, line: usize, text: &str, condition: &mut Condition, keys: &[&str]) -> Option<Setting> {
    let text = text.trim();
    if let Some(filter) = filter_of(text) {
        condition.set(filter);
        return None;
    }
    // `initramfs` has a blank where the others have an equals sign.
    let pair = text.split_once('=').or_else(|| text.split_once(' ').filter(|(key, _)| *key == "initramfs"));
    let (key, value) = pair.map(|(key, value)| (key.trim(), value.trim()))?;
    keys.contains(&key).then(|| Setting {
        file: file.to_owned(),
        line,
        condition: condition.clone(),
        key: key.to_owned(),
        value: value.to_owned(),
    })
}

/// The boot files that the settings name.
pub fn boot_files(settings: &[Setting]) -> Result<BootFiles, Unclear> {
    let mut found =
        BootFiles { prefix: String::new(), cmdline: "cmdline.txt".to_owned(), kernels: BTreeSet::new() };
    for setting in settings.iter().filter(|setting| !setting.condition.is_never()) {
        match setting.key.as_str() {
            "os_prefix" => found.prefix = setting.certain()?,
            "cmdline" => found.cmdline = setting.certain()?,
            "kernel" => {
                found.kernels.insert(setting.value.clone());
            }
            _ => {}
        }
    }
    Ok(found)
}

impl Setting {
    /// The line as it is written.
    pub fn text(&self) -> String {
        let sign = if self.key == "initramfs" { ' ' } else { '=' };
        format!("{}{sign}{}", self.key, self.value)
    }

    fn certain(&self) -> Result<String, Unclear> {
        match self.condition.filter() {
            None => Ok(self.value.clone()),
            Some(filter) => Err(Unclear::Conditional { setting: self.text(), filter: filter.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, include: &dyn Fn(&str) -> Option<String>) -> Result<BootFiles, Unclear> {
        boot_files(&settings(text, include)?)
    }

    fn read_alone(text: &str) -> (String, String, Vec<String>) {
        let found = read(text, &|_| None).unwrap();
        (found.prefix, found.cmdline, found.kernels.into_iter().collect())
    }

    #[test]
    fn only_settings_of_a_normal_boot_are_read() {
        let plain = |prefix: &str, cmdline: &str, kernels: &[&str]| {
            let kernels = kernels.iter().map(|name| (*name).to_owned()).collect();
            (prefix.to_owned(), cmdline.to_owned(), kernels)
        };
        for (text, want) in [
            ("", plain("", "cmdline.txt", &[])),
            ("#os_prefix=x/\narm_64bit=1\n", plain("", "cmdline.txt", &[])),
            // Ubuntu since 25.10: a trial boot of the next kernel beside the current one.
            (
                "[all]\nkernel=vmlinuz\ncmdline=cmdline.txt\n\n[all]\nos_prefix=current/\n\n[tryboot]\nos_prefix=new/\n",
                plain("current/", "cmdline.txt", &["vmlinuz"]),
            ),
            ("[pi4]\nmax_framebuffers=2\n[all]\r\ncmdline=c.txt\r\n", plain("", "c.txt", &[])),
            ("[pi4]\nkernel=a\n[pi5]\nkernel=b\n", plain("", "cmdline.txt", &["a", "b"])),
            // A filter of another type does not end [tryboot]; the last setting wins.
            ("[tryboot]\n[pi4]\nos_prefix=new/\n", plain("", "cmdline.txt", &[])),
            ("os_prefix=a/\nos_prefix=b/\n", plain("b/", "cmdline.txt", &[])),
        ] {
            assert_eq!(read_alone(text), want, "{text:?}");
        }
    }

    #[test]
    fn an_included_file_is_read_and_a_missing_one_is_ignored() {
        let include = |name: &str| (name == "usercfg.txt").then(|| "cmdline=mine.txt\n".to_owned());
        let found = read("include syscfg.txt\ninclude usercfg.txt\nkernel=k", &include).unwrap();
        assert_eq!((found.cmdline.as_str(), found.kernels.len()), ("mine.txt", 1));
    }

    #[test]
    fn a_boot_file_that_depends_on_the_board_is_an_error() {
        let error = read("[pi5]\nos_prefix=five/\n", &|_| None).unwrap_err().to_string();
        assert!(error.contains("os_prefix=five/") && error.contains("[pi5]"), "{error}");
        assert!(read("[cm4]\ncmdline=c.txt\n", &|_| None).is_err());
        assert_eq!(read(&"include x\n".repeat(17), &|_| None), Err(Unclear::Includes));
    }

    #[test]
    fn a_setting_has_its_place_and_its_condition() {
        let include = |_: &str| Some("# mine\n[pi4]\ninitramfs a,b followkernel\n".to_owned());
        let found = settings("kernel = k\r\ninclude usercfg.txt\ndevice_tree=x.dtb\n", &include).unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|s| format!("{}:{} {} [{}]", s.file, s.line, s.text(), s.condition.filter().unwrap_or("")))
            .collect();
        assert_eq!(
            shown,
            [
                "config.txt:1 kernel=k []",
                "usercfg.txt:3 initramfs a,b followkernel [pi4]",
                "config.txt:3 device_tree=x.dtb [pi4]"
            ]
        );
        let parts: Vec<_> = autoboot("[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n")
            .into_iter()
            .map(|setting| (setting.line, setting.value, setting.condition.is_never()))
            .collect();
        assert_eq!(parts, [(3, "2".to_owned(), false), (5, "3".to_owned(), true)]);
    }
}
