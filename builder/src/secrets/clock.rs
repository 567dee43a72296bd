//! The two clocks that certificates are checked against.

use time::{Duration, OffsetDateTime};

use super::error::SecretsError;

/// The current time and the build time, both in seconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The clock of this machine. It is the creation time of new certificates; nothing else in an image depends on it.
    pub now: i64,
    /// The build time of decision 0003: the first time of a node without a hardware clock.
    pub build_time: i64,
}

/// A time in the type of the certificate libraries.
pub(super) fn moment(seconds: i64) -> Result<OffsetDateTime, SecretsError> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| SecretsError::NoDate { seconds })
}

/// The time `days` after another one, within the range of the calendar.
pub(super) fn days_after(seconds: i64, days: i64) -> Result<OffsetDateTime, SecretsError> {
    moment(seconds)?.checked_add(Duration::days(days)).ok_or(SecretsError::NoDate { seconds })
}

/// A date for messages: `2036-02-29`.
pub(super) fn date(moment: OffsetDateTime) -> String {
    moment.date().to_string()
}
