//! `/etc/default/raspi-extra-cmdline`: what Debian's raspi-firmware puts at the end of each new `cmdline.txt`.
//!
//! Its kernel hook (`/etc/kernel/postinst.d/z50-raspi-firmware`) writes cmdline.txt anew at each kernel update and
//! appends this file as it is, so the words that were added to cmdline.txt must stand here too. "All in a single line,
//! no comments", says `/etc/default/raspi-firmware`; the file need not exist.

use super::cmdline::edit_first_line;
use super::error::EditError;
use super::kernel_args::KernelArg;
use hc_common::text::Lines;

/// Where the file lies.
pub const PATH: &str = "/etc/default/raspi-extra-cmdline";

/// Makes `words` take effect; `text` is empty where there is no file yet.
pub fn edit(text: &str, words: &[KernelArg]) -> Result<String, EditError> {
    edit_first_line(Lines::parse(text), words)
}

#[cfg(test)]
mod tests {
    use super::super::kernel_args::CGROUP_MEMORY;
    use super::*;

    #[test]
    fn an_absent_file_is_begun_and_a_second_line_refused() {
        assert_eq!(edit("", &CGROUP_MEMORY).unwrap(), "cgroup_memory=1 cgroup_enable=memory\n");
        assert_eq!(edit("# note\nquiet\n", &CGROUP_MEMORY), Err(EditError::SecondLine { line: 2 }));
    }
}
