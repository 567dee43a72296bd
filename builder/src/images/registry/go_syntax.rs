//! Which regular expressions Go's `regexp` and the crate `regex` read alike. Both descend from RE2, and differ in classes inside of
//! classes, operators on classes, flags, escapes, repeated quantifiers and bounds; what might differ is not in the common part.

/// Bounds that neither refuses, whatever else is in the pattern.
const MOST_REPEATS: u32 = 100;

/// Whether a pattern is in the common part. It may still be invalid: then it is so for both.
pub(super) fn is_common_pattern(pattern: &str) -> bool {
    let mut rest = pattern;
    let mut has_bounds = false;
    let mut follows_quantifier = false;
    while let Some(first) = rest.chars().next() {
        let tail = rest.get(first.len_utf8()..).unwrap_or_default();
        let is_quantifier = matches!(first, '*' | '+' | '?' | '{');
        if is_quantifier && follows_quantifier {
            return false;
        }
        let after = match first {
            '{' if has_bounds => None,
            '{' => bounds(tail).inspect(|_| has_bounds = true),
            '\\' => escape(tail),
            '[' => class(tail),
            '(' => group(tail),
            ']' | '}' => None,
            _ if first.is_ascii_graphic() => Some(tail),
            _ => None,
        };
        let Some(after) = after else { return false };
        // A question mark there makes it lazy.
        rest = after.strip_prefix('?').filter(|_| is_quantifier).unwrap_or(after);
        follows_quantifier = is_quantifier;
    }
    true
}

/// Whether a replacement is in the common part: `$$`, `$1`, `$name`, `${1}` and `${name}`.
pub(super) fn is_common_replacement(replacement: &str) -> bool {
    let mut parts = replacement.split('$');
    let mut is_common = parts.next().is_none_or(|text| text.is_ascii());
    while let Some(part) = parts.next() {
        let name = match part.strip_prefix('{') {
            Some(rest) => rest.split_once('}').map(|(name, _)| name).unwrap_or_default(),
            // "$$" is a dollar sign: what follows the second one is text.
            None if part.is_empty() => {
                is_common &= parts.next().is_some_and(|text| text.is_ascii());
                continue;
            }
            None => part.split(|c: char| !is_word(c)).next().unwrap_or_default(),
        };
        let is_number_with_zero = name.len() > 1 && name.starts_with('0');
        is_common &= part.is_ascii() && !name.is_empty() && name.chars().all(is_word) && !is_number_with_zero;
    }
    is_common
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// After `\`: punctuation, or a class of Perl's.
fn escape(text: &str) -> Option<&str> {
    let (first, rest) = text.split_at_checked(1)?;
    let c = first.chars().next()?;
    let is_sign = c.is_ascii_punctuation() && !matches!(c, '<' | '>');
    (is_sign || "dDsSwW".contains(c)).then_some(rest)
}

/// After `(`: the inside of a group, which is named or not.
fn group(text: &str) -> Option<&str> {
    let Some(rest) = text.strip_prefix('?') else { return Some(text) };
    if let Some(rest) = rest.strip_prefix(':') {
        return Some(rest);
    }
    let (name, rest) = rest.strip_prefix("P<")?.split_once('>')?;
    let is_name =
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_word);
    is_name.then_some(rest)
}

/// After `{`: `3}`, `3,}` or `3,5}`.
fn bounds(text: &str) -> Option<&str> {
    let (inside, rest) = text.split_once('}')?;
    let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u32>().ok().filter(|number| is_number && *number <= MOST_REPEATS)
    };
    let least = number(least)?;
    (most.is_empty() || number(most)? >= least).then_some(rest)
}

/// After `[`: letters, digits, a few signs, ranges, and escapes as above, without a class in it.
fn class(text: &str) -> Option<&str> {
    let mut rest = text.strip_prefix('^').unwrap_or(text);
    let mut is_empty = true;
    loop {
        let (first, tail) = rest.split_at_checked(1)?;
        let c = first.chars().next()?;
        rest = match c {
            ']' if is_empty => return None,
            ']' => return Some(tail),
            '\\' => escape(tail).filter(|after| !after.starts_with('-'))?,
            // In a range, or at an edge; "--" is an operator.
            '-' if tail.starts_with(['-', '\\', '[']) => return None,
            '-' | '.' | '/' | '_' | ':' | '@' => tail,
            _ if c.is_ascii_alphanumeric() => tail,
            _ => return None,
        };
        is_empty = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_patterns_are_known() {
        for pattern in [
            "^rancher/(.*)",
            "(.*)",
            "",
            "^library/([a-z0-9_.-]+)$",
            "^(?:a|b)/(?P<name>.*?)$",
            r"^foo\.bar/\w+",
            "a{2}b",
            "a{2,}?",
            "a{2,5}",
            "[^/]+/(.+)",
            r"[\d_]+",
            "[a-]",
        ] {
            assert!(is_common_pattern(pattern), "{pattern}");
        }
    }

    #[test]
    fn what_one_of_the_two_reads_otherwise_is_not_common() {
        for pattern in [
            "[[a]b]",
            "[a&&b]",
            "[a--b]",
            "[a~~b]",
            "[]a]",
            "[[:alpha:]]",
            "(?i)a",
            "(?x)a b",
            "(?=a)",
            "(?<n>a)",
            r"\pN",
            r"\Qa.b\E",
            r"\x41",
            r"\b",
            r"\A",
            r"\1",
            r"\<a",
            "a**",
            "a+*",
            "a*??",
            "a{,2}",
            "a{",
            "a{1001}",
            "a{2,1}",
            "a{2}b{2}",
            "a{2}{2}",
            "a b",
            "ä",
            "[ä]",
            "]",
            "}",
            "[a",
            r"[\d-z]",
        ] {
            assert!(!is_common_pattern(pattern), "{pattern}");
        }
    }

    #[test]
    fn replacements_with_a_clear_meaning_are_known() {
        for replacement in ["", "a/$1", "${1}a", "$name", "${name}", "$$1", "a$$", "$0", "$10"] {
            assert!(is_common_replacement(replacement), "{replacement}");
        }
        for replacement in
            ["$", "a$", "$-", "${", "${1", "${}", "${a-b}", "$01", "${01}", "$$$", "ä", "$1ä", "$$ä"]
        {
            assert!(!is_common_replacement(replacement), "{replacement}");
        }
    }
}
