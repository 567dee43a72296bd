//! `config.txt`: the boot files of a Raspberry Pi's firmware, and settings of a board.
//!
//! The format is the firmware's: a line is a setting, a filter in brackets or a comment. A filter applies until the next
//! one of its type; `[all]` ends all filters (Raspberry Pi documentation, "Conditional filters").

mod boot;
mod condition;

pub use boot::{AUTOBOOT, BootFiles, Setting, Unclear, autoboot, boot_files, settings};
pub use condition::{Applies, Condition};

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
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { newline };
    let all = if ends_below_all(text, filtered) { "" } else { "[all]\n" };
    // After an overlay a parameter belongs to that overlay, unless an empty `dtoverlay=` ends it.
    let overlay = text.lines().any(|line| line.trim().starts_with("dtoverlay="));
    let base =
        if overlay && missing.iter().any(|setting| setting.key() == "dtparam") { "dtoverlay=\n" } else { "" };
    let lines: String = missing.iter().map(|setting| format!("{setting}\n")).collect();
    let added = format!("{all}{base}{lines}").replace('\n', newline);
    format!("{text}{end}{added}")
}

/// Whether the last value is the right one on every board. Lines of overlays and parameters add up.
fn is_in_force(text: &str, setting: &FirmwareSetting, filtered: bool) -> bool {
    let is_list = matches!(setting.key(), "dtparam" | "dtoverlay");
    let mut filters = if filtered { Condition::unknown() } else { Condition::default() };
    let (mut holds, mut overlay) = (false, false);
    for line in text.lines().map(str::trim) {
        if let Some(filter) = filter_of(line) {
            filters.set(filter);
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !filters.is_never()) else { continue };
        let (key, value) = (key.trim(), value.trim());
        if key == setting.key() {
            let of_the_base = key != "dtparam" || !overlay;
            let right = value == setting.value() && of_the_base;
            holds = if is_list {
                holds || right && filters.is_always()
            } else {
                right && (holds || filters.is_always())
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

fn included(line: &str) -> Option<&str> {
    line.trim().strip_prefix("include ").map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_added_once_where_it_applies_to_every_board() {
        let uart: [FirmwareSetting; 1] = ["enable_uart=1".parse().unwrap()];
        for (text, want) in [
            ("", "enable_uart=1\n"),
            ("[all]\narm_64bit=1", "[all]\narm_64bit=1\nenable_uart=1\n"),
            ("[cm4]\r\notg_mode=1\r\n", "[cm4]\r\notg_mode=1\r\n[all]\r\nenable_uart=1\r\n"),
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
}
