//! The two clocks that certificates are held against.

use time::{Duration, OffsetDateTime};

use super::error::SecretsError;

/// What time it is, and what time the cards are built for. Both in seconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// By the clock of this machine. New certificates count from it; nothing else in a card depends on it.
    pub now: i64,
    /// The build time of decision 0003: where a node without a clock of its own starts to count.
    pub build_time: i64,
}

/// A moment as the certificate libraries take it.
pub(super) fn moment(seconds: i64) -> Result<OffsetDateTime, SecretsError> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| SecretsError::NoDate { seconds })
}

/// A moment `days` after another one, as far as the calendar reaches.
pub(super) fn days_after(seconds: i64, days: i64) -> Result<OffsetDateTime, SecretsError> {
    moment(seconds)?.checked_add(Duration::days(days)).ok_or(SecretsError::NoDate { seconds })
}

/// A day for a person to read: `2036-02-29`.
pub(super) fn date(moment: OffsetDateTime) -> String {
    moment.date().to_string()
}
