//! `config.txt`: the boot files of a Raspberry Pi's firmware, and settings of a board.
//!
//! The format is the firmware's: a line is a setting, a filter in brackets or a comment. A filter applies until the next
//! one of its type; `[all]` ends all filters (Raspberry Pi documentation, "Conditional filters").

use std::collections::BTreeSet;

use crate::value::FirmwareSetting;

/// Its name in the boot directory.
pub const NAME: &str = "config.txt";

/// The file that Debian's raspi-firmware appends to each new `config.txt`, which it writes at every kernel update (see
/// `/etc/default/raspi-firmware`). The file is optional.
pub const CUSTOM_PATH: &str = "/etc/default/raspi-firmware-custom";

/// The text with the settings in effect on every board; missing ones are added at the end.
pub fn edit(text: &str, settings: &[FirmwareSetting]) -> String {
    edit_below(text, settings, false)
}

/// The same for a text that is appended to another one, which may end below any filter.
pub fn edit_custom(text: &str, settings: &[FirmwareSetting]) -> String {
    edit_below(text, settings, true)
}

fn edit_below(text: &str, settings: &[FirmwareSetting], filtered: bool) -> String {
    let missing: Vec<&FirmwareSetting> =
        settings.iter().filter(|setting| !is_in_force(text, setting, filtered)).collect();
    if missing.is_empty() {
        return text.to_owned();
    }
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let all = if ends_below_all(text, filtered) { "" } else { "[all]\n" };
    // After an overlay a parameter belongs to that overlay, unless an empty `dtoverlay=` ends it.
    let overlay = text.lines().any(|line| line.trim().starts_with("dtoverlay="));
    let base =
        if overlay && missing.iter().any(|setting| setting.key() == "dtparam") { "dtoverlay=\n" } else { "" };
    let lines: String = missing.iter().map(|setting| format!("{setting}\n")).collect();
    format!("{text}{end}{all}{base}{lines}")
}

/// Whether the last value is the right one on every board. Lines of overlays and parameters add up.
fn is_in_force(text: &str, setting: &FirmwareSetting, filtered: bool) -> bool {
    let is_list = matches!(setting.key(), "dtparam" | "dtoverlay");
    let mut filters = Filters { sometimes: filtered.then(String::new), ..Filters::default() };
    let (mut holds, mut overlay) = (false, false);
    for line in text.lines().map(str::trim) {
        if let Some(filter) = filter_of(line) {
            filters.set(filter);
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !filters.never) else { continue };
        let (key, value) = (key.trim(), value.trim());
        if key == setting.key() {
            let of_the_base = key != "dtparam" || !overlay;
            let right = value == setting.value() && of_the_base;
            holds = if is_list {
                holds || right && filters.sometimes.is_none()
            } else {
                right && (holds || filters.sometimes.is_none())
            };
        }
        if key == "dtoverlay" {
            overlay = !value.is_empty();
        }
    }
    holds
}

/// Whether a line at the end would apply to every board. The last filter of an included file is unknown.
fn ends_below_all(text: &str, filtered: bool) -> bool {
    text.lines().map(str::trim).fold(!filtered, |all, line| match filter_of(line) {
        Some(filter) => filter == "all",
        None => all && included(line).is_none(),
    })
}

fn filter_of(line: &str) -> Option<&str> {
    line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::trim)
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

/// Stock files include at most two; a file is read for each line that includes it.
const MAX_INCLUDES: usize = 16;

/// Reads the settings. `include` returns the text of an included file, or `None` if it is missing, which the firmware
/// ignores.
pub fn read(text: &str, include: &dyn Fn(&str) -> Option<String>) -> Result<BootFiles, Unclear> {
    let mut found =
        BootFiles { prefix: String::new(), cmdline: "cmdline.txt".to_owned(), kernels: BTreeSet::new() };
    let mut filters = Filters::default();
    if text.lines().filter_map(included).count() > MAX_INCLUDES {
        return Err(Unclear::Includes);
    }
    let expanded: String = text.lines().map(|line| expand(line, include)).collect();
    for line in expanded.lines().map(str::trim) {
        if let Some(filter) = filter_of(line) {
            filters.set(filter);
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !filters.never) else { continue };
        let value = value.trim();
        match key.trim() {
            "os_prefix" => found.prefix = filters.certain(line, value)?,
            "cmdline" => found.cmdline = filters.certain(line, value)?,
            "kernel" => {
                found.kernels.insert(value.to_owned());
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The line, or the text that it includes; nested includes are not followed.
fn expand(line: &str, include: &dyn Fn(&str) -> Option<String>) -> String {
    let text = included(line).map(|name| include(name).unwrap_or_default());
    format!("{}\n", text.as_deref().unwrap_or(line))
}

fn included(line: &str) -> Option<&str> {
    line.trim().strip_prefix("include ").map(str::trim)
}

/// The active filters.
#[derive(Default)]
struct Filters {
    /// Not in a normal boot: `[none]`, and `[tryboot]`, which is for one trial boot.
    never: bool,
    /// On some boards only.
    sometimes: Option<String>,
}

impl Filters {
    fn set(&mut self, filter: &str) {
        match filter {
            "all" => *self = Self::default(),
            "none" | "tryboot" => self.never = true,
            other => self.sometimes = Some(other.to_owned()),
        }
    }

    fn certain(&self, line: &str, value: &str) -> Result<String, Unclear> {
        match &self.sometimes {
            None => Ok(value.to_owned()),
            Some(filter) => Err(Unclear::Conditional { setting: line.to_owned(), filter: filter.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_setting_is_added_once_where_it_applies_to_every_board() {
        let uart: [FirmwareSetting; 1] = ["enable_uart=1".parse().unwrap()];
        for (text, want) in [
            ("", "enable_uart=1\n"),
            ("[all]\narm_64bit=1", "[all]\narm_64bit=1\nenable_uart=1\n"),
            ("enable_uart=1\n[cm4]\notg_mode=1\n", "enable_uart=1\n[cm4]\notg_mode=1\n"),
            (
                "[all]\nos_prefix=a/\n[tryboot]\nos_prefix=b/\n",
                "[all]\nos_prefix=a/\n[tryboot]\nos_prefix=b/\n[all]\nenable_uart=1\n",
            ),
            ("[cm4]\nenable_uart=1\n", "[cm4]\nenable_uart=1\n[all]\nenable_uart=1\n"),
            (
                "enable_uart=1\n[cm4]\nenable_uart=0\n",
                "enable_uart=1\n[cm4]\nenable_uart=0\n[all]\nenable_uart=1\n",
            ),
            (
                "enable_uart=1\n[none]\nenable_uart=0\n[all]\n",
                "enable_uart=1\n[none]\nenable_uart=0\n[all]\n",
            ),
            ("#enable_uart=1\nenable_uart=0\n", "#enable_uart=1\nenable_uart=0\nenable_uart=1\n"),
        ] {
            assert_eq!(edit(text, &uart), want, "{text:?}");
            assert_eq!(edit(want, &uart), want);
        }
        let param: [FirmwareSetting; 2] =
            ["dtparam=uart0_console", "dtparam=pciex1"].map(|text| text.parse().unwrap());
        for (text, want) in [
            ("dtparam=audio=on\n", "dtparam=audio=on\ndtparam=uart0_console\ndtparam=pciex1\n"),
            (
                "dtparam=pciex1\ndtoverlay=dwc2,dr_mode=host\n",
                "dtparam=pciex1\ndtoverlay=dwc2,dr_mode=host\ndtoverlay=\ndtparam=uart0_console\n",
            ),
        ] {
            assert_eq!(edit(text, &param), want, "{text:?}");
            assert_eq!(edit(want, &param), want);
        }
        assert_eq!(edit("include usercfg.txt\n", &uart), "include usercfg.txt\n[all]\nenable_uart=1\n");
        let custom = "enable_uart=1\n[all]\nenable_uart=1\n";
        assert_eq!(edit_custom("enable_uart=1\n", &uart), custom);
        assert_eq!(edit_custom(custom, &uart), custom);
        assert_eq!(edit_custom("", &uart), "[all]\nenable_uart=1\n");
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
}
