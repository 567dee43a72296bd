//! Names that a mirror has other ones for: `rewrite` of k3s' `registries.yaml`.
//!
//! k3s' containerd goes through the patterns in no fixed order (a map of Go), and takes the first that changes the repository of the
//! name. Here they are tried in the order of their text.

use std::borrow::Cow;
use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use crate::value::ImageReference;

use super::go_syntax;

/// The most bytes that a pattern may take when it is compiled.
const COMPILED_LIMIT: usize = 1 << 20;

/// Patterns of repositories, each with its replacement.
#[derive(Debug, Clone, Default)]
pub struct NameRewrites(Vec<(Regex, String)>);

/// Why patterns cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RewriteProblem {
    /// This pattern is invalid, here and for k3s.
    Invalid(String),
    /// Go and hcimage may not read this pattern or replacement alike.
    Unread(String),
}

impl NameRewrites {
    /// From patterns with their replacements (Go's `regexp`), in any order.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, RewriteProblem> {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_unstable();
        let compiled = entries.into_iter().map(|(pattern, replacement)| {
            let unread = |text: &str| RewriteProblem::Unread(text.to_owned());
            if !go_syntax::is_common_pattern(pattern) {
                return Err(unread(pattern));
            }
            if !go_syntax::is_common_replacement(replacement) {
                return Err(unread(replacement));
            }
            match RegexBuilder::new(pattern).size_limit(COMPILED_LIMIT).build() {
                Ok(regex) => Ok((regex, replacement.to_owned())),
                Err(regex::Error::Syntax(_)) => Err(RewriteProblem::Invalid(pattern.to_owned())),
                Err(_) => Err(unread(pattern)),
            }
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// What a mirror calls a repository, such as `library/nginx`.
    pub(super) fn of<'a>(&self, repository: &'a str) -> Cow<'a, str> {
        self.each(repository).next().map_or(Cow::Borrowed(repository), Cow::Owned)
    }

    /// All names that a repository may get: more than one where the order of the patterns matters.
    pub fn candidates(&self, name: &ImageReference) -> BTreeSet<String> {
        self.each(name.repository()).collect()
    }

    fn each(&self, repository: &str) -> impl Iterator<Item = String> {
        let changed = self
            .0
            .iter()
            .map(|(pattern, replacement)| pattern.replace_all(repository, replacement.as_str()).into_owned());
        changed.filter(move |changed| changed.as_str() != repository)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(entries: &[(&str, &str)], repository: &str) -> String {
        NameRewrites::new(entries.iter().copied()).unwrap().of(repository).into_owned()
    }

    #[test]
    fn a_repository_is_rewritten_as_k3s_documents_it() {
        let rancher = [("^rancher/(.*)", "mirrorproject/rancher-images/$1")];
        assert_eq!(
            rewritten(&rancher, "rancher/mirrored-pause"),
            "mirrorproject/rancher-images/mirrored-pause"
        );
        assert_eq!(rewritten(&rancher, "library/nginx"), "library/nginx");
        for (pattern, replacement, name, expected) in [
            ("(.*)", "hub/${1}", "library/nginx", "hub/library/nginx"),
            ("^library/(?P<name>[a-z]+)$", "${name}/x", "library/nginx", "nginx/x"),
            // "$1x" is the group "1x", which there is not.
            ("^library/(.*)$", "$1x", "library/nginx", ""),
            ("^library/(.*)$", "${1}x", "library/nginx", "nginxx"),
            // Each match, and not the first alone.
            ("a", "b", "banana/a", "bbnbnb/b"),
            ("^", "hub/", "library/nginx", "hub/library/nginx"),
        ] {
            assert_eq!(rewritten(&[(pattern, replacement)], name), expected, "{pattern} {replacement}");
        }
    }

    #[test]
    fn the_first_pattern_that_changes_the_name_is_taken_and_others_are_known() {
        // The first matches, and changes nothing.
        let entries = [("^(.*)$", "$1"), ("^library/(.*)$", "b/$1"), ("^library/", "a/")];
        assert_eq!(rewritten(&entries, "library/nginx"), "a/nginx");
        let rewrites = NameRewrites::new(entries).unwrap();
        let candidates = rewrites.candidates(&"nginx:1".parse().unwrap());
        assert_eq!(candidates.into_iter().collect::<Vec<_>>(), ["a/nginx", "b/nginx"]);
    }

    #[test]
    fn what_go_reads_otherwise_is_named() {
        for (pattern, replacement) in
            [("[[a]b]", "x"), ("(", "x"), ("(?=a)", "x"), ("(.*)", "$01"), ("(.{99}){99}", "x"), ("ä", "x")]
        {
            assert!(NameRewrites::new([(pattern, replacement)]).is_err(), "{pattern} {replacement}");
        }
        for (pattern, is_invalid) in [("(?=a)", false), ("(a", true), ("*a", true), ("[z-a]", true)] {
            let problem = NameRewrites::new([("a", "b"), (pattern, "x")]).unwrap_err();
            let text = pattern.to_owned();
            let expected =
                if is_invalid { RewriteProblem::Invalid(text) } else { RewriteProblem::Unread(text) };
            assert_eq!(problem, expected);
        }
    }
}
