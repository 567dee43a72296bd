//! The system clock, and the one demand k3s makes of it before it starts.

use anyhow::{Result, ensure};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// Now, in UTC, cut to whole seconds.
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now)
}

/// Now, as Kubernetes writes times: `2026-01-31T12:00:00Z`.
pub(crate) fn rfc3339_now() -> String {
    now().format(&Rfc3339).unwrap_or_default()
}

/// Reads a time as Kubernetes writes it.
pub(crate) fn parse(text: &str) -> Option<std::time::SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(Into::into)
}

/// Now, as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_now() -> String {
    now().format(&Rfc2822).unwrap_or_default().replace("+0000", "GMT")
}

/// Refuses a clock before 1980, as k3s does.
///
/// # Errors
/// When the year is before 1980.
pub(crate) fn refuse_before_1980(now: OffsetDateTime) -> Result<()> {
    ensure!(now.year() >= 1980, "server time isn't set properly: {now}; set the clock, then start again");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_at_the_epoch_is_refused() {
        let refused = refuse_before_1980(OffsetDateTime::UNIX_EPOCH).unwrap_err();
        assert!(refused.to_string().contains("1970"), "{refused}");
    }

    #[test]
    fn a_clock_of_1980_is_accepted() {
        refuse_before_1980(rcgen::date_time_ymd(1980, 1, 1)).unwrap();
    }
}
