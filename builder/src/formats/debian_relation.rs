//! Relations between packages (Debian Policy 7.1): `libc6 (>= 2.36), default-mta | mail-transport-agent`.

use std::cmp::Ordering;
use std::fmt;

use super::debian_version::DebianVersion;

/// A package by its name, and perhaps by its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The name, without a qualifier.
    pub name: String,
    /// Which versions.
    pub bound: Option<(Bound, DebianVersion)>,
}

/// Which versions a relation means, against the one that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// `<<`
    Earlier,
    /// `<=`
    AtMost,
    /// `=`
    Exactly,
    /// `>=`
    AtLeast,
    /// `>>`
    Later,
}

impl Relation {
    /// Whether it means this version of the package of its name.
    pub fn allows(&self, version: &DebianVersion) -> bool {
        let Some((bound, wanted)) = &self.bound else { return true };
        let order = version.cmp(wanted);
        match bound {
            Bound::Earlier => order == Ordering::Less,
            Bound::AtMost => order != Ordering::Greater,
            Bound::Exactly => order == Ordering::Equal,
            Bound::AtLeast => order != Ordering::Less,
            Bound::Later => order == Ordering::Greater,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let Some((bound, version)) = &self.bound else { return Ok(()) };
        let sign = match bound {
            Bound::Earlier => "<<",
            Bound::AtMost => "<=",
            Bound::Exactly => "=",
            Bound::AtLeast => ">=",
            Bound::Later => ">>",
        };
        write!(f, " ({sign} {version})")
    }
}

/// Alternatives, of which one is enough, the best first.
pub type AnyOf = Vec<Relation>;

/// Alternatives as they are written: `default-mta | mail-transport-agent`.
pub fn shown(any_of: &[Relation]) -> String {
    any_of.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

/// All relations of a field, for binary packages of the architecture `arch`. The error follows the name of the package.
pub fn parse(text: &str, arch: &str) -> Result<Vec<AnyOf>, String> {
    let mut all = Vec::new();
    for group in text.split(',').map(str::trim).filter(|group| !group.is_empty()) {
        let mut any_of = Vec::new();
        for alternative in group.split('|') {
            any_of.extend(one(alternative.trim(), arch)?);
        }
        if !any_of.is_empty() {
            all.push(any_of);
        }
    }
    Ok(all)
}

/// None for one of another architecture.
fn one(text: &str, arch: &str) -> Result<Option<Relation>, String> {
    let invalid = || format!("the relation {text:?} is invalid");
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '<')).unwrap_or(text.len());
    let (name, mut rest) = text.split_at_checked(end).ok_or_else(invalid)?;
    let (name, qualifier) = name.split_once(':').unwrap_or((name, ""));
    if !is_name(name) {
        return Err(invalid());
    }
    let mut bound = None;
    let mut is_wanted = matches!(qualifier, "" | "any" | "native") || qualifier == arch;
    rest = rest.trim();
    if let Some(after) = rest.strip_prefix('(') {
        let (inside, after) = after.split_once(')').ok_or_else(invalid)?;
        let inside = inside.trim();
        let at = inside.find(|c| !matches!(c, '<' | '>' | '=')).ok_or_else(invalid)?;
        let (sign, version) = inside.split_at_checked(at).ok_or_else(invalid)?;
        let sign = match sign {
            "<<" => Bound::Earlier,
            // A single sign is the older way, and includes the version.
            "<=" | "<" => Bound::AtMost,
            "=" => Bound::Exactly,
            ">=" | ">" => Bound::AtLeast,
            ">>" => Bound::Later,
            _ => return Err(invalid()),
        };
        bound = Some((sign, version.trim().parse().map_err(|_| invalid())?));
        rest = after.trim();
    }
    if let Some(after) = rest.strip_prefix('[') {
        let (inside, after) = after.split_once(']').ok_or_else(invalid)?;
        let words: Vec<&str> = inside.split_ascii_whitespace().collect();
        let is_named = |sign: &str| words.iter().any(|word| word.strip_prefix(sign) == Some(arch));
        let is_negative = words.iter().all(|word| word.starts_with('!'));
        is_wanted &= if is_negative { !is_named("!") } else { is_named("") };
        rest = after.trim();
    }
    // Profiles are for sources only.
    if !rest.is_empty() && !rest.starts_with('<') {
        return Err(invalid());
    }
    Ok(is_wanted.then(|| Relation { name: name.to_owned(), bound }))
}

/// Whether a text is the name of a package (Debian Policy 5.6.1), in the form that the archives have.
pub fn is_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(text: &str) -> String {
        let all = parse(text, "arm64").unwrap();
        all.iter().map(|any_of| shown(any_of)).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn relations_are_groups_of_alternatives() {
        assert_eq!(read_back("a (>= 1:2-3) , b|c(<< 2), "), "a (>= 1:2-3), b | c (<< 2)");
        assert_eq!(read_back("a [arm64 armhf], b [!arm64], c [amd64] | d, e <!nocheck>"), "a, d, e");
        assert_eq!(read_back("python3:any (>= 3.11), x:amd64, y:arm64"), "python3 (>= 3.11), y");
        assert_eq!(read_back("a (< 1), b (> 2)"), "a (<= 1), b (>= 2)");
        for bad in ["a (>= )", "a (1)", "a (>= 1", "/etc/passwd", "a b", "a (=> 1)", "-a", "a [arm64"] {
            assert!(parse(bad, "arm64").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bound_allows_what_dpkg_allows() {
        for (text, version, want) in [
            ("a (>= 1.0)", "1.0-0", true),
            ("a (>> 1.0)", "1.0-0", false),
            ("a (= 1.0)", "1.0", true),
            ("a (<< 1.0)", "1.0~rc1", true),
            ("a (<= 1.0)", "1.0-1", false),
            ("a", "0", true),
        ] {
            let all = parse(text, "arm64").unwrap();
            assert_eq!(all[0][0].allows(&version.parse().unwrap()), want, "{text} {version}");
        }
    }

    proptest! {
        #[test]
        fn a_relation_that_is_taken_reads_back(text in "[a-z0-9+.-]{1,6}( ?\\([<>=]{1,2} ?[0-9][0-9a-z.~-]{0,4}\\))?") {
            for relation in parse(&text, "arm64").into_iter().flatten().flatten() {
                prop_assert_eq!(parse(&relation.to_string(), "arm64"), Ok(vec![vec![relation]]));
            }
        }

        #[test]
        fn no_text_causes_a_panic(text in ".{0,80}") {
            let _ = parse(&text, "arm64");
        }
    }
}
