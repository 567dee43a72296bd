//! Versions of Debian packages and their order (Debian Policy 5.6.12).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// `[epoch:]upstream[-revision]`. Versions that the policy defines as equal (`1.0` and `1.0-0`) are equal.
#[derive(Debug, Clone)]
pub struct DebianVersion {
    text: String,
    epoch: u32,
    upstream: String,
    revision: String,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid Debian package version {text:?}: {cause}; the package database may be damaged")]
pub struct VersionError {
    text: String,
    cause: &'static str,
}

impl FromStr for DebianVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause| VersionError { text: text.to_owned(), cause };
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => {
                (parse_epoch(epoch).ok_or_else(|| refuse("the epoch is not a number"))?, rest)
            }
            None => (0, text),
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            Some((_, "")) => return Err(refuse("the revision is empty")),
            Some(parts) => parts,
            None => (rest, ""),
        };
        if !upstream.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(refuse("it does not begin with a digit"));
        }
        let allowed = |c: char, more: &str| c.is_ascii_alphanumeric() || more.contains(c);
        if !upstream.chars().all(|c| allowed(c, ".+~-:")) || !revision.chars().all(|c| allowed(c, ".+~")) {
            return Err(refuse("it has an invalid character"));
        }
        Ok(Self {
            text: text.to_owned(),
            epoch,
            upstream: upstream.to_owned(),
            revision: revision.to_owned(),
        })
    }
}

/// Digits only; the maximum is dpkg's, an int.
fn parse_epoch(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|epoch| digits && *epoch <= i32::MAX.unsigned_abs())
}

impl fmt::Display for DebianVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for DebianVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(&self.upstream, &other.upstream))
            .then_with(|| compare(&self.revision, &other.revision))
    }
}

impl PartialOrd for DebianVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for DebianVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for DebianVersion {}

/// Compares from the left, alternating between a run of non-digits and a run of digits.
fn compare(mut left: &str, mut right: &str) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split(left, |c| !c.is_ascii_digit());
        let (right_text, right_rest) = split(right, |c| !c.is_ascii_digit());
        let (left_number, left_rest) = split(left_rest, |c| c.is_ascii_digit());
        let (right_number, right_rest) = split(right_rest, |c| c.is_ascii_digit());
        let order =
            compare_text(left_text, right_text).then_with(|| compare_numbers(left_number, right_number));
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

/// The longest prefix whose characters all satisfy `within`, and the rest.
fn split(text: &str, within: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !within(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A tilde sorts before the end, the end before letters, letters before everything else.
fn compare_text(left: &str, right: &str) -> Ordering {
    let weights = |text: &'_ str| text.chars().map(weight).chain([0]).collect::<Vec<_>>();
    weights(left).cmp(&weights(right))
}

fn weight(c: char) -> i64 {
    match c {
        '~' => -1,
        c if c.is_ascii_alphabetic() => i64::from(u32::from(c)),
        c => i64::from(u32::from(c)) + 256,
    }
}

/// Compares numbers of any length; no digits are zero.
fn compare_numbers(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// The result of dpkg itself, the reference of these tests.
    fn dpkg(left: &str, relation: &str, right: &str) -> bool {
        let status = Command::new("dpkg")
            .args(["--compare-versions", left, relation, right])
            .status()
            .expect("running dpkg: install the package dpkg");
        status.success()
    }

    fn agrees_with_dpkg(left: &str, right: &str) {
        let order = left.parse::<DebianVersion>().unwrap().cmp(&right.parse().unwrap());
        let relation = match order {
            Ordering::Less => "lt",
            Ordering::Equal => "eq",
            Ordering::Greater => "gt",
        };
        assert!(dpkg(left, relation, right), "{left} {order:?} {right}");
    }

    #[test]
    fn the_order_is_that_of_dpkg() {
        let versions = [
            "0",
            "1",
            "1.0",
            "1.0-0",
            "1.0-1",
            "1.00",
            "1.0~rc1",
            "1.0~~",
            "1.0~",
            "1.0a",
            "1.0+",
            "1.0+b1",
            "1.0-1~bpo10+1",
            "1.0-1+deb12u1",
            "1:0.5",
            "0:1.0",
            "2147483647:1",
            "1.8.2-4",
            "1.8.6",
            "1.8.6-1",
            "1.8.6~rc1-1",
            "1.8.10-1",
            "1.8.07",
            "1-2-3",
            "1:1:1",
            "99999999999999999999",
            "100000000000000000000",
        ];
        for left in versions {
            for right in versions {
                agrees_with_dpkg(left, right);
            }
        }
    }

    #[test]
    fn an_invalid_version_is_rejected() {
        for bad in
            ["", "a", "1 2", "1-", ":1", "x:1", "-1:1", "+1:1", "2147483648:1", "1:", "1_2", "1.0-1ü", "-1"]
        {
            assert!(bad.parse::<DebianVersion>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_two_versions_have_the_order_of_dpkg(
            left in "([0-2]:)?[0-9][0-9a-c.+~-]{0,6}(-[0-2a~+.]{1,3})?",
            right in "([0-2]:)?[0-9][0-9a-c.+~-]{0,6}(-[0-2a~+.]{1,3})?",
        ) {
            prop_assume!(!left.ends_with('-') && !right.ends_with('-'));
            agrees_with_dpkg(&left, &right);
        }

        #[test]
        fn an_accepted_version_is_accepted_by_dpkg(text in "[0-9a:~.+-]{0,8}") {
            if text.parse::<DebianVersion>().is_ok() {
                prop_assert!(dpkg(&text, "eq", &text));
            }
        }
    }
}
