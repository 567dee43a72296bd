//! Words of a kernel command line that have something else run in place of the system's own start.
//!
//! Sources: kernel-command-line(7) of systemd, `init=` and `rdinit=` in the kernel's own list, raspberrypi-sys-mods,
//! raspi-config, Raspberry Pi Imager's `systemd.run=`.

use hc_common::text::Lines;

use super::error::EditError;
use super::kernel_args::{args, remove_args};

/// What Raspberry Pi OS runs once in place of init: bullseye and bookworm, and before. Besides what firstboot does as well
/// (it grows the root and makes host keys), they give the disk a new id, and only then have fstab and cmdline.txt name
/// it: a card that is cut off between the two does not start any more.
const PUBLISHERS: [&str; 2] =
    ["/usr/lib/raspberrypi-sys-mods/firstboot", "/usr/lib/raspi-config/init_resize.sh"];

/// The names of systemd and of what links to it.
const SYSTEMD: [&str; 6] = [
    "/sbin/init",
    "/usr/sbin/init",
    "/bin/systemd",
    "/usr/bin/systemd",
    "/lib/systemd/systemd",
    "/usr/lib/systemd/systemd",
];

/// Targets with everything that a node needs.
const TARGETS: [&str; 3] = ["multi-user.target", "graphical.target", "default.target"];

/// Whether this program in place of init starts the system: systemd by its names, or what a publisher runs before it.
pub fn starts_the_system(program: &str) -> bool {
    SYSTEMD.contains(&program) || PUBLISHERS.contains(&program)
}

/// Whether a node has everything that it needs with this target of systemd.
pub fn is_whole_target(unit: &str) -> bool {
    TARGETS.contains(&unit)
}

/// Whether a word has a publisher's program run in place of init.
pub fn is_publishers(word: &str) -> bool {
    word.strip_prefix("init=").is_some_and(|program| PUBLISHERS.contains(&program))
}

/// `cmdline.txt` without a publisher's program. A program that nobody knows is an error: what it does is not known, and
/// without it the image may lack something.
pub fn without_publishers(text: &str) -> Result<String, EditError> {
    let mut lines = Lines::parse(text);
    if let Some(line) = lines.bodies_mut().next() {
        if let Some(word) = args(line)?.into_iter().find(|word| is_foreign(word)) {
            return Err(EditError::ForeignStart { word: word.to_owned() });
        }
        *line = remove_args(line, is_publishers)?;
    }
    Ok(lines.render())
}

fn is_foreign(word: &str) -> bool {
    match word.split_once('=') {
        Some(("init", program)) => !starts_the_system(program),
        Some(("rdinit", program)) => program != "/init",
        // Done once, in place of all that the system does else; Raspberry Pi Imager has its script started so.
        Some(("systemd.run", _)) => true,
        Some(("systemd.unit", unit)) => !is_whole_target(unit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publishers_program_goes_and_the_rest_stays() {
        for (line, want) in [
            (
                "root=PARTUUID=5a0b7c12-02 quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n",
                "root=PARTUUID=5a0b7c12-02 quiet\n",
            ),
            ("init=/usr/lib/raspi-config/init_resize.sh quiet", "quiet"),
            ("a resize", "a resize"),
            (
                "a init=/sbin/init rdinit=/init systemd.unit=multi-user.target",
                "a init=/sbin/init rdinit=/init systemd.unit=multi-user.target",
            ),
            ("", ""),
            // What comes after the dashes is for init itself.
            ("a -- init=/x", "a -- init=/x"),
        ] {
            assert_eq!(without_publishers(line).as_deref(), Ok(want), "{line:?}");
        }
    }

    #[test]
    fn an_unknown_program_is_an_error_that_names_it() {
        for word in [
            "init=/bin/sh",
            "init=/usr/lib/raspberrypi-sys-mods/firstboot2",
            "rdinit=/bin/sh",
            "systemd.run=/boot/firstrun.sh",
            "systemd.unit=kernel-command-line.target",
        ] {
            let error = without_publishers(&format!("quiet {word} x\n")).unwrap_err();
            assert_eq!(error, EditError::ForeignStart { word: word.to_owned() });
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
