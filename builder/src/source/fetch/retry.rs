//! Retries: which failures are retried, and how often.

use std::time::Duration;

use super::{RetryPolicy, TICK};
use crate::interrupt::{Interrupt, Interrupted};
use crate::source::error::{Result, SourceError};

/// Fewer bytes than this between two failures do not count as progress.
const PROGRESS: u64 = 1 << 20;

/// The longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The result of one attempt.
pub(super) type Tried<T> = std::result::Result<T, Fault>;

/// Why an attempt failed.
pub(super) enum Fault {
    /// Temporary: try again.
    Retry(SourceError),
    /// Temporary: try again after the time that the server has asked for.
    Later(Box<SourceError>, Duration),
    /// Permanent: give up.
    Abort(SourceError),
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        Self::Abort(error)
    }
}

impl From<Interrupted> for Fault {
    fn from(interrupted: Interrupted) -> Self {
        Self::Abort(interrupted.into())
    }
}

/// Retries after temporary failures.
pub(super) fn persist<T>(
    retry_policy: RetryPolicy,
    interrupt: &Interrupt,
    mut attempt: impl FnMut() -> Tried<T>,
) -> Result<T> {
    let mut budget = Budget::new(retry_policy);
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(fault) => budget.after(fault, 0, interrupt)?,
        }
    }
}

/// The remaining attempts.
pub(super) struct Budget {
    retry_policy: RetryPolicy,
    failures: u32,
    furthest: u64,
}

impl Budget {
    pub(super) fn new(retry_policy: RetryPolicy) -> Self {
        Self { retry_policy, failures: 0, furthest: 0 }
    }

    /// Waits before the next attempt as a failure asks for, or gives up with it.
    pub(super) fn after(&mut self, fault: Fault, reached: u64, interrupt: &Interrupt) -> Result<()> {
        match fault {
            Fault::Abort(error) => Err(error),
            Fault::Retry(error) => self.spend(error, reached, interrupt),
            Fault::Later(error, pause) => self.spend_at_least(*error, reached, pause, interrupt),
        }
    }

    /// Waits before the next attempt, or gives up with `error`. New progress resets the count.
    fn spend(&mut self, error: SourceError, reached: u64, interrupt: &Interrupt) -> Result<()> {
        self.spend_at_least(error, reached, Duration::ZERO, interrupt)
    }

    /// The same, with a pause of at least `pause`. A server that wants to be left alone for long is given up.
    fn spend_at_least(
        &mut self,
        error: SourceError,
        reached: u64,
        pause: Duration,
        interrupt: &Interrupt,
    ) -> Result<()> {
        if reached >= self.furthest.saturating_add(PROGRESS) {
            (self.failures, self.furthest) = (0, reached);
        }
        self.failures += 1;
        if self.failures >= self.retry_policy.tries || pause > LONGEST_PAUSE {
            return Err(error);
        }
        let doubled = 1u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX);
        let mut left =
            self.retry_policy.pause.saturating_mul(doubled).min(Duration::from_secs(60)).max(pause);
        while !left.is_zero() {
            interrupt.check()?;
            let nap = left.min(TICK);
            std::thread::sleep(nap);
            left -= nap;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_bounded_and_progress_resets_the_count() {
        let retry_policy = RetryPolicy { tries: 2, pause: Duration::ZERO, stall: Duration::ZERO };
        let error = || SourceError::Missing { what: String::new(), hint: String::new() };
        let interrupt = Interrupt::new();
        let mut budget = Budget::new(retry_policy);
        budget.spend(error(), 0, &interrupt).unwrap();
        budget.spend(error(), PROGRESS, &interrupt).unwrap();
        budget.spend(error(), 3 * PROGRESS, &interrupt).unwrap();
        // No progress: a server that never gets further is given up.
        budget.spend(error(), 3 * PROGRESS, &interrupt).unwrap_err();
    }

    #[test]
    fn an_interrupt_ends_a_pause() {
        let retry_policy = RetryPolicy { tries: 9, pause: Duration::from_secs(3600), stall: Duration::ZERO };
        let interrupt = Interrupt::new();
        interrupt.raise();
        let error = SourceError::Missing { what: String::new(), hint: String::new() };
        assert!(matches!(
            Budget::new(retry_policy).spend(error, 0, &interrupt),
            Err(SourceError::Interrupted(_))
        ));
    }
}
