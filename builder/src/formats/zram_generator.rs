//! `/etc/systemd/zram-generator.conf`: no compressed swap in memory.

/// Where the file lies. It wins over the copies in `/run` and `/usr` (zram-generator.conf(5)).
pub const PATH: &str = "/etc/systemd/zram-generator.conf";

/// The file. Each device has a section of its own, so a file without one makes no device.
pub fn render() -> String {
    "# Written by hcimage: no [zram0] section, so no swap in memory: limits of Kubernetes do not hold with it.\n"
        .into()
}

/// Whether a configuration makes a device: each is a section of its own, `[zram0]`.
pub fn has_device(text: &str) -> bool {
    text.lines().any(|line| line.trim().starts_with("[zram"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_a_device_and_ours_has_none() {
        assert!(has_device("# x\n[zram0]\nzram-size = ram / 2\n"));
        assert!(!has_device("#[zram0]\n") && !has_device(&render()));
    }
}
