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
    use std::io::Write;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    /// Compares pairs, a line each, as dpkg's own module for Perl does.
    const COMPARE: &str = r#"chomp; my ($l, $r) = split / /;
        print version_check($l) && version_check($r) ? version_compare($l, $r) : "invalid", "\n""#;

    /// The result of dpkg for each pair: one process for all of them.
    fn by_dpkg(pairs: &[(String, String)]) -> Vec<String> {
        let input: String = pairs.iter().map(|(left, right)| format!("{left} {right}\n")).collect();
        let mut perl = Command::new("perl");
        perl.args(["-MDpkg::Version", "-ne", COMPARE]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = perl.spawn().expect("running perl: install the package libdpkg-perl");
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "perl failed: install the package libdpkg-perl");
        let said: Vec<String> =
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(said.len(), pairs.len());
        said
    }

    fn agree_with_dpkg(pairs: &[(String, String)]) {
        for ((left, right), said) in pairs.iter().zip(by_dpkg(pairs)) {
            let order = left.parse::<DebianVersion>().unwrap().cmp(&right.parse().unwrap());
            assert_eq!((order as i8).to_string(), said, "{left} {order:?} {right}");
        }
    }

    #[test]
    fn versions_have_the_order_of_dpkg() {
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
        let with = |left: &str| versions.map(|right| (left.to_owned(), right.to_owned()));
        let both_huge = |(left, right): &(String, String)| left.len() >= 20 && right.len() >= 20;
        let (huge, others): (Vec<_>, Vec<_>) = versions.map(with).concat().into_iter().partition(both_huge);
        agree_with_dpkg(&others);
        // Perl's numbers are not exact here: dpkg itself is asked.
        assert_eq!(huge.len(), 4);
        for (left, right) in huge {
            let relation = match left.parse::<DebianVersion>().unwrap().cmp(&right.parse().unwrap()) {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            let status = Command::new("dpkg").args(["--compare-versions", &left, relation, &right]).status();
            assert!(
                status.expect("running dpkg: install the package dpkg").success(),
                "{left} {relation} {right}"
            );
        }
    }

    #[test]
    fn an_invalid_version_is_an_error() {
        for bad in
            ["", "a", "1 2", "1-", ":1", "x:1", "-1:1", "+1:1", "2147483648:1", "1:", "1_2", "1.0-1ü", "-1"]
        {
            assert!(bad.parse::<DebianVersion>().is_err(), "{bad:?}");
        }
    }

    fn version() -> impl Strategy<Value = String> {
        "([0-2]:)?[0-9][0-9a-c.+~-]{0,6}(-[0-2a~+.]{1,3})?"
            .prop_filter("an empty revision is no version", |text| !text.ends_with('-'))
    }

    proptest! {
        // One process a case, and many texts in each.
        #![proptest_config(ProptestConfig::with_cases(2))]
        #[test]
        fn any_two_versions_have_the_order_of_dpkg(
            pairs in prop::collection::vec((version(), version()), 200),
        ) {
            agree_with_dpkg(&pairs);
        }

        #[test]
        fn an_accepted_version_is_accepted_by_dpkg(texts in prop::collection::vec("[0-9a:~.+-]{0,8}", 400)) {
            let taken = texts.into_iter().filter(|text| text.parse::<DebianVersion>().is_ok());
            let pairs: Vec<_> = taken.map(|text| (text.clone(), text)).collect();
            prop_assert!(pairs.len() > 20, "{pairs:?}");
            prop_assert!(by_dpkg(&pairs).iter().all(|said| said == "0"), "{pairs:?}");
        }
    }
}
