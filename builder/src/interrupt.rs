//! Ctrl-C and SIGTERM as a value: long loops look at it, give up in order, and leave nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that asks everybody who holds a clone to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The user asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted: nothing was left behind")]
pub struct Interrupted;

impl Interrupt {
    /// A flag that only [`Interrupt::raise`] sets.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that SIGINT, SIGTERM and SIGHUP (on Windows Ctrl-C and closing the console) set. Once in a process: a
    /// second call is an error.
    pub fn install() -> Result<Self, ctrlc::Error> {
        let interrupt = Self::new();
        let flag = interrupt.clone();
        ctrlc::try_set_handler(move || flag.raise())?;
        Ok(interrupt)
    }

    /// Asks to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// For `?` in a loop.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_raised() { Err(Interrupted) } else { Ok(()) }
    }
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
    }
}
