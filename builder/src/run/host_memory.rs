//! How much memory this computer has for machines.

/// What is available without swapping, in MiB, where the system says it (`MemAvailable` in proc(5)).
#[cfg(target_os = "linux")]
pub fn available() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// Elsewhere nobody says it in a file.
#[cfg(not(target_os = "linux"))]
pub fn available() -> Option<u64> {
    None
}

#[cfg(any(test, target_os = "linux"))]
fn parse(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_estimate_is_taken() {
        assert_eq!(parse("MemTotal: 9000 kB\nMemAvailable:   23396352 kB\n"), Some(22848));
        assert_eq!(parse("MemTotal: 9000 kB\nMemFree: 1 kB\n"), None);
    }
}
