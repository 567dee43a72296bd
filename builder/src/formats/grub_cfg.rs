//! `grub.cfg`: the boot menu that update-grub generated, which cannot run again offline.

use super::error::EditError;
use super::kernel_args::{KernelArg, ensure_args};
use hc_common::text::Lines;

/// GRUB's commands that load a Linux kernel and give it its command line.
const COMMANDS: [&str; 3] = ["linux", "linuxefi", "linux16"];

/// Makes `words` take effect in every entry. In recovery entries too, because update-grub puts `GRUB_CMDLINE_LINUX`
/// there too: its next run (see [`super::grub_default`]) makes the same of them. A memory tester ignores the words.
///
/// Refused where no line loads a kernel, or where one does in a form that update-grub does not write.
pub fn edit(text: &str, words: &[KernelArg]) -> Result<String, EditError> {
    let mut lines = Lines::parse(text);
    let mut found = false;
    for (number, line) in (1..).zip(lines.bodies_mut()) {
        if !loads_kernel(line) {
            continue;
        }
        if let Some(found) = unusual(line) {
            return Err(EditError::UnusualKernelLine { line: number, found });
        }
        *line = ensure_args(line, words)?;
        found = true;
    }
    if found { Ok(lines.render()) } else { Err(EditError::NoKernelLine) }
}

fn loads_kernel(line: &str) -> bool {
    line.split_ascii_whitespace().next().is_some_and(|command| COMMANDS.contains(&command))
}

/// What makes the end of the line something other than the end of the command line.
fn unusual(line: &str) -> Option<&'static str> {
    if line.trim_end().ends_with('\\') {
        return Some("\\");
    }
    let comment = line.split_ascii_whitespace().any(|word| word.starts_with('#'));
    let marks = [("#", comment), (";", line.contains(';')), ("'", line.contains('\''))];
    marks.into_iter().find(|(_, present)| *present).map(|(mark, _)| mark)
}

#[cfg(test)]
mod tests {
    use super::super::kernel_args::CGROUP_MEMORY;
    use super::*;

    #[test]
    fn what_update_grub_does_not_write_is_refused() {
        for (text, want) in [
            ("", EditError::NoKernelLine),
            ("menuentry 'x' {\n}\n", EditError::NoKernelLine),
            ("# linux /vmlinuz\n", EditError::NoKernelLine),
            ("\n linux /v quiet \\\n ro\n", EditError::UnusualKernelLine { line: 2, found: "\\" }),
            ("linux /v quiet # note\n", EditError::UnusualKernelLine { line: 1, found: "#" }),
            ("linux /v; initrd /i\n", EditError::UnusualKernelLine { line: 1, found: ";" }),
            ("linux /v 'a b'\n", EditError::UnusualKernelLine { line: 1, found: "'" }),
            ("linux /v \"a b\n", EditError::OpenQuote),
        ] {
            assert_eq!(edit(text, &CGROUP_MEMORY), Err(want), "{text:?}");
        }
    }
}
