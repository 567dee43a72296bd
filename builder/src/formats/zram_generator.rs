//! `/etc/systemd/zram-generator.conf`: disables compressed swap in memory.

/// The path of the file. It wins over the copies in `/run` and `/usr` (zram-generator.conf(5)).
pub const PATH: &str = "/etc/systemd/zram-generator.conf";

/// The file. Each device has its own section, so a file without sections creates no device.
pub fn render() -> String {
    "# Written by hcimage: no [zram0] section, so no swap in memory: limits of Kubernetes do not hold with it.\n"
        .into()
}

/// Whether a configuration creates a device: each has its own section, `[zram0]`.
pub fn has_device(text: &str) -> bool {
    text.lines().any(|line| line.trim().starts_with("[zram"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_a_device_and_the_rendered_file_has_none() {
        assert!(has_device("# x\n[zram0]\nzram-size = ram / 2\n"));
        assert!(!has_device("#[zram0]\n") && !has_device(&render()));
    }
}
