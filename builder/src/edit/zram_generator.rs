//! `/etc/systemd/zram-generator.conf`: no compressed swap in memory.

/// Where the file lies. It wins over the copies in `/run` and `/usr` (zram-generator.conf(5)).
pub const PATH: &str = "/etc/systemd/zram-generator.conf";

/// The file. Each device has a section of its own, so a file without one makes no device.
pub fn render() -> String {
    "# Written by hcimage: no [zram0] section, so no swap in memory: limits of Kubernetes do not hold with it.\n"
        .into()
}
