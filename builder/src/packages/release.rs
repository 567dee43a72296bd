//! `InRelease` of a suite: which lists it has, with their digests, and for how long.
//!
//! Format: the Debian wiki, RepositoryFormat.

use std::collections::BTreeMap;

use time::{Date, Month, OffsetDateTime, Time};

use crate::formats::deb822;
use crate::source::digest::Sha256Digest;

/// What the signed text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    /// When it was made, in seconds since 1970.
    pub(super) date: i64,
    /// Until when it is valid, likewise.
    valid_until: Option<i64>,
    /// What the suite calls itself, by its place in the distribution and by its own name.
    names: Vec<String>,
    /// The files of the suite.
    files: BTreeMap<String, Listed>,
    /// Whether files can be asked for by their digests.
    pub(super) by_hash: bool,
    /// Whether packages of the architecture `all` have a list of their own, and are in no other.
    has_list_of_all: bool,
    /// Whether its packages are taken only where somebody names the suite, as backports are.
    pub(super) is_not_automatic: bool,
}

/// A file of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its size in bytes.
    pub(super) size: u64,
    pub(super) sha256: Sha256Digest,
}

/// How a list of packages is packed, the smallest first.
pub(super) const PACKED: [&str; 3] = [".xz", ".gz", ""];

impl Release {
    /// Reads the text. The error follows the name of the file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let paragraph = deb822::paragraphs(text).next().ok_or("it is empty")?;
        let date_of = |name: &str| {
            let value = paragraph.field(name).map(deb822::Value::text);
            value
                .map(|text| date(text).ok_or_else(|| format!("{name} is {text:?}, expected a time")))
                .transpose()
        };
        let date = date_of("Date")?.ok_or("it has no Date")?;
        let sums = paragraph.field("SHA256").ok_or("it has no SHA256, and older digests can be forged")?;
        let mut files = BTreeMap::new();
        for line in sums.lines().filter(|line| !line.is_empty()) {
            let mut words = line.split_ascii_whitespace();
            let (sha256, size, name) = (words.next(), words.next(), words.next());
            let listed =
                sha256.and_then(|text| text.parse().ok()).zip(size.and_then(|text| text.parse().ok()));
            let ((sha256, size), name) =
                listed.zip(name).ok_or_else(|| format!("its line {line:?} is invalid"))?;
            files.insert(name.to_owned(), Listed { size, sha256 });
        }
        let name_of = |name: &str| paragraph.field(name).map(|value| value.text().to_owned());
        let is = |name: &str| paragraph.field(name).is_some_and(|value| value.text() == "yes");
        Ok(Self {
            date,
            valid_until: date_of("Valid-Until")?,
            names: ["Suite", "Codename"].into_iter().filter_map(name_of).collect(),
            files,
            has_list_of_all: has_list_of_all(paragraph),
            by_hash: is("Acquire-By-Hash"),
            is_not_automatic: is("NotAutomatic"),
        })
    }

    /// It is that of the suite that was asked for: the same key signs others, and one of them could be served instead. As for
    /// apt, `bookworm/updates` is `bookworm`.
    pub(super) fn is_of(&self, suite: &str) -> Result<(), String> {
        let wanted = suite.split_once('/').map_or(suite, |(name, _)| name);
        if self.names.is_empty() || matches!(wanted, "" | ".") || self.names.iter().any(|name| name == wanted)
        {
            return Ok(());
        }
        Err(format!(
            "it is the index of {}, expected {wanted}: the server has another suite there",
            self.names.join(", ")
        ))
    }

    /// It is no old one that somebody serves again: it is valid at `now`, and not older than `seen`, the newest so far.
    pub(super) fn is_current(&self, now: i64, seen: Option<i64>) -> Result<(), String> {
        const DAY: i64 = 24 * 3600;
        if self.date > now.saturating_add(DAY) {
            return Err("it was made after now: check the clock of this machine".to_owned());
        }
        if let Some(until) = self.valid_until.filter(|until| *until < now) {
            let days = now.saturating_sub(until) / DAY;
            return Err(format!(
                "it expired {days} days ago: the mirror is old, or somebody serves an old state of it"
            ));
        }
        if seen.is_some_and(|seen| self.date < seen) {
            return Err("it is older than the one that was used before: somebody serves an old state of it; try another \
                        mirror"
                .to_owned());
        }
        Ok(())
    }

    /// The lists of a component's packages, each in the smallest form: names, and what they must hold.
    pub(super) fn lists(&self, component: &str, arch: &str) -> Vec<(String, Listed)> {
        let all = self.has_list_of_all.then_some("all");
        let dirs = [arch].into_iter().chain(all).map(|arch| format!("{component}/binary-{arch}/"));
        dirs.filter_map(|dir| self.list(&dir)).collect()
    }

    /// The list of a suite without components.
    pub(super) fn flat_list(&self) -> Option<(String, Listed)> {
        self.list("").or_else(|| self.list("./"))
    }

    fn list(&self, dir: &str) -> Option<(String, Listed)> {
        PACKED.iter().find_map(|ending| {
            let name = format!("{dir}Packages{ending}");
            self.files.get(&name).map(|listed| (name, *listed))
        })
    }
}

/// An archive says so by naming `all` among its architectures, unless it takes that back (`No-Support-for-Architecture-all`).
fn has_list_of_all(release: deb822::Paragraph<'_>) -> bool {
    let has = |field: &str, word: &str| {
        release.field(field).is_some_and(|value| value.words().any(|own| own == word))
    };
    has("Architectures", "all") && !has("No-Support-for-Architecture-all", "Packages")
}

/// A time as RFC 2822 has it, in UTC: `Sat, 15 Nov 2025 09:12:33 UTC`.
fn date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, zone] = words.as_slice() else { return None };
    if !matches!(*zone, "UTC" | "GMT" | "Z" | "+0000") {
        return None;
    }
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|known| known == month)?;
    let month = Month::try_from(u8::try_from(month).ok()?.checked_add(1)?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let mut parts = time.split(':').map(|part| part.parse::<u8>().ok());
    let time = Time::from_hms(parts.next()??, parts.next()??, parts.next()??).ok()?;
    Some(OffsetDateTime::new_utc(date, time).unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn release(more: &str) -> Result<Release, String> {
        Release::parse(&format!(
            "Origin: Debian\nDate: Sat, 15 Nov 2025 09:12:33 UTC\n{more}MD5Sum:\n 0 1 a\nSHA256:\n {DIGEST} 7 main/binary-arm64/Packages.xz\n \
             {DIGEST} 9 main/binary-arm64/Packages\n"
        ))
    }

    #[test]
    fn a_release_has_lists_and_a_time() {
        let found = release("Acquire-By-Hash: yes\n").unwrap();
        assert_eq!(found.date, 1_763_197_953);
        let lists = found.lists("main", "arm64");
        assert_eq!(lists.len(), 1);
        assert_eq!((lists[0].0.as_str(), lists[0].1.size), ("main/binary-arm64/Packages.xz", 7));
        assert!(found.lists("main", "amd64").is_empty() && found.lists("contrib", "arm64").is_empty());
        assert_eq!(found.flat_list(), None);
        assert!(found.by_hash && !found.is_not_automatic);
    }

    #[test]
    fn what_is_expired_replayed_or_from_the_future_is_refused() {
        let day = 24 * 3600;
        let found = release("Valid-Until: Sat, 22 Nov 2025 09:12:33 UTC\n").unwrap();
        found.is_current(found.date, None).unwrap();
        found.is_current(found.date, Some(found.date)).unwrap();
        for (now, seen, said) in [
            (found.date + 10 * day, None, "expired 3 days ago"),
            (found.date, Some(found.date + 1), "older than"),
            (found.date - 2 * day, None, "after now"),
        ] {
            assert!(found.is_current(now, seen).unwrap_err().contains(said), "{said}");
        }
        release("").unwrap().is_current(found.date + 1000 * day, None).unwrap();
    }

    #[test]
    fn packages_of_all_architectures_may_have_a_list_of_their_own() {
        let more = |fields: &str| {
            let listed = format!("{DIGEST} 3 main/binary-all/Packages.xz");
            let text = format!(
                "Date: Sat, 15 Nov 2025 09:12:33 UTC\n{fields}SHA256:\n {DIGEST} 7 main/binary-arm64/Packages\n {listed}\n"
            );
            Release::parse(&text)
                .unwrap()
                .lists("main", "arm64")
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        let arm64 = "main/binary-arm64/Packages";
        assert_eq!(more("Architectures: all arm64\n"), [arm64, "main/binary-all/Packages.xz"]);
        assert_eq!(more("Architectures: all arm64\nNo-Support-for-Architecture-all: Packages\n"), [arm64]);
        assert_eq!(more("Architectures: arm64\n"), [arm64]);
    }

    #[test]
    fn the_index_of_another_suite_is_refused() {
        let found = release("Suite: oldstable-security\nCodename: bookworm-security\n").unwrap();
        for suite in ["bookworm-security", "oldstable-security", "./"] {
            found.is_of(suite).unwrap();
        }
        let error = found.is_of("trixie-security").unwrap_err();
        assert!(error.contains("bookworm-security, expected trixie-security"), "{error}");
        release("Codename: buster\n").unwrap().is_of("buster/updates").unwrap();
        release("").unwrap().is_of("any").unwrap();
    }

    #[test]
    fn an_invalid_release_is_an_error() {
        for (text, said) in [
            ("", "empty"),
            ("Suite: x\n", "no Date"),
            ("Date: yesterday\n", "expected a time"),
            ("Date: Sat, 15 Nov 2025 09:12:33 CET\n", "expected a time"),
            ("Date: Sat, 15 Nov 2025 09:12:33 UTC\nMD5Sum:\n a 1 b\n", "no SHA256"),
            ("Date: Sat, 15 Nov 2025 09:12:33 UTC\nSHA256:\n a 1 b\n", "invalid"),
        ] {
            assert!(Release::parse(text).unwrap_err().contains(said), "{text}");
        }
    }
}
