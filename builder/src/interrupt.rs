//! Ctrl-C and SIGTERM as a value: long loops check it, stop in order, and remove partial output.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts;

#[cfg(unix)]
const SIGNALS: &[i32] = &[consts::SIGINT, consts::SIGTERM, consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: &[i32] = &[consts::SIGINT, consts::SIGTERM];

/// A flag that asks all holders of a clone to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The user asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted; partial output removed")]
pub struct Interrupted;

impl Interrupt {
    /// A flag that only [`Interrupt::raise`] sets.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that SIGINT and SIGTERM, and where there is one SIGHUP, set. A signal that the parent told us to ignore,
    /// as `nohup` and a shell's background jobs do, stays ignored.
    pub fn install() -> io::Result<Self> {
        let interrupt = Self::new();
        let ignored = ignored_signals();
        for signal in SIGNALS.iter().copied().filter(|signal| ignored & (1 << (signal - 1)) == 0) {
            signal_hook::flag::register(signal, Arc::clone(&interrupt.0))?;
        }
        Ok(interrupt)
    }

    /// Asks to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether it was asked to stop; from now on, whether it is asked once more.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    /// For `?` in a loop.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_raised() { Err(Interrupted) } else { Ok(()) }
    }
}

/// The signals that this process was started with as ignored, bit n-1 for signal n (`SigIgn` in proc(5)).
#[cfg(target_os = "linux")]
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Elsewhere there is no file that says it.
#[cfg(not(target_os = "linux"))]
fn ignored_signals() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_flag() {
        let interrupt = Interrupt::new();
        let clone = interrupt.clone();
        assert_eq!(clone.check(), Ok(()));
        interrupt.raise();
        assert_eq!(clone.check(), Err(Interrupted));
        assert!(clone.take() && !interrupt.take());
    }
}
