//! `config.txt`: what a Raspberry Pi's firmware loads. Read only.
//!
//! The format is the firmware's own: a line is a setting, a filter in brackets or a comment. A filter holds until the
//! next one of its type, `[all]` ends them all (Raspberry Pi documentation, "Conditional filters").

use std::collections::BTreeSet;

/// What the firmware loads in a normal boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFiles {
    /// Put before the name of each file that belongs to the system: often a folder with a slash at its end.
    pub prefix: String,
    /// The kernel's arguments, without the prefix.
    pub cmdline: String,
    /// The kernels that are named, without the prefix; a board may decide between them. None: the firmware's defaults.
    pub kernels: BTreeSet<String>,
}

/// A setting that only some boards or pins turn on, so that the file alone does not tell which it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` stands below the filter [{filter}], so it depends on the board: put it below [all]")]
pub struct Conditional {
    setting: String,
    filter: String,
}

/// Reads the settings. `include` gives the text of a file that is included, or none where it does not exist, which
/// the firmware passes over.
pub fn read(text: &str, include: &dyn Fn(&str) -> Option<String>) -> Result<BootFiles, Conditional> {
    let mut found =
        BootFiles { prefix: String::new(), cmdline: "cmdline.txt".to_owned(), kernels: BTreeSet::new() };
    let mut filters = Filters::default();
    let expanded: String = text.lines().map(|line| expand(line, include)).collect();
    for line in expanded.lines().map(str::trim) {
        if let Some(filter) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            filters.set(filter.trim());
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

/// The line, or what it includes; included files do not include others here.
fn expand(line: &str, include: &dyn Fn(&str) -> Option<String>) -> String {
    let text = line.trim().strip_prefix("include ").map(|name| include(name.trim()).unwrap_or_default());
    format!("{}\n", text.as_deref().unwrap_or(line))
}

/// The filters in force.
#[derive(Default)]
struct Filters {
    /// Not in a normal boot: `[none]`, and `[tryboot]`, which is for a single trial.
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

    fn certain(&self, line: &str, value: &str) -> Result<String, Conditional> {
        match &self.sometimes {
            None => Ok(value.to_owned()),
            Some(filter) => Err(Conditional { setting: line.to_owned(), filter: filter.clone() }),
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
    fn the_settings_of_a_normal_boot_count() {
        let plain = |prefix: &str, cmdline: &str, kernels: &[&str]| {
            let kernels = kernels.iter().map(|name| (*name).to_owned()).collect();
            (prefix.to_owned(), cmdline.to_owned(), kernels)
        };
        for (text, want) in [
            ("", plain("", "cmdline.txt", &[])),
            ("#os_prefix=x/\narm_64bit=1\n", plain("", "cmdline.txt", &[])),
            // As Ubuntu has it since 25.10: a trial of the next kernel beside the current one.
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
    fn an_included_file_counts_and_a_missing_one_does_not() {
        let include = |name: &str| (name == "usercfg.txt").then(|| "cmdline=mine.txt\n".to_owned());
        let found = read("include syscfg.txt\ninclude usercfg.txt\nkernel=k", &include).unwrap();
        assert_eq!((found.cmdline.as_str(), found.kernels.len()), ("mine.txt", 1));
    }

    #[test]
    fn what_depends_on_the_board_is_refused() {
        let error = read("[pi5]\nos_prefix=five/\n", &|_| None).unwrap_err().to_string();
        assert!(error.contains("os_prefix=five/") && error.contains("[pi5]"), "{error}");
        assert!(read("[cm4]\ncmdline=c.txt\n", &|_| None).is_err());
    }
}
