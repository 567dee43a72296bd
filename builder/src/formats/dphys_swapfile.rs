//! `/etc/dphys-swapfile`: disables the swap file of Raspberry Pi OS bullseye and bookworm.

use hc_common::text::Lines;

/// The path of the file.
pub const PATH: &str = "/etc/dphys-swapfile";

const SIZE: &str = "CONF_SWAPSIZE=";

/// Sets `CONF_SWAPSIZE=0`: in each line that sets it, otherwise in the commented example, otherwise at the end.
pub fn edit(text: &str) -> String {
    let mut lines = Lines::parse(text);
    if lines.bodies().any(is_set) {
        lines.bodies_mut().filter(|line| is_set(line)).for_each(set_zero);
    } else if lines.bodies().any(is_example) {
        lines
            .bodies_mut()
            .filter(|line| is_example(line))
            .take(1)
            .for_each(|line| *line = format!("{SIZE}0"));
    } else {
        lines.push(format!("{SIZE}0"));
    }
    lines.render()
}

/// The swap file of the service: `CONF_SWAPFILE`, otherwise the package's default.
pub fn swap_file(text: &str) -> String {
    let setting = text.lines().filter_map(|line| line.trim().strip_prefix("CONF_SWAPFILE=")).next_back();
    let value = setting.map(|value| value.trim().trim_matches(['"', '\'']));
    value.filter(|value| !value.is_empty()).unwrap_or("/var/swap").to_owned()
}

fn is_set(line: &str) -> bool {
    line.trim_start().starts_with(SIZE)
}

/// Replaces the value and keeps the text after it.
fn set_zero(line: &mut String) {
    let indent = line.len().saturating_sub(line.trim_start().len());
    let from = indent.saturating_add(SIZE.len());
    let value = line.get(from..).unwrap_or_default();
    let value = value.find(char::is_whitespace).unwrap_or(value.len());
    line.replace_range(from..from.saturating_add(value), "0");
}

fn is_example(line: &str) -> bool {
    line.trim_start().strip_prefix('#').is_some_and(|rest| rest.trim_start().starts_with(SIZE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_configured_one_or_the_default() {
        assert_eq!(swap_file("#CONF_SWAPFILE=/x\nCONF_SWAPSIZE=100\n"), "/var/swap");
        assert_eq!(swap_file("CONF_SWAPFILE=\"/srv/swap\"\n"), "/srv/swap");
        assert_eq!(swap_file("CONF_SWAPFILE=\n"), "/var/swap");
    }

    #[test]
    fn the_value_is_replaced_in_every_line_that_sets_it() {
        for (text, want) in [
            ("CONF_SWAPSIZE=100\n", "CONF_SWAPSIZE=0\n"),
            ("  CONF_SWAPSIZE=\"100\" # MB\nCONF_SWAPSIZE=\n", "  CONF_SWAPSIZE=0 # MB\nCONF_SWAPSIZE=0\n"),
            ("#CONF_SWAPSIZE=100\nx\n# CONF_SWAPSIZE=\n", "CONF_SWAPSIZE=0\nx\n# CONF_SWAPSIZE=\n"),
            ("#CONF_SWAPSIZE=\nCONF_SWAPSIZE=512", "#CONF_SWAPSIZE=\nCONF_SWAPSIZE=0"),
            ("", "CONF_SWAPSIZE=0\n"),
        ] {
            assert_eq!(edit(text), want, "{text:?}");
        }
    }
}
