//! Addresses for mail.

use std::str::FromStr;

use hc_common::value::{DomainName, ValueError};

/// An address such as `kim@example.org`: of the form that providers take, without comments and quotes (RFC 5321 allows more).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        let is_good = text.split_once('@').is_some_and(|(local, domain)| {
            (1..=64).contains(&local.len())
                && local.chars().all(is_plain)
                && domain.contains('.')
                && domain.parse::<DomainName>().is_ok()
        });
        if is_good {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new("mail address", text, "is invalid", "use the form kim@example.org"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_accepted() {
        for good in ["kim@example.org", "a.b+c@mail.example.co.uk"] {
            assert_eq!(good.parse::<EmailAddress>().unwrap().as_str(), good);
        }
        for bad in ["", "kim", "@example.org", "kim@", "kim@localhost", "a b@example.org", "kim@exa mple.org"]
        {
            assert!(bad.parse::<EmailAddress>().is_err(), "{bad}");
        }
    }
}
