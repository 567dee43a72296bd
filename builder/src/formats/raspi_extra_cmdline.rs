//! `/etc/default/raspi-extra-cmdline`: the text that Debian's raspi-firmware appends to each new `cmdline.txt`.
//!
//! Its kernel hook (`/etc/kernel/postinst.d/z50-raspi-firmware`) rewrites cmdline.txt at each kernel update and appends
//! this file unchanged, so the arguments added to cmdline.txt must be here too. According to
//! `/etc/default/raspi-firmware` it must be a single line without comments; the file is optional.

use super::cmdline::edit_first_line;
use super::error::EditError;
use super::kernel_args::KernelArg;
use hc_common::text::Lines;

/// The path of the file.
pub const PATH: &str = "/etc/default/raspi-extra-cmdline";

/// Makes `words` take effect; `text` is empty if the file is missing.
pub fn edit(text: &str, words: &[KernelArg]) -> Result<String, EditError> {
    edit_first_line(Lines::parse(text), words)
}

#[cfg(test)]
mod tests {
    use super::super::kernel_args::CGROUP_MEMORY;
    use super::*;

    #[test]
    fn a_missing_file_is_created_and_a_second_line_is_an_error() {
        assert_eq!(edit("", &CGROUP_MEMORY).unwrap(), "cgroup_memory=1 cgroup_enable=memory\n");
        assert_eq!(edit("# note\nquiet\n", &CGROUP_MEMORY), Err(EditError::SecondLine { line: 2 }));
    }
}
