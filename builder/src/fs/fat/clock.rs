//! FAT's times: local time without a zone, from 1980 to 2107. Here they are UTC.

use std::cell::Cell;

use fatfs::{Date, DateTime, Time, TimeProvider};

/// 1980-01-01 00:00:00 and 2107-12-31 23:59:59, in seconds since 1970.
const RANGE: std::ops::RangeInclusive<i64> = 315_532_800..=4_354_819_199;

/// A time as the disk has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DosTime {
    pub(super) date: u16,
    pub(super) clock: u16,
    /// The odd second that `clock` cannot hold, in hundredths.
    pub(super) hundredths: u8,
}

/// The calendar's view of seconds since 1970; times that FAT cannot hold become the nearest it can.
pub(super) fn from_unix(seconds: i64) -> DateTime {
    let seconds = seconds.clamp(*RANGE.start(), *RANGE.end());
    let small = |n: i64| u16::try_from(n).unwrap_or(0);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    DateTime {
        date: Date { year: small(year), month: small(month), day: small(day) },
        time: Time { hour: small(rest / 3600), min: small(rest / 60 % 60), sec: small(rest % 60), millis: 0 },
    }
}

/// Seconds since 1970. Fields that no calendar has (a month 0) count as the first.
pub(super) fn to_unix(time: DateTime) -> i64 {
    let (year, month, day) =
        (i64::from(time.date.year), i64::from(time.date.month), i64::from(time.date.day));
    let days = days(year, month.clamp(1, 12), day.clamp(1, 31));
    let clock = i64::from(time.time.hour) * 3600 + i64::from(time.time.min) * 60 + i64::from(time.time.sec);
    days * 86_400 + clock
}

/// As the disk has it.
pub(super) fn dos(seconds: i64) -> DosTime {
    let DateTime { date, time } = from_unix(seconds);
    DosTime {
        date: (date.year.saturating_sub(1980) << 9) | (date.month << 5) | date.day,
        clock: (time.hour << 11) | (time.min << 5) | (time.sec / 2),
        hundredths: if time.sec % 2 == 1 { 100 } else { 0 },
    }
}

/// Days since 1970 to year, month, day, for days from 1980 to 2107, where every fourth year is a leap year
/// but 2100.
fn civil(days_since_1970: i64) -> (i64, i64, i64) {
    let year = (1980..=2107).rev().find(|year| days(*year, 1, 1) <= days_since_1970).unwrap_or(1980);
    let month = (1..=12).rev().find(|month| days(year, *month, 1) <= days_since_1970).unwrap_or(1);
    (year, month, days_since_1970 - days(year, month, 1) + 1)
}

/// Days from 1970 to a date, for years from 1980 to 2107.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |years: i64| years / 4 - years / 100 + years / 400;
    let before_year = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    let leap = year % 4 == 0 && year != 2100;
    let before_month: i64 = (1..month)
        .map(|month| match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        })
        .sum();
    before_year + before_month + day - 1
}

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
}

/// The time that `fatfs` gives to what it writes in this thread. It wants a static clock, so the time of the
/// edit at hand goes through here.
#[derive(Debug)]
pub(super) struct EditClock;

impl EditClock {
    pub(super) fn set(seconds: i64) {
        NOW.set(seconds);
    }
}

impl TimeProvider for EditClock {
    fn get_current_date(&self) -> Date {
        from_unix(NOW.get()).date
    }

    fn get_current_date_time(&self) -> DateTime {
        from_unix(NOW.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_agree_with_the_calendar() {
        // From `date -u -d @N +%F' '%T`.
        for (seconds, want) in [
            (315_532_800, (1980, 1, 1, 0, 0, 0)),
            (951_782_399, (2000, 2, 28, 23, 59, 59)),
            (951_782_400, (2000, 2, 29, 0, 0, 0)),
            (1_767_225_599, (2025, 12, 31, 23, 59, 59)),
            (4_107_542_399, (2100, 2, 28, 23, 59, 59)),
            (4_107_542_400, (2100, 3, 1, 0, 0, 0)),
            (4_354_819_199, (2107, 12, 31, 23, 59, 59)),
        ] {
            let DateTime { date, time } = from_unix(seconds);
            assert_eq!((date.year, date.month, date.day, time.hour, time.min, time.sec), want);
            assert_eq!(to_unix(from_unix(seconds)), seconds);
        }
    }

    #[test]
    fn times_out_of_range_become_the_nearest() {
        assert_eq!(to_unix(from_unix(0)), *RANGE.start());
        assert_eq!(to_unix(from_unix(i64::MIN)), *RANGE.start());
        assert_eq!(to_unix(from_unix(i64::MAX)), *RANGE.end());
    }
}
