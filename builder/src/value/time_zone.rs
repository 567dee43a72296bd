//! A time zone's name.

use std::fmt;
use std::str::FromStr;

use hc_common::text_value;
use hc_common::value::ValueError;
use serde::{Deserialize, Serialize};

/// A name of the IANA time zone database, such as `Europe/Berlin` or `UTC`. The image (`/usr/share/zoneinfo`) decides
/// whether it exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(String);

impl TimeZone {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TimeZone {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = |part: &str| {
            part.bytes().next().is_some_and(|b| b.is_ascii_uppercase())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
        };
        if !text.split('/').all(part) || text.split('/').count() > 3 {
            return Err(ValueError::new(
                "time zone",
                text,
                "is not a name of the time zone database",
                "use a name from `timedatectl list-timezones`, such as Europe/Berlin or UTC",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

text_value!(TimeZone);

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_of_the_database_is_accepted() {
        for good in
            ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+1", "America/Port-au-Prince"]
        {
            assert_eq!(good.parse::<TimeZone>().unwrap().as_str(), good);
        }
        for bad in
            ["", "europe/berlin", "+01:00", "/Europe/Berlin", "Europe/", "../etc/passwd", "Europe Berlin"]
        {
            assert!(bad.parse::<TimeZone>().is_err(), "{bad}");
        }
    }
}
