//! `cmdline.txt`: the kernel command line of a Raspberry Pi, in one line on the FAT partition.

use super::error::EditError;
use super::kernel_args::{KernelArg, ensure_args};
use hc_common::text::Lines;

/// The length in bytes that always reaches the kernel: `COMMAND_LINE_SIZE` of a 32-bit Arm kernel
/// (`arch/arm/include/uapi/asm/setup.h`). arm64 and x86 have 2048, but the firmware prepends several hundred bytes. Stock
/// lines have about 200.
pub const LIMIT: usize = 1024;

/// Makes `words` take effect. The rest of the line stays, including the base's first-boot arguments.
///
/// The firmware reads one line: text on another line is an error, and so is an empty first line, which could not boot.
pub fn edit(text: &str, words: &[KernelArg]) -> Result<String, EditError> {
    let lines = Lines::parse(text);
    if lines.bodies().next().is_none_or(|first| first.trim().is_empty()) {
        return Err(EditError::NoCommandLine);
    }
    edit_first_line(lines, words)
}

/// The same for a text that may be empty.
pub(super) fn edit_first_line(mut lines: Lines, words: &[KernelArg]) -> Result<String, EditError> {
    if let Some(second) = lines.bodies().skip(1).position(|body| !body.trim().is_empty()) {
        return Err(EditError::SecondLine { line: second.saturating_add(2) });
    }
    if lines.is_empty() {
        lines.push("");
    }
    if let Some(line) = lines.bodies_mut().next() {
        check_characters(line)?;
        *line = ensure_args(line, words)?;
        if line.len() >= LIMIT {
            return Err(EditError::TooLong { length: line.len(), limit: LIMIT - 1 });
        }
    }
    Ok(lines.render())
}

fn check_characters(line: &str) -> Result<(), EditError> {
    match line.chars().find(|c| c.is_control() && *c != '\t') {
        Some(character) => Err(EditError::ControlCharacter { character }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel_args::CGROUP_MEMORY;
    use super::*;

    fn edited(text: &str) -> Result<String, EditError> {
        edit(text, &CGROUP_MEMORY)
    }

    #[test]
    fn a_command_line_that_cannot_boot_is_rejected() {
        for empty in ["", "\n", " \r\n", "\nroot=/dev/sda1\n"] {
            assert_eq!(edited(empty), Err(EditError::NoCommandLine), "{empty:?}");
        }
        assert_eq!(edited("a\n\nb\n"), Err(EditError::SecondLine { line: 3 }));
        assert_eq!(edited("a\0b"), Err(EditError::ControlCharacter { character: '\0' }));
        assert_eq!(edited("a\rb\n"), Err(EditError::ControlCharacter { character: '\r' }));
        assert_eq!(edited("a=\"b\n"), Err(EditError::OpenQuote));
    }

    #[test]
    fn a_line_that_would_be_truncated_is_rejected() {
        let added = " cgroup_memory=1 cgroup_enable=memory".len();
        let fits = "x".repeat(LIMIT - 1 - added);
        assert!(edited(&fits).is_ok());
        assert_eq!(edited(&format!("{fits}x")), Err(EditError::TooLong { length: LIMIT, limit: LIMIT - 1 }));
    }
}
